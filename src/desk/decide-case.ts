/**
 * The decisions about one parked section: resume, re-validate, accept an edited output, skip.
 *
 * Each is checked against the table in the domain, carried out in one script, and rings the report; nothing here waits
 * for the writing. The same operation id twice is one decision.
 */
import { createHash, randomUUID } from "node:crypto";
import { FleetError } from "../domain/fleet-error.ts";
import { PLANNING, REPORT_STATUSES, type ReportStatus } from "../domain/report.ts";
import { mayAct, PERMISSIONS, type Action, type PromptChoice, type ReviewCase } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { checkOutput } from "../report-types/check-output.ts";
import { skippedWith } from "../report-types/plan.ts";
import { readCase } from "../store/cases.ts";
import { mayRunAgain } from "../store/credit-review.ts";
import { decideSections, type Decided, type SectionEffect } from "../store/resume.ts";
import type { StoredReport } from "../store/reports.ts";
import { leaveOutbox } from "../store/wakeups.ts";
import { joinRun } from "../workers/join-run.ts";
import { authorOf, type Author } from "../workers/section-author.ts";
import { materialFor, requireReport, shelfOf } from "./material.ts";
import { rehearse, type Rehearsal, type Walking } from "./rehearse.ts";

/** Who decides, why, and about which version of the case. */
export interface Ruling {
  by: string;
  why: string;
  /** What the person has seen; left out, the case is decided as it stands. */
  version?: number | undefined;
  /** The same one twice is one decision; left out, each call is a decision of its own. */
  operation?: string | undefined;
}

export interface Ruled {
  report: StoredReport["report"]["id"];
  action: Action;
  run: number;
}

export async function resumeCase(
  desk: Counter,
  caseId: string,
  ruling: Ruling,
  prompt: PromptChoice,
): Promise<Ruled> {
  const found = await requireCase(desk, caseId);
  if (found.state.status === "open") await requireCreditworthy(desk, found.account);
  const { callKey } = found.evidence;
  return rule(desk, found, "resume", ruling, {
    to: "pending",
    callKey,
    nextTake: true,
    pinnedCase: prompt === "stored" && callKey !== null ? caseId : null,
  });
}

/** Accepts the stored answer if today's parser does; what it cost becomes useful again, and nothing is asked for it. */
export async function revalidateCase(desk: Counter, caseId: string, ruling: Ruling): Promise<Ruled> {
  const found = await requireCase(desk, caseId);
  const repeated = await doneBefore(desk, found, "revalidate", ruling);
  if (repeated !== null) return repeated;
  const stored = await requireAllowed(desk, found, "revalidate");
  const walk = found.section === null ? null : await walkCase(desk, stored, found);
  const because = whyStillRejected(found, walk);
  if (because !== "")
    throw new FleetError("not_allowed", `${because} Nothing was changed and nothing was paid.`);
  const { callKey } = found.evidence;
  return rule(desk, found, "revalidate", ruling, {
    to: "pending",
    callKey,
    nextTake: false,
    pinnedCase: null,
  });
}

/** Empty where the stored answer passes today's parser; the walk of a case of the report itself is null. */
export function whyStillRejected(found: ReviewCase, walk: Rehearsal | null): string {
  if (walk === null) return "";
  if (walk.outcome === "failed")
    return `Today's parser rejects the stored output as well: ${walk.failure.message}`;
  const failed = walk.calls.find(({ callKey }) => callKey === found.evidence.callKey);
  if (found.evidence.callKey === null || failed?.outcome === "revalidated" || failed?.outcome === "reused")
    return "";
  return "Today's version asks another question, so the stored answer answers nothing. Resume with the current prompt instead.";
}

export async function acceptEdited(
  desk: Counter,
  caseId: string,
  output: unknown,
  ruling: Ruling,
): Promise<Ruled> {
  const found = await requireCase(desk, caseId);
  const repeated = await doneBefore(desk, found, "accept_edited", ruling);
  if (repeated !== null) return repeated;
  const stored = await requireAllowed(desk, found, "accept_edited");
  const json = JSON.stringify(requireContract(desk, stored, found, output));
  const { by, why } = ruling;
  return rule(desk, found, "accept_edited", ruling, {
    to: "completed",
    output: json,
    outputHash: createHash("sha256").update(json).digest("hex"),
    edited: { by, why },
  });
}

/** The output as the section's own contract reads it. */
export function requireContract(
  desk: Counter,
  stored: StoredReport,
  found: ReviewCase,
  output: unknown,
): unknown {
  const author = requireAuthor(desk, stored, found);
  const checked = checkOutput(author.output, output);
  if (checked.ok) return checked.value;
  const list = checked.problems.map(({ path, message }) => `${path} ${message}`).join("; ");
  throw new FleetError(
    "usage",
    `The edited output of section ${found.section} does not match its contract: ${list || checked.message}. Nothing was changed.`,
    { fields: checked.problems },
  );
}

/** The report goes on without the section, and without those that cannot do without it. */
export async function skipSection(desk: Counter, caseId: string, ruling: Ruling): Promise<Ruled> {
  const found = await requireCase(desk, caseId);
  if (found.section === PLANNING.key) requireSkippable(found, await requireReport(desk.store, found.report));
  return rule(desk, found, "skip_section", ruling, { to: "skipped" });
}

export function requireSkippable(found: ReviewCase, { plan }: StoredReport): void {
  if (found.section === PLANNING.key && plan === null)
    throw new FleetError("not_allowed", "Without its plan there is nothing to write; resume or reject it.");
}

export async function requireCase(desk: Pick<Counter, "store">, caseId: string): Promise<ReviewCase> {
  const found = await readCase(desk.store, caseId);
  if (found !== null) return found;
  throw new FleetError(
    "not_found",
    `There is no review case ${caseId} in fleet "${desk.store.fleet}". \`report-fleet review ls\` lists the open ones.`,
  );
}

/** The statuses in which the table allows an action. */
export function statusesFor(action: Action): ReportStatus[] {
  return REPORT_STATUSES.filter((status) => PERMISSIONS[action][status].allowed);
}

/** Walks the case's section as it stands, at no cost. */
export async function walkCase(
  desk: Counter,
  stored: StoredReport,
  found: ReviewCase,
  how: Pick<Walking, "askedAgain" | "pinned"> = {},
): Promise<Rehearsal> {
  const author = requireAuthor(desk, stored, found);
  const type = desk.types.require(stored.report.type);
  const input = await materialFor(desk.store, stored, type, author.planned);
  return rehearse(author, input, shelfOf(desk.store, stored.report.id), {
    ...how,
    limitMs: desk.durations.userCodeMs,
  });
}

/** Once a decision is in the store it is rung at once; the outbox does it again where this process dies first. */
export async function ring(
  desk: Counter,
  { id, turn }: Pick<StoredReport["report"], "id" | "turn">,
  run: number,
): Promise<void> {
  await desk.queues.ringReport(id, run, turn);
  if ((await joinRun(desk, id)) !== "later") await leaveOutbox(desk.store, id);
}

export function requireDone(
  decided: Decided,
  action: Action,
  about: string,
): asserts decided is Extract<Decided, { outcome: "done" }> {
  switch (decided.outcome) {
    case "done":
      return;
    case "gone":
      throw new FleetError("not_found", `${about} is not in the store any more.`);
    case "stale":
      throw new FleetError(
        "stale_version",
        `${about} has changed since you looked at it. Look at it again before you decide.`,
      );
    case "resolved":
      throw new FleetError("stale_version", `${about} was already decided: ${decided.action}.`);
    case "refused": {
      const permission = mayAct(action, decided.status);
      throw new FleetError(
        "not_allowed",
        permission.allowed ? `${about} is ${decided.status} by now.` : permission.because,
      );
    }
  }
}

/** What would be paid for an account whose reports fail again and again waits until somebody has looked at it. */
export async function requireCreditworthy(desk: Counter, account: string): Promise<void> {
  const answer = await mayRunAgain(desk.store, account);
  if (!answer.allowed) throw new FleetError("not_allowed", answer.because);
}

/** As the table says it, before the script says it again. */
export async function requireAllowed(
  desk: Counter,
  found: ReviewCase,
  action: Action,
): Promise<StoredReport> {
  if (found.state.status === "resolved")
    throw new FleetError("stale_version", `Case ${found.id} was already decided: ${found.state.action}.`);
  const stored = await requireReport(desk.store, found.report);
  const permission = mayAct(action, stored.report.status, found);
  if (!permission.allowed) throw new FleetError("not_allowed", permission.because);
  return stored;
}

async function rule(
  desk: Counter,
  found: ReviewCase,
  action: Action,
  ruling: Ruling,
  effect: SectionEffect,
): Promise<Ruled> {
  // A repeat of what is done already is answered by the script, whatever the tables say by now.
  const stored =
    found.state.status === "resolved"
      ? await requireReport(desk.store, found.report)
      : await requireAllowed(desk, found, action);
  const { report, plan } = stored;
  const own = found.section === null ? [] : [found.section];
  const sections =
    effect.to === "skipped" && found.section !== null ? skippedWith(plan ?? [], found.section) : own;
  const decided = await decideSections(
    desk.store,
    {
      report,
      action,
      by: ruling.by,
      why: ruling.why,
      caseId: found.id,
      version: ruling.version ?? found.version,
      operation: ruling.operation ?? randomUUID(),
      statuses: statusesFor(action),
      sections,
      effect,
    },
    desk.durations.wakeAfterMs,
  );
  requireDone(decided, action, `Case ${found.id}`);
  await ring(desk, report, decided.run);
  return { report: report.id, action, run: decided.run };
}

async function doneBefore(
  desk: Counter,
  found: ReviewCase,
  action: Action,
  ruling: Ruling,
): Promise<Ruled | null> {
  if (found.state.status !== "resolved" || ruling.operation === undefined) return null;
  // The effect is never applied: a resolved case answers `done` to its own operation and refuses every other.
  return rule(desk, found, action, ruling, {
    to: "pending",
    callKey: null,
    nextTake: false,
    pinnedCase: null,
  });
}

export function requireAuthor(desk: Counter, stored: StoredReport, found: ReviewCase): Author {
  const type = desk.types.require(stored.report.type);
  const author = found.section === null ? null : authorOf(type, stored.plan, found.section);
  if (author !== null) return author;
  throw new FleetError(
    "not_allowed",
    `Version ${type.version} of "${type.type}" has no section ${found.section ?? "of its own for this case"}.`,
  );
}
