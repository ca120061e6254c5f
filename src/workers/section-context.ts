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
import { readStep, saveStep } from "../store/calls.ts";
import { payOnce } from "./pay-once.ts";
import { errorFacts, type Session } from "./session.ts";
import { SectionStopped } from "./stop.ts";
import { withTimeout } from "./with-timeout.ts";

export function sectionContext(
  session: Session,
  input: SectionInput<unknown, unknown>,
  model: Partial<ModelConfig> | undefined,
): SectionContext<unknown, unknown> {
  function call<T>(name: string, request: CallRequest<T>): Promise<T> {
    checkName("call", name);
    return payOnce(session, name, request, modelConfig(model, request.model));
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
      const stored = await readStep(store, report, key);
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
          return (await saveStep(store, session.claim, { key, name, elapsedMs }, value)) as T;
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

function checkName(what: string, name: string): void {
  if (!isName(name)) throw new TypeError(`"${name}" is no name for a ${what}: ${NAME_RULE}.`);
}
