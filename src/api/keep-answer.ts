/** Answers a request with an idempotency key once, and a repeat of it with the same answer. */
import { createHash, randomUUID } from "node:crypto";
import { canonicalJson } from "../domain/canonical-json.ts";
import { beginAnswer, endAnswer } from "../store/kept-answers.ts";
import type { Store } from "../store/redis.ts";
import { Problem } from "./problems.ts";

export interface JsonAnswer {
  status: number;
  headers: Record<string, string>;
  body: unknown;
}

const LONGEST_KEY = 200;

export function requireIdempotencyKey(given: string | null): string {
  if (given === null)
    throw new Problem(
      "idempotency_key_required",
      "Send an Idempotency-Key header, new for each order: with it, a request whose answer was lost can be repeated safely.",
    );
  // Node joins repeated headers with a comma; visible ASCII is all that an HTTP field can carry unharmed.
  if (!/^[\x21-\x7e]+$/.test(given) || given.length > LONGEST_KEY)
    throw new Problem(
      "invalid_request",
      `An Idempotency-Key has 1 to ${LONGEST_KEY} visible ASCII characters.`,
    );
  return given;
}

export async function answerOnce(
  store: Store,
  /** Whose key it is, and for what: keys of different callers never meet. */
  scope: { account: string; route: string; key: string },
  request: unknown,
  answer: () => Promise<JsonAnswer>,
): Promise<JsonAnswer> {
  const keyHash = sha256(JSON.stringify([scope.account, scope.route, scope.key]));
  const owner = randomUUID();
  const begun = await beginAnswer(store, keyHash, sha256(canonicalJson(request)), owner);
  switch (begun.outcome) {
    case "answered": {
      const kept = JSON.parse(begun.answer) as JsonAnswer;
      return { ...kept, headers: { ...kept.headers, "Idempotency-Replayed": "true" } };
    }
    case "in_progress":
      throw new Problem(
        "in_progress",
        "The first request with this Idempotency-Key is still being answered.",
        {
          retryAfterMs: Math.min(begun.waitMs, 2_000),
        },
      );
    case "conflict":
      throw new Problem(
        "idempotency_conflict",
        "This Idempotency-Key came before with another request. Use a new key for a new order.",
      );
    case "begun": {
      let kept: JsonAnswer | null = null;
      try {
        kept = await answer();
        return kept;
      } finally {
        // A refused request does not use up its key. Where Redis is lost just now, the lease frees it.
        await endAnswer(store, keyHash, owner, kept === null ? null : JSON.stringify(kept)).catch(
          () => undefined,
        );
      }
    }
  }
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
