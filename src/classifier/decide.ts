/**
 * Failure → verdict: what the fleet does about it, by one policy table and the attempts that are left.
 *
 *     transient     a named wait ─▶ wait (free)      none ─▶ retry by backoff      budget gone ─▶ park
 *     contract      continue │ longer │ repair, once each budget and fingerprint ─▶ park
 *     input, cost   ─▶ halt
 *     workflow      route ─▶ wait until somebody opens it      type ─▶ halt      one request ─▶ park
 *     persistence   retry the save, never the call ─▶ park
 *
 * Waiting for capacity spends no attempt, because nothing was billed and nothing went wrong with the section. The one
 * exception is a call that may have been billed: asking again may pay again, so it always spends an attempt, also where
 * a wait was named. Without it a provider that bills and then answers 429 would be asked, and paid, for ever.
 */
import { FAILURE_POLICY } from "../domain/failure.ts";
import type {
  Attempts,
  Failure,
  FailurePolicy,
  RepairRung,
  RetryStrategy,
  Verdict,
} from "../domain/failure.ts";
import { formatWait } from "../domain/ids.ts";
import { isCutByLength } from "./salvage.ts";

export interface Decision {
  failure: Failure;
  attempts: Attempts;
  strategy: RetryStrategy;
  /** Contract fingerprints this section has met before this failure. */
  seenFingerprints: readonly string[];
  /** 0 to 1, passed in so that a verdict can be repeated. */
  random: number;
  /** The paid answer that broke its contract; tells which repair is the cheapest that can work. */
  answer?: { finishReason: string | null; contract: "json" | "text"; canAskLonger: boolean } | undefined;
  /** The provider may have billed the failed call. */
  unknownBilling?: boolean | undefined;
  /** Saves of this result that failed before. */
  savesTried?: number | undefined;
}

/** A closed route is looked at again this often; whoever opens it wakes the section earlier. */
const CLOSED_ROUTE_WAIT_MS = 60_000;
/** Shorter named waits are taken for this long: without an attempt spent, nothing else would keep a loop slow. */
const SHORTEST_FREE_WAIT_MS = 250;

export function decide(decision: Decision): Verdict {
  const { failure } = decision;
  const policy: FailurePolicy = FAILURE_POLICY[failure.kind];
  switch (failure.kind) {
    case "transient":
      return afterTransient(decision, policy);
    case "contract":
      return afterContract(decision, policy);
    case "workflow":
      return afterWorkflow(failure, policy);
    case "persistence":
      return afterPersistence(decision, policy);
    case "input":
    case "cost":
      return stop(policy, failure.message);
    default:
      return neverAsked(failure.kind);
  }
}

function afterTransient(decision: Decision, policy: FailurePolicy): Verdict {
  const { failure, attempts, strategy, unknownBilling } = decision;
  if (!failure.retryable) return stop(policy, failure.message);
  const named = failure.cooldownMs;
  if (named !== null && named > strategy.longestWaitMs)
    return stop(policy, `the provider asks to wait ${formatWait(named)}, longer than this section may`);
  if (named !== null && named > 0 && unknownBilling !== true) {
    const afterMs = Math.max(named, SHORTEST_FREE_WAIT_MS);
    return {
      verdict: "wait",
      afterMs,
      because: `${reasonOf(failure)}, which asked for ${formatWait(named)}`,
    };
  }
  if (attempts.transient >= strategy.transient)
    return stop(policy, `${reasonOf(failure)}, and all ${strategy.transient} retries are used up`);
  const afterMs = Math.max(named ?? 0, backoffMs(decision, attempts.transient));
  const billed = unknownBilling === true ? "; the failed call may have been billed" : "";
  return {
    verdict: "retry",
    cause: "transient",
    afterMs,
    because: `${reasonOf(failure)}; retry ${attempts.transient + 1} of ${strategy.transient}${billed}`,
  };
}

function afterContract(decision: Decision, policy: FailurePolicy): Verdict {
  const { failure, attempts, strategy, seenFingerprints } = decision;
  if (!failure.retryable) return stop(policy, failure.message);
  if (seenFingerprints.includes(failure.fingerprint))
    return stop(policy, `the model made the same mistake twice: ${asClause(failure.message)}`);
  if (attempts.repair >= strategy.repair)
    return stop(policy, `${asClause(failure.message)}, and no repair is left to pay for`);
  const rung = rungFor(decision);
  return { verdict: "repair", rung, because: `${asClause(failure.message)}; ${RUNG_WORDS[rung]}` };
}

const RUNG_WORDS = {
  continue: "the model is asked for the rest of the text",
  longer: "it is asked once more with a larger output limit",
  repair: "the model is shown its answer and what is wrong with it",
} as const satisfies Record<RepairRung, string>;

function rungFor({ failure, answer }: Decision): RepairRung {
  const cut = failure.code === "truncated" || isCutByLength(answer?.finishReason);
  if (answer === undefined || !cut) return "repair";
  if (answer.contract === "text") return "continue";
  return answer.canAskLonger ? "longer" : "repair";
}

function afterWorkflow(failure: Failure, policy: FailurePolicy): Verdict {
  switch (failure.scope) {
    case "route":
      return {
        verdict: "wait",
        afterMs: CLOSED_ROUTE_WAIT_MS,
        because: `the route is closed until its configuration changes: ${asClause(failure.message)}`,
      };
    case "type":
      return stop(policy, failure.message);
    case "request":
      // Nothing says that the other sections would fail as well.
      return { verdict: "park", because: failure.message };
  }
}

function afterPersistence(decision: Decision, policy: FailurePolicy): Verdict {
  const { failure, strategy, savesTried } = decision;
  if (!failure.retryable) return stop(policy, failure.message);
  if (failure.cooldownMs !== null && failure.cooldownMs > strategy.longestWaitMs)
    return stop(policy, `the store asks to wait ${formatWait(failure.cooldownMs)}`);
  const afterMs = Math.max(failure.cooldownMs ?? 0, backoffMs(decision, savesTried ?? 0));
  return {
    verdict: "retry_save",
    afterMs,
    because: `${asClause(failure.message)}; only the save is tried again, in ${formatWait(afterMs)}`,
  };
}

function stop(policy: FailurePolicy, because: string): Verdict {
  return policy.report === "halts" ? { verdict: "halt", because } : { verdict: "park", because };
}

/** Exponential with full jitter: many sections that failed together must not come back together. */
function backoffMs({ strategy, random }: Decision, tried: number): number {
  const { baseMs, factor, maxMs } = strategy.backoff;
  const ceiling = Math.min(maxMs, baseMs * factor ** Math.max(0, tried));
  return Math.ceil(Math.min(1, Math.max(0, random)) * ceiling);
}

/** "rate limited by the provider": who was the cause, in a form that a half-sentence can follow. */
function reasonOf(failure: Failure): string {
  switch (failure.code) {
    case "rate_limited":
      return "rate limited by the provider";
    case "overloaded":
      return "refused by an overloaded provider";
    default:
      return asClause(failure.message);
  }
}

function asClause(sentence: string): string {
  return sentence.replace(/\.$/, "");
}

function neverAsked(kind: never): never {
  throw new Error(`The failure kind ${String(kind)} has no row in decide().`);
}
