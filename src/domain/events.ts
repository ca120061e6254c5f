/**
 * Everything that happens to a report, as one union. Each event is written by the same script as the fact it tells,
 * to an append-only stream per report and to one for the fleet: the one source of progress, logs and metrics.
 * Its time is the id of its stream entry, by the clock of Redis. No event holds source text, prompts or answers.
 */
import type { BreakerCause, BreakerState } from "./breaker.ts";
import type { LedgerVerb } from "./credits.ts";
import type { RepairRung } from "./failure.ts";
import type { FailureSummary, ReportStatus, SectionStatus } from "./report.ts";
import type { Action } from "./review.ts";
import type { EpochMs, MicroUsd, ReportId } from "./ids.ts";

interface OfReport {
  report: ReportId;
}
interface OfSection extends OfReport {
  section: string;
}
interface OfCall extends OfSection {
  call: string;
}

export type FleetEvent =
  | ({ event: "report.submitted"; type: string; typeVersion: number; credits: number } & OfReport)
  | ({
      event: "report.status";
      type: string;
      status: ReportStatus;
      because: string;
      spentMicros?: MicroUsd;
    } & OfReport)
  | ({ event: "report.planned"; sections: number } & OfReport)
  | { event: "intake.rejected"; entry: string; code: string }
  /** It will be later than it is wanted; told once. `expectedAt` is null where nothing tells when. */
  | ({
      event: "report.deadline_missed";
      type: string;
      deliverBy: EpochMs;
      expectedAt: EpochMs | null;
    } & OfReport)
  | ({ event: "run.started"; run: number; round: number; sections: readonly string[] } & OfReport)
  | ({
      event: "section.status";
      type: string;
      status: SectionStatus;
      because?: string;
      failure?: FailureSummary;
      retryInMs?: number;
    } & OfSection)
  | ({
      event: "call.begun";
      take: number;
      route: string;
      estimateMicros: MicroUsd;
      rung?: RepairRung;
    } & OfCall)
  | ({
      event: "call.answered";
      take: number;
      route: string;
      model: string;
      inputTokens: number;
      /** Part of `inputTokens`. */
      cachedInputTokens: number;
      outputTokens: number;
      /** Part of `outputTokens`. */
      reasoningTokens: number;
      micros: MicroUsd;
      exact: boolean;
      elapsedMs: number;
      duplicate: boolean;
    } & OfCall)
  | ({
      event: "call.unanswered";
      take: number;
      outcome: "not_billed" | "unknown";
      micros: MicroUsd;
      failure: FailureSummary;
      /** Absent where a worker died: who was asked, and for how long, is known to nobody. */
      route?: string;
      elapsedMs?: number;
    } & OfCall)
  | ({ event: "call.accepted"; take: number; salvaged: boolean } & OfCall)
  | ({ event: "call.rejected"; take: number; failure: FailureSummary } & OfCall)
  /**
   * An answer that was paid before: by this report, in an earlier attempt, or by another one whose answers may be reused.
   * `micros` is what it cost then.
   */
  | ({ event: "call.reused"; take: number; from: "checkpoint" | "cache"; micros: MicroUsd } & OfCall)
  | ({ event: "step.completed"; step: string; elapsedMs: number } & OfSection)
  | ({ event: "credits"; verb: LedgerVerb; credits: number } & OfReport)
  | { event: "route.closed"; route: string; because: string }
  | { event: "route.opened"; route: string; by: string }
  | { event: "spending.stopped"; reason: string; by: string }
  | { event: "spending.started"; by: string }
  /** A daily cap holds calls back; told once a day for each cap. Whose cap it is stays out of events, as all accounts do. */
  | { event: "spending.capped"; scope: "fleet" | "account" }
  | { event: "webhook.disabled"; endpoint: string; because: string }
  /** Paid failure repeats: no further run of the account's reports until a person has looked. Accounts stay out of events. */
  | ({ event: "credit_review.opened"; because: string } & OfReport)
  | { event: "credit_review.closed"; by: string; because: string }
  | ({ event: "review.opened"; type: string; section: string; case: string; group: string } & OfReport)
  | ({ event: "review.resolved"; case: string; action: Action; by: string } & OfReport)
  /** Somebody looks at a case from here on; `null`: whoever did, does no more. One that runs out is told by nobody. */
  | { event: "review.claimed"; case: string; by: string | null }
  /** A group's decision: begun, further on, or over. */
  | {
      event: "review.operation";
      operation: string;
      group: string;
      action: Action;
      status: "running" | "done" | "stopped";
    }
  | ({ event: "section.went_without"; failure: FailureSummary } & OfSection)
  | {
      event: "breaker";
      type: string;
      from: BreakerState;
      to: BreakerState;
      version: number;
      cause: BreakerCause;
      by: string | null;
      reason: string | null;
      votes: number;
      burntMicros: MicroUsd;
    }
  | { event: "api_key.created"; key: string; scopes: readonly string[]; by: string }
  | { event: "api_key.revoked"; key: string; by: string }
  | ({ event: "retention"; removed: "texts" | "report" } & OfReport)
  | ({ event: "repaired"; what: string; because: string } & OfReport);
