/** Reuses an accepted answer of another report, where the author asked for it: spend 0, and judged like any other. */
import { createHash } from "node:crypto";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { Answer, ModelConfig } from "../domain/call.ts";
import type { CallRequest } from "../report-types/define-report.ts";
import { adoptCached, readCached, writeCached, type CacheEntry } from "../store/answer-cache.ts";
import { judgeAnswer } from "./judge-answer.ts";
import type { Session } from "./session.ts";

export type Reused<T> = { reused: true; value: T } | { reused: false };

export async function reuseAnswer<T>(
  session: Session,
  call: string,
  callKey: string,
  request: CallRequest<T>,
  model: ModelConfig,
): Promise<Reused<T>> {
  const { store } = session.workshop;
  const entry = entryFor(session, call, request, model);
  if (entry === null) return { reused: false };
  const answer = await session.fromStore(() => readCached(store, entry));
  if (answer === null) return { reused: false };
  const judged = judgeAnswer(request.output, answer);
  // What another report could use and this one cannot is asked for anew.
  if (!judged.ok) return { reused: false };
  const adopted = await session.fromStore(() =>
    adoptCached(store, session.claim, { name: call, callKey }, answer),
  );
  if (adopted === "superseded") session.stopWith({ stop: "superseded" });
  return adopted === "adopted" ? { reused: true, value: judged.value } : { reused: false };
}

export async function offerForReuse<T>(
  session: Session,
  call: string,
  request: CallRequest<T>,
  model: ModelConfig,
  answer: Answer,
): Promise<void> {
  const entry = entryFor(session, call, request, model);
  if (entry === null || request.cache === undefined) return;
  // An answer that cannot be offered to others is no less an answer.
  await writeCached(session.workshop.store, session.claim, entry, answer, request.cache.ttlMs).catch(
    () => undefined,
  );
}

function entryFor(
  session: Session,
  call: string,
  request: CallRequest<unknown>,
  model: ModelConfig,
): CacheEntry | null {
  if (request.cache === undefined) return null;
  const { type, account } = session;
  const scope = request.cache.scope === "type" ? `type:${type}` : `account:${account}`;
  const asked = canonicalJson({
    type,
    call,
    promptVersion: request.promptVersion,
    messages: request.messages,
    model,
  });
  return { scope, questionHash: createHash("sha256").update(asked).digest("hex").slice(0, 32) };
}
