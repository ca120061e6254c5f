/**
 * A review case is a parked failure with its evidence, waiting for a person.
 *
 *     open ─▶ resolved      by one action, or with the end of its report
 *
 * Two tables say what a person may do: by the report's status (what would still have an effect) and by the failure's
 * kind (what can mend it). Both are asked by the desk before anything is touched, and by whoever shows a case.
 */
import type { Attempts, FailureKind } from "./failure.ts";
import type { EpochMs, MicroUsd, ReportId } from "./ids.ts";
import type { FailureSummary, ReportStatus } from "./report.ts";

export const ACTIONS = [
  "resume",
  "revalidate",
  "accept_edited",
  "correct_source",
  "skip_section",
  "deliver_partial",
  "reject",
  "cancel",
] as const;
export type Action = (typeof ACTIONS)[number];

/** Which prompt a resumed call is asked with: the one that failed, word for word, or what today's version renders. */
export const PROMPTS = ["stored", "current"] as const;
export type PromptChoice = (typeof PROMPTS)[number];
/** Through whichever door somebody decides without choosing. */
export const DEFAULT_PROMPT: PromptChoice = "current";

/** What a person decided; `by` and `why` are kept for good. */
export interface Decision {
  by: string;
  why: string;
}

export interface ReviewCase {
  /** `<report>.<section>.<fence>`, or `<report>.r<run>` where the report itself was parked. */
  id: string;
  /** Rises with every change; an action that names an older one is refused. */
  version: number;
  report: ReportId;
  account: string;
  type: string;
  typeVersion: number;
  /** Null where the report was parked for a reason of its own, such as its assembly. */
  section: string | null;
  run: number;
  failure: FailureSummary;
  /** Cases of one group are the same trouble: type, section and fingerprint. */
  group: string;
  openedAt: EpochMs;
  /** What the section had tried when the case was opened. */
  attempts: Attempts;
  /** Money at stake: what the report had spent and wasted when it stopped, and the credits that are held for it. */
  spentMicros: MicroUsd;
  wastedMicros: MicroUsd;
  creditsHeld: number;
  evidence: CaseEvidence;
  state: CaseState;
}

export type CaseState =
  | { status: "open" }
  | ({ status: "resolved"; action: Action | "ended"; at: EpochMs } & Decision);

/** The call that failed; its raw output lies in the take. Null fields where the failure was no answer's. */
export interface CaseEvidence {
  call: string | null;
  callKey: string | null;
  take: number | null;
  promptVersion: string | null;
  model: string | null;
  /** Where the output breaks its schema, from `$`. */
  path: string | null;
}

export type Permission = { allowed: true } | { allowed: false; because: string };

const YES: Permission = { allowed: true };
const no = (because: string): Permission => ({ allowed: false, because });

const NOTHING_PARKED = no("Nothing of it waits for a person yet.");
const STILL_WRITTEN = no(
  "Its sections are still being written. Wait until it needs review, or skip single sections.",
);
const NOT_REJECTED = no("It is still being worked on; cancel stops it.");
const DELIVERED = no("It is already delivered. What was charged can be refunded, and nothing else changes.");
const FAILED = no("It has failed and its credits were returned. Order it again.");
const CANCELLED = no("It is cancelled and its credits were returned. Order it again.");

const ENDED = { completed: DELIVERED, failed: FAILED, cancelled: CANCELLED } as const;
/** Decisions about one parked section; a live run takes them up at once, as a further round. */
const OF_A_SECTION = {
  pending: NOTHING_PARKED,
  running: YES,
  waiting_for_retry: YES,
  needs_review: YES,
  ...ENDED,
} as const;
const ANY_TIME = { pending: YES, running: YES, waiting_for_retry: YES, needs_review: YES, ...ENDED } as const;

/** Every action in every status. A new action or status without a cell does not compile. */
export const PERMISSIONS = {
  resume: OF_A_SECTION,
  revalidate: OF_A_SECTION,
  accept_edited: OF_A_SECTION,
  skip_section: OF_A_SECTION,
  correct_source: ANY_TIME,
  deliver_partial: {
    pending: NOTHING_PARKED,
    running: STILL_WRITTEN,
    waiting_for_retry: STILL_WRITTEN,
    needs_review: YES,
    ...ENDED,
  },
  reject: {
    pending: NOT_REJECTED,
    running: NOT_REJECTED,
    waiting_for_retry: NOT_REJECTED,
    needs_review: YES,
    ...ENDED,
  },
  cancel: ANY_TIME,
} as const satisfies Record<Action, Record<ReportStatus, Permission>>;

/** What can mend a failure of each kind, the cheapest first. What is not named would change nothing. */
export const REMEDIES = {
  transient: ["resume", "skip_section", "deliver_partial", "accept_edited", "reject", "cancel"],
  contract: [
    "revalidate",
    "resume",
    "accept_edited",
    "skip_section",
    "deliver_partial",
    "correct_source",
    "reject",
    "cancel",
  ],
  input: ["correct_source", "resume", "skip_section", "accept_edited", "deliver_partial", "reject", "cancel"],
  workflow: [
    "revalidate",
    "resume",
    "correct_source",
    "accept_edited",
    "skip_section",
    "deliver_partial",
    "reject",
    "cancel",
  ],
  persistence: ["resume", "accept_edited", "skip_section", "deliver_partial", "reject", "cancel"],
  cost: ["resume", "skip_section", "accept_edited", "deliver_partial", "reject", "cancel"],
} as const satisfies Record<FailureKind, readonly Action[]>;

/** These change one section, so a case of the report itself has no use for them. */
const NEEDS_SECTION: readonly Action[] = ["accept_edited", "skip_section"];

export function mayAct(
  action: Action,
  status: ReportStatus,
  of?: Pick<ReviewCase, "section" | "failure">,
): Permission {
  const permission: Permission = PERMISSIONS[action][status];
  if (!permission.allowed || of === undefined) return permission;
  if (of.section === null && NEEDS_SECTION.includes(action))
    return no("The report itself is parked, not one of its sections; resume it once the cause is mended.");
  const remedies: readonly Action[] = REMEDIES[of.failure.kind];
  return remedies.includes(action)
    ? permission
    : no(`That mends no ${of.failure.kind} failure. Possible: ${remedies.join(", ")}.`);
}

/** What may be done about a case now, the cheapest first. */
export function actionsFor(
  reviewCase: Pick<ReviewCase, "section" | "failure">,
  status: ReportStatus,
): Action[] {
  return REMEDIES[reviewCase.failure.kind].filter((action) => mayAct(action, status, reviewCase).allowed);
}

export function groupOf(type: string, section: string | null, fingerprint: string): string {
  return `${type}.${section ?? ""}.${fingerprint}`;
}
