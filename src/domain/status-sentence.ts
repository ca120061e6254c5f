/**
 * One sentence or two for whoever ordered a report: how far it is, why it waits, and what became of the credits.
 *
 * The money is always said beside the reason, and nothing is called failed while money is still held for it. The same
 * words are shown by the CLI, the API and the console, so they are made here, once.
 */
import {
  isFinished,
  type FailureSummary,
  type Report,
  type ReportState,
  type Section,
  type SectionState,
} from "./report.ts";
import { formatWait, type EpochMs } from "./ids.ts";

/** What the sentence is made of; a stored report and its sections have more. */
export type SentenceReport = Money & Partial<Pick<Report, "deadlineMissedAt">> & ReportState;
/** Without `charged`, a committed hold was charged in full. */
type Money = Pick<Report, "credits" | "hold"> & Partial<Pick<Report, "charged">>;
export type SentenceSection = SectionState;

export function statusSentence(
  report: SentenceReport,
  sections: readonly SentenceSection[],
  now: EpochMs,
): string {
  const late = typeof report.deadlineMissedAt === "number" && !isFinished(report.status);
  const progress = progressOf(report, sections, now);
  return `${progress} ${late ? "It will be later than you asked for. " : ""}${moneyOf(report)}`;
}

function progressOf(report: SentenceReport, sections: readonly SentenceSection[], now: EpochMs): string {
  switch (report.status) {
    case "pending":
      return "Queued.";
    case "running":
      return writing(sections);
    case "waiting_for_retry":
      return report.postponed === true
        ? "Waiting: reports of this kind are stopped until a fault is repaired."
        : waiting(sections, now);
    case "needs_review":
      return reviewed(report.failure);
    case "completed":
      return report.delivery === "full" ? "Ready." : "Ready, with parts missing.";
    case "failed":
      return because("Could not be completed", report.because);
    case "cancelled":
      return because("Cancelled", report.because);
  }
}

function writing(sections: readonly SentenceSection[]): string {
  if (sections.length === 0) return "Being planned.";
  const done = doneOf(sections);
  return done === sections.length
    ? `All ${count(sections.length, "section")} written, being put together.`
    : `Writing, ${done} of ${count(sections.length, "section")} done.`;
}

/** The section that comes back first decides when the report goes on. */
function waiting(sections: readonly SentenceSection[], now: EpochMs): string {
  const next = sections
    .filter((section) => section.status === "waiting_for_retry")
    .toSorted((a, b) => a.retryAt - b.retryAt)[0];
  if (next === undefined) return "Waiting to try again.";
  const wait = next.retryAt > now ? `in ${formatWait(next.retryAt - now)}` : "now";
  return `Waiting to try again ${wait}: ${causeOf(next.failure)}.`;
}

/** A buyer can mend their own data; everything else is ours to look at, and its details are not theirs to read. */
function reviewed(failure: FailureSummary): string {
  return failure.kind === "input"
    ? because("Waiting for corrected data", failure.message)
    : "Being checked by our team.";
}

const BUSY = "the provider is busy";
const CAUSES: Readonly<Record<string, string>> = {
  rate_limited: BUSY,
  overloaded: BUSY,
  timeout: "the provider did not answer in time",
  provider_error: "the provider had a fault of its own",
  connection_failed: "the connection to the provider broke",
  name_not_resolved: "the provider could not be reached",
  store_full: "the fleet has no room for more; it goes on by itself once there is some",
  response_cut: "the connection to the provider broke",
};

function causeOf(failure: FailureSummary | null): string {
  // Without a failure it waits for its turn: another report has the route.
  if (failure === null) return BUSY;
  const known = CAUSES[failure.code];
  if (known !== undefined) return known;
  if (failure.kind === "workflow" || failure.kind === "cost") return "the way to the provider is closed";
  return "a step has to be repeated";
}

function moneyOf({ credits, hold, charged }: Money): string {
  if (credits === 0) return "It costs no credits.";
  switch (hold) {
    case "requested":
      return "Nothing is held or charged yet.";
    case "reserved": {
      const before = charged ?? 0;
      const held = `Your ${count(credits - before, "credit")} ${credits - before === 1 ? "is" : "are"} held, not charged.`;
      // Delivered in part before, and being completed now.
      return before > 0 ? `${held} ${count(before, "credit")} ${were(before)} charged before.` : held;
    }
    case "committed": {
      const paid = charged ?? credits;
      if (paid === credits) return `${count(credits, "credit")} ${were(credits)} charged.`;
      return `${paid} of ${count(credits, "credit")} ${were(paid)} charged.`;
    }
    case "reversed":
      return `Your ${count(credits, "credit")} ${were(credits)} returned.`;
  }
}

function were(number: number): string {
  return number === 1 ? "was" : "were";
}

/** Sections that need no more writing. */
export function doneOf(sections: readonly Pick<Section, "status">[]): number {
  return sections.filter(({ status }) => status === "completed" || status === "skipped").length;
}

function because(what: string, why: string): string {
  const reason = why.trim().replace(/\.$/, "");
  return reason === "" ? `${what}.` : `${what}: ${reason}.`;
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
