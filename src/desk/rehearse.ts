/**
 * Walks a section without a provider: every call is answered from its checkpoint and judged by today's parser, and the
 * walk stops where something would have to be paid or computed. It is what a dry run shows, what decides whether a
 * stored answer can be accepted after all, and how a bundle is replayed offline.
 *
 * The author's own code runs here, as it runs in a worker, but nothing it does is stored.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { TakeState } from "../domain/call.ts";
import type { Failure } from "../domain/failure.ts";
import type { MicroUsd } from "../domain/ids.ts";
import { classify } from "../classifier/classify.ts";
import { checkOutput } from "../report-types/check-output.ts";
import type {
  CallRequest,
  SectionContext,
  SectionInput,
  StepOptions,
} from "../report-types/define-report.ts";
import { modelConfig } from "../report-types/model-config.ts";
import type { AskedQuestion } from "../store/cases.ts";
import type { StoredTake } from "../store/takes.ts";
import { judgeAnswer } from "../workers/judge-answer.ts";
import { callKeyOf } from "../workers/pay-once.ts";
import { asPinned } from "../workers/section-context.ts";
import type { Author } from "../workers/section-author.ts";
import { withTimeout } from "../workers/with-timeout.ts";

/** What the walk may read. */
export interface Shelf {
  take(callKey: string): Promise<Pick<StoredTake, "take" | "state" | "answer"> | null>;
  step(stepKey: string): Promise<{ found: true; value: unknown } | { found: false }>;
}

export interface WalkedCall {
  call: string;
  callKey: string;
  promptVersion: string;
  /** `revalidated` = rejected before, accepted by today's parser; `paid` = a provider would be asked. */
  outcome: "reused" | "revalidated" | "rejected" | "paid";
  /** What the stored answer has cost; 0 where there is none. */
  micros: MicroUsd;
  state: TakeState | null;
}

export type Rehearsal = { calls: WalkedCall[] } & (
  | { outcome: "written"; output: unknown }
  /** The next call would be paid; what comes after it depends on its answer. */
  | { outcome: "would_pay" }
  | { outcome: "would_compute"; step: string }
  | { outcome: "failed"; failure: Pick<Failure, "kind" | "code" | "message"> }
);

export interface Walking {
  /** This call is asked again whatever its checkpoint says. */
  askedAgain?: string | null;
  /** A person's choice of the stored question: it stands in for what today's code renders. */
  pinned?: AskedQuestion | null;
  /** Hears every question of the walk, as rendered. */
  onQuestion?: (question: AskedQuestion) => void;
  /** For the author's code, as in a worker: a promise of theirs that never settles ends the walk and holds up nobody. */
  limitMs?: number | undefined;
}

/** Nothing is asked or computed on a walk, so it takes moments. */
const LONGEST_WALK_MS = 30_000;

/** Gets the walk out of an author's code. */
class WalkEnded extends Error {}

export async function rehearse(
  author: Author,
  input: SectionInput<unknown, unknown>,
  shelf: Shelf,
  { askedAgain = null, pinned = null, limitMs = LONGEST_WALK_MS, onQuestion }: Walking = {},
): Promise<Rehearsal> {
  const calls: WalkedCall[] = [];
  const section = input.section.key;
  /** Questions to the shelf that have no answer. */
  let reading = 0;
  let end: Exclude<Rehearsal, { outcome: "written" }> | null = null;

  function stop(ending: Exclude<Rehearsal, { outcome: "written" }>): never {
    end ??= ending;
    throw new WalkEnded("the walk has ended");
  }

  async function read<T>(reply: Promise<T>): Promise<T> {
    reading += 1;
    const value = await reply;
    reading -= 1;
    return value;
  }

  async function call<T>(name: string, rendered: CallRequest<T>): Promise<T> {
    if (end !== null) throw new WalkEnded("the walk has ended");
    const { request, config } = asPinned(pinned, name, rendered, modelConfig(author.model, rendered.model));
    const callKey = callKeyOf(section, name, request, config);
    const { promptVersion, messages } = request;
    onQuestion?.({ call: name, callKey, promptVersion, messages, model: config });
    const stored = await read(shelf.take(callKey));
    const walked = { call: name, callKey, promptVersion: request.promptVersion };
    if (stored === null || callKey === askedAgain) {
      calls.push({
        ...walked,
        outcome: "paid",
        micros: stored?.answer.micros ?? 0,
        state: stored?.state ?? null,
      });
      return stop({ outcome: "would_pay", calls });
    }
    const of = { ...walked, micros: stored.answer.micros, state: stored.state };
    const judged = judgeAnswer(request.output, stored.answer);
    if (judged.ok) {
      calls.push({ ...of, outcome: stored.state === "rejected" ? "revalidated" : "reused" });
      return judged.value;
    }
    calls.push({ ...of, outcome: "rejected" });
    const { kind, code, message } = classify(judged.evidence);
    return stop({ outcome: "failed", failure: { kind, code, message }, calls });
  }

  const context: SectionContext<unknown, unknown> = {
    ...input,
    signal: new AbortController().signal,
    call,
    async callOrGiveUp(name, request) {
      try {
        return await call(name, request);
      } catch (thrown) {
        // A rejected answer is what the section goes on without; a call that was never made is not.
        if (!(thrown instanceof WalkEnded) || end?.outcome !== "failed") throw thrown;
        end = null;
        return undefined;
      }
    },
    async step<T>(name: string, inputs: unknown, _run: unknown, _options?: StepOptions): Promise<T> {
      if (end !== null) throw new WalkEnded("the walk has ended");
      const hash = createHash("sha256").update(canonicalJson(inputs)).digest("hex").slice(0, 16);
      const stored = await read(shelf.step(`${section}/step-${name}/${hash}`));
      if (!stored.found) return stop({ outcome: "would_compute", step: name, calls });
      return stored.value as T;
    },
    markUnreviewed: () => undefined,
  };

  try {
    const output = await withTimeout(limitMs, context.signal, `writing section ${section}`, (signal) =>
      author.write({ ...context, signal }),
    );
    // Author code may have caught the end and returned all the same.
    if (end !== null) return end;
    const checked = checkOutput(author.output, output);
    if (checked.ok) return { outcome: "written", output: checked.value, calls };
    const message = `What section ${section} returned does not match its own output: ${checked.path} ${checked.message}.`;
    return { outcome: "failed", failure: { kind: "workflow", code: checked.code, message }, calls };
  } catch (thrown) {
    if (end !== null) return end;
    // A store that does not answer is no failure of the author's.
    if (reading > 0) throw thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    // Code that still runs gets nothing more.
    end = { outcome: "failed", failure: { kind: "workflow", code: "author_code_failed", message }, calls };
    return end;
  }
}
