/** What a report author's code gets in its hands: `call`, `callOrGiveUp`, `step`, and the facts to write from. */
import { createHash } from "node:crypto";
import { canonicalJson } from "../domain/canonical-json.ts";
import type {
  CallRequest,
  SectionContext,
  SectionInput,
  StepOptions,
} from "../report-types/define-report.ts";
import { modelConfig } from "../report-types/model-config.ts";
import type { ModelConfig } from "../domain/call.ts";
import { isName, NAME_RULE } from "../domain/ids.ts";
import type { AskedQuestion } from "../store/cases.ts";
import { readStep, saveStep } from "../store/steps.ts";
import { callKeyOf, payOnce } from "./pay-once.ts";
import { errorFacts, type Session } from "./session.ts";
import { SectionStopped } from "./stop.ts";
import { withTimeout } from "./with-timeout.ts";

export function sectionContext(
  session: Session,
  input: SectionInput<unknown, unknown>,
  model: Partial<ModelConfig> | undefined,
): SectionContext<unknown, unknown> {
  async function call<T>(name: string, wanted: CallRequest<T>): Promise<T> {
    checkName("call", name);
    const { request, config } = asPinned(session.pinned, name, wanted, modelConfig(model, wanted.model));
    try {
      return await payOnce(session, name, request, config);
    } catch (thrown) {
      // A parked failure keeps the question, so that a person may read it, and ask it again word for word.
      if (thrown instanceof SectionStopped && thrown.stop.stop === "failed") {
        const { promptVersion, messages } = request;
        const callKey = callKeyOf(session.claim.section, name, request, config);
        thrown.stop.question ??= { call: name, callKey, promptVersion, messages, model: config };
      }
      throw thrown;
    }
  }

  return {
    ...input,
    signal: session.control.signal,
    call,

    async callOrGiveUp(name, request) {
      try {
        return await call(name, request);
      } catch (thrown) {
        if (!session.giveUp(thrown)) throw thrown;
        return undefined;
      }
    },

    async step<T>(
      name: string,
      inputs: unknown,
      work: (signal: AbortSignal) => Promise<T>,
      options: StepOptions = {},
    ): Promise<T> {
      checkName("step", name);
      session.checkMayGoOn();
      const { store, durations } = session.workshop;
      const { report, section } = session.claim;
      const key = `${section}/step-${name}/${createHash("sha256").update(canonicalJson(inputs)).digest("hex").slice(0, 16)}`;
      const stored = await session.fromStore(() => readStep(store, report, key));
      if (stored.found) return stored.value as T;

      const limitMs = options.timeoutMs ?? durations.userCodeMs;
      const tries = 1 + (options.retries ?? 0);
      for (let nth = 1; ; nth++) {
        const startedAt = performance.now();
        try {
          const value = await withTimeout(
            limitMs,
            session.control.signal,
            `step ${name} of section ${section}`,
            work,
          );
          const elapsedMs = Math.round(performance.now() - startedAt);
          return (await session.fromStore(() =>
            saveStep(store, session.claim, { key, name, elapsedMs }, value),
          )) as T;
        } catch (thrown) {
          if (thrown instanceof SectionStopped) throw thrown;
          session.checkMayGoOn();
          if (nth < tries) continue;
          // What a step does is load something: an unreachable host heals, a missing document does not.
          session.stopWith({
            stop: "failed",
            ...session.judge({ surface: "network", stage: "load", node: errorFacts(thrown) }),
          });
        }
      }
    },

    markUnreviewed(because) {
      session.unreviewed = because;
    },
  };
}

/** A person may have chosen to resume with the stored question: then that one is asked, not what today's code renders. */
export function asPinned<T>(
  pinned: AskedQuestion | null,
  name: string,
  request: CallRequest<T>,
  config: ModelConfig,
): { request: CallRequest<T>; config: ModelConfig } {
  if (pinned?.call !== name) return { request, config };
  const { promptVersion, messages, model } = pinned;
  return { request: { ...request, promptVersion, messages }, config: model };
}

function checkName(what: string, name: string): void {
  if (!isName(name)) throw new TypeError(`"${name}" is no name for a ${what}: ${NAME_RULE}.`);
}
