/**
 * The failure policy, on one screen.
 *
 * A failure is classified once (`src/classifier/classify.ts`) and answered once (`src/classifier/decide.ts`, the only
 * reader of `FAILURE_POLICY` but `vote-of.ts`, which takes the vote). A kind without a row does not compile.
 */
import type { Evidence } from "./evidence.ts";
import type { MicroUsd } from "./ids.ts";

export const FAILURE_KINDS = ["transient", "contract", "input", "workflow", "persistence", "cost"] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/** How far the cause reaches: this request, every report of the type, or every call over the route. */
export type FailureScope = "request" | "type" | "route";

export interface Failure {
  kind: FailureKind;
  /** Stable, snake_case, documented in docs/failures.md: `rate_limited`, `schema_mismatch`, `context_exceeded`, … */
  code: string;
  scope: FailureScope;
  /** One sentence for a person: what happened. Holds no source text and no secret. */
  message: string;
  /** 16 hex digits over kind, code and the normalised message; equal fingerprints form a group. */
  fingerprint: string;
  /** Another automatic attempt of the failed step is allowed (for contract: the bounded repair; for persistence: the save). */
  retryable: boolean;
  /** The wait that the response itself named, in ms; null where it named none or where it must not be retried. */
  cooldownMs: number | null;
  /** The classifier rule that fired, for support. */
  rule: string;
  evidence: Evidence;
}

/** What the fleet does about a failure. Carried out in one place, `src/workers/carry-out.ts`. */
export type Verdict =
  /** Try the failed step again after a cooldown; spends one attempt of `cause`. */
  | { verdict: "retry"; afterMs: number; cause: AttemptCause; because: string }
  /** Capacity is missing (closed route, full gate, named Retry-After); spends no attempt. */
  | { verdict: "wait"; afterMs: number; because: string }
  /** The answer was paid and is unusable: one more bounded take under the same call key. */
  | { verdict: "repair"; rung: RepairRung; because: string }
  /** The answer is paid and safe; only the save is tried again. */
  | { verdict: "retry_save"; afterMs: number; because: string }
  /** The section stops for a person; sibling sections finish. */
  | { verdict: "park"; because: string }
  /** The section stops for a person and siblings stop before their next call. */
  | { verdict: "halt"; because: string };

/** The paid rungs of the salvage ladder, cheapest first. */
export type RepairRung =
  /** Plain text that was cut: ask for the rest, check the overlap. */
  | "continue"
  /** JSON that was cut by length: once more with a larger output limit. */
  | "longer"
  /** Send the invalid output and the schema's errors back, once. */
  | "repair";

/** Attempts are counted by cause, so that a crash does not eat the budget of a rate limit. */
export type AttemptCause = "transient" | "repair" | "crash";
export type Attempts = Record<AttemptCause, number>;

/** How often each cause may be tried again in one section, and how long to wait between tries. */
export interface RetryStrategy {
  transient: number;
  repair: number;
  crash: number;
  /** Exponential with full jitter, where the response names no wait of its own. */
  backoff: { baseMs: number; factor: number; maxMs: number };
  /** A response that names a longer wait than this counts as exhausted. */
  longestWaitMs: number;
}

export const DEFAULT_RETRIES: RetryStrategy = {
  transient: 5,
  repair: 1,
  crash: 3,
  backoff: { baseMs: 2_000, factor: 2, maxMs: 300_000 },
  longestWaitMs: 24 * 3_600_000,
};

export interface FailurePolicy {
  /** What may be tried again, and against which attempt budget. */
  retry: "call" | "answer" | "save" | "nothing";
  /** What the other sections of the report do once this one stops. */
  report: "goes_on" | "halts";
  /** Whether a stopped section votes to open the breaker of its report type. */
  vote: "none" | "counts" | "opens_at_once";
  /** What happens to the hold while a person decides. */
  credits: "held";
  /** What the person is shown first. */
  person: string;
}

export const FAILURE_POLICY = {
  transient: {
    retry: "call",
    report: "goes_on",
    vote: "none",
    credits: "held",
    person: "when it is tried next",
  },
  contract: {
    retry: "answer",
    report: "goes_on",
    vote: "counts",
    credits: "held",
    person: "the raw output with the failing path",
  },
  input: {
    retry: "nothing",
    report: "halts",
    vote: "none",
    credits: "held",
    person: "which field is wrong and what to send",
  },
  workflow: {
    retry: "nothing",
    report: "halts",
    vote: "opens_at_once",
    credits: "held",
    person: "what to change, and which reports are hit",
  },
  persistence: {
    retry: "save",
    report: "goes_on",
    vote: "none",
    credits: "held",
    person: "the storage alarm; nothing is lost",
  },
  cost: {
    retry: "nothing",
    report: "halts",
    vote: "none",
    credits: "held",
    person: "what was spent and what to decide",
  },
} as const satisfies Record<FailureKind, FailurePolicy>;

/** Where every cent goes. `pending` until the report is settled, then exactly one of the others. */
export const SPEND_OUTCOMES = ["pending", "useful", "repaired", "wasted", "unknown", "reused"] as const;
export type SpendOutcome = (typeof SPEND_OUTCOMES)[number];
export type Spend = Record<SpendOutcome, MicroUsd>;

export const NO_SPEND: Spend = { pending: 0, useful: 0, repaired: 0, wasted: 0, unknown: 0, reused: 0 };

export function totalSpend(spend: Spend): MicroUsd {
  return spend.pending + spend.useful + spend.repaired + spend.wasted + spend.unknown;
}
