/**
 * A report is one order; a section is a part of it that is written, paid and checkpointed on its own.
 *
 *     report    pending ─▶ running ─▶ completed
 *                            │  ▲
 *                            ▼  │ by itself
 *                     waiting_for_retry
 *                            │
 *                            ▼    a person
 *                      needs_review ─▶ running (the next run) | completed (partial) | failed | cancelled
 *
 *     section   pending ─▶ running ─▶ completed
 *                            │  ▲
 *                            ▼  │ by itself                  a person
 *                     waiting_for_retry        needs_review ─▶ pending | completed (edited) | skipped
 *
 * A status carries what is true only then, so a completed report without an artefact does not type-check.
 */
import type { HoldStatus } from "./credits.ts";
import type { Priority } from "./fairness.ts";
import type { Attempts, Failure, Spend } from "./failure.ts";
import type { EpochMs, ReportId } from "./ids.ts";

export const REPORT_STATUSES = [
  "pending",
  "running",
  "waiting_for_retry",
  "needs_review",
  "completed",
  "failed",
  "cancelled",
] as const;
export type ReportStatus = (typeof REPORT_STATUSES)[number];

export const SECTION_STATUSES = [
  "pending",
  "running",
  "waiting_for_retry",
  "completed",
  "needs_review",
  "failed",
  "skipped",
] as const;
export type SectionStatus = (typeof SECTION_STATUSES)[number];

export type Delivery = "full" | "partial";

/** What the buyer has. It stays while the missing parts of a partial delivery are written later, and if they never are. */
export interface Delivered {
  delivery: Delivery;
  artefactHash: string;
  deliveredAt: EpochMs;
}

/** A report in one of these never changes again by itself. */
export const FINISHED: readonly ReportStatus[] = ["completed", "failed", "cancelled"];

export function isFinished(status: ReportStatus): boolean {
  return FINISHED.includes(status);
}

/** What the plan says of a section before it is written. */
export interface PlannedSection {
  key: string;
  title: string;
  /** Share of the report's progress; a positive number. */
  weight: number;
  /** Keys of the sections whose outputs this one reads. */
  after: readonly string[];
  /** Which section definition of the report type writes it: the same as `key` for static sections. */
  template: string;
  /** What a planned section was planned with; null for a static one. JSON. */
  params: unknown;
  /** Keys of `after` it can be written without; where another of them is skipped, so is this one. */
  optional?: readonly string[];
}

/** The section that plans the others. It runs as a section job, so planning may ask a model and is paid like any call. */
export const PLANNING: PlannedSection = {
  key: "plan",
  title: "Plan",
  weight: 1,
  after: [],
  template: "plan",
  params: null,
};

/** Facts of a failure that are kept on the section and shown; the evidence lies with the call. */
export type FailureSummary = Pick<Failure, "kind" | "code" | "scope" | "message" | "fingerprint" | "rule">;

/** Who wrote a section instead of the model, and why; said in the delivered report. */
export interface Edited {
  by: string;
  why: string;
}

export type SectionState =
  | { status: "pending" }
  | { status: "running"; process: string }
  | { status: "waiting_for_retry"; retryAt: EpochMs; failure: FailureSummary | null; because: string }
  /** `unreviewed` says why nobody reviewed it; null where somebody did or nobody had to. */
  | { status: "completed"; outputHash: string; unreviewed: string | null; edited: Edited | null }
  | { status: "needs_review"; failure: FailureSummary }
  | { status: "failed"; failure: FailureSummary }
  | { status: "skipped"; because: string };

export type Section = PlannedSection & {
  report: ReportId;
  /** Rises with every claim; a write that brings an older one changes nothing. */
  fence: number;
  attempts: Attempts;
} & SectionState;

export type ReportState =
  | { status: "pending" | "running" }
  /** `postponed`: its type is stopped, and it goes on by itself once it is not. */
  | { status: "waiting_for_retry"; postponed?: true }
  | { status: "needs_review"; failure: FailureSummary }
  | ({ status: "completed" } & Delivered)
  | { status: "failed" | "cancelled"; because: string };

export type Report = {
  id: ReportId;
  account: string;
  type: string;
  typeVersion: number;
  sourceHash: string;
  sourceBytes: number;
  /** The price in credits, and what became of the hold for it. */
  credits: number;
  hold: HoldStatus;
  /** The newest hold. A report delivered in part gets another one when it is completed later. */
  holdId: string;
  /** Committed for it so far, refunds taken off. */
  charged: number;
  /** The spend budget; a call that would exceed it does not begin. */
  budgetMicros: number;
  priority: Priority;
  /** Where it stands in the queues, low numbers first. */
  turn: number;
  /** Wanted by then; null where nobody said. */
  deliverBy: EpochMs | null;
  /** Since when it is known to be later than that; null while it is not. */
  deadlineMissedAt: EpochMs | null;
  /** The caller's own words, returned and never read. */
  tags: Readonly<Record<string, string>>;
  spend: Spend;
  /** Counts BullMQ flows of this report from 1; resume after review starts the next. */
  run: number;
  /** Counts the batches of section jobs inside a run from 1. */
  round: number;
  createdAt: EpochMs;
  updatedAt: EpochMs;
} & ReportState;

/**
 * Share of the work done, 0 to 100, weighted and monotone: only settled work counts, and 100 is kept for delivery.
 */
export function progressPercent(
  report: Pick<Report, "status">,
  sections: readonly Pick<Section, "weight" | "status">[],
): number {
  if (report.status === "completed") return 100;
  let total = 0;
  let done = 0;
  for (const section of sections) {
    total += section.weight;
    if (section.status === "completed" || section.status === "skipped") done += section.weight;
  }
  return total === 0 ? 0 : Math.min(99, Math.floor((done / total) * 100));
}
