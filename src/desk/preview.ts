/**
 * Dry runs: what a decision would reuse, validate again and pay, and what it does to the credits, before anything is
 * changed. The section is walked against its checkpoints; the first call that would be paid ends the walk, since what
 * comes after it depends on its answer.
 */
import { formatCredits } from "../domain/credits.ts";
import { FleetError } from "../domain/fleet-error.ts";
import { totalSpend } from "../domain/failure.ts";
import type { MicroUsd, ReportId } from "../domain/ids.ts";
import type { Section } from "../domain/report.ts";
import { mayAct, type Action, type PromptChoice, type ReviewCase } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import { skippedWith } from "../report-types/plan.ts";
import { readQuestion } from "../store/cases.ts";
import { readHold } from "../store/credits.ts";
import { readSections, type StoredReport } from "../store/reports.ts";
import { readCallCost } from "../store/takes.ts";
import { worthOf } from "../workers/worth.ts";
import { planCorrection } from "./correct-source.ts";
import {
  requireAllowed,
  requireCase,
  requireContract,
  requireCreditworthy,
  requireSkippable,
  walkCase,
  whyStillRejected,
} from "./decide-case.ts";
import { missingOf, requirePart } from "./deliver-partial.ts";
import { requireReport } from "./material.ts";
import type { WalkedCall } from "./rehearse.ts";

export interface Preview {
  report: ReportId;
  action: Action;
  /** False where the decision would be refused; `because` says why. */
  possible: boolean;
  because: string;
  /** Completed sections that stay as they are. */
  keptSections: string[];
  /** Sections that are written or walked again, now or once others are there. */
  openSections: string[];
  /** Sections the report goes on without. */
  skippedSections: string[];
  reusedCalls: string[];
  revalidatedCalls: string[];
  /** Calls known to be paid; further ones may follow from their answers. */
  paidCalls: { call: string; estimateMicros: MicroUsd | null }[];
  /** Of the calls above, as far as the same question was asked before; null where none was. */
  estimateMicros: MicroUsd | null;
  /** The report's budget allows no more than this. */
  atMostMicros: MicroUsd;
  credits: CreditEffect;
  creditEffect: string;
}

/** What becomes of the credits that are held for a report; the three add up to them. */
export interface CreditEffect {
  held: number;
  charged: number;
  returned: number;
}

export async function previewResume(desk: Counter, caseId: string, prompt: PromptChoice): Promise<Preview> {
  const found = await requireCase(desk, caseId);
  const stored = await requireAllowed(desk, found, "resume");
  await requireCreditworthy(desk, found.account);
  const pinned = prompt === "stored" ? await readQuestion(desk.store, caseId) : null;
  const askedAgain = found.evidence.callKey;
  const walk = found.section === null ? null : await walkCase(desk, stored, found, { askedAgain, pinned });
  // What the walk cannot answer is asked; where today's code fails by itself, a resume would fail the same way.
  const broken = walk?.outcome === "failed" && walk.calls.at(-1)?.outcome !== "rejected";
  return previewOf(desk, stored, "resume", {
    calls: walk?.calls,
    because: broken ? `It would fail again: ${walk.failure.message}` : "",
  });
}

export async function previewRevalidation(desk: Counter, caseId: string): Promise<Preview> {
  const found = await requireCase(desk, caseId);
  const stored = await requireAllowed(desk, found, "revalidate");
  const walk = found.section === null ? null : await walkCase(desk, stored, found);
  const because = whyStillRejected(found, walk);
  return previewOf(desk, stored, "revalidate", { calls: walk?.calls, because });
}

export async function previewAccepted(desk: Counter, caseId: string, output: unknown): Promise<Preview> {
  const found = await requireCase(desk, caseId);
  const stored = await requireAllowed(desk, found, "accept_edited");
  requireContract(desk, stored, found, output);
  return previewOf(desk, stored, "accept_edited", { written: found.section });
}

export async function previewSkip(desk: Counter, caseId: string): Promise<Preview> {
  const found = await requireCase(desk, caseId);
  const stored = await requireAllowed(desk, found, "skip_section");
  requireSkippable(found, stored);
  const without = found.section === null ? [] : skippedWith(stored.plan ?? [], found.section);
  return previewOf(desk, stored, "skip_section", { without });
}

export async function previewPartial(desk: Counter, id: ReportId): Promise<Preview> {
  const stored = await requireReport(desk.store, id);
  requirePermission("deliver_partial", stored);
  const sections = await readSections(desk.store, id, stored.plan ?? []);
  requirePart(sections);
  return previewOf(desk, stored, "deliver_partial", { without: missingOf(sections) });
}

export async function previewReject(desk: Counter, id: ReportId): Promise<Preview> {
  const stored = await requireReport(desk.store, id);
  requirePermission("reject", stored);
  return previewOf(desk, stored, "reject", {});
}

async function previewCancel(desk: Counter, id: ReportId): Promise<Preview> {
  const stored = await requireReport(desk.store, id);
  requirePermission("cancel", stored);
  return previewOf(desk, stored, "cancel", {});
}

/** What needs nothing but a decision; edited outputs and sources are tried with what was written. */
export type PlainAction = Exclude<Action, "accept_edited" | "correct_source">;

export function previewAction(
  desk: Counter,
  found: ReviewCase,
  action: PlainAction,
  prompt: PromptChoice,
): Promise<Preview> {
  switch (action) {
    case "resume":
      return previewResume(desk, found.id, prompt);
    case "revalidate":
      return previewRevalidation(desk, found.id);
    case "skip_section":
      return previewSkip(desk, found.id);
    case "deliver_partial":
      return previewPartial(desk, found.report);
    case "reject":
      return previewReject(desk, found.report);
    case "cancel":
      return previewCancel(desk, found.report);
  }
}

export async function previewCorrection(desk: Counter, id: ReportId, source: unknown): Promise<Preview> {
  const stored = await requireReport(desk.store, id);
  await requireCreditworthy(desk, stored.report.account);
  const plan = await planCorrection(desk, stored, source);
  const calls = plan.walks.flatMap(({ calls: walked }) => walked);
  const preview = await previewOf(desk, stored, "correct_source", { calls });
  return { ...preview, keptSections: plan.kept, openSections: plan.again };
}

function requirePermission(action: Action, { report }: StoredReport): void {
  const permission = mayAct(action, report.status);
  if (!permission.allowed) throw new FleetError("not_allowed", permission.because);
}

interface Effect {
  /** What a walk would ask. */
  calls?: readonly WalkedCall[] | undefined;
  /** Why it would be refused; left out where it would not. */
  because?: string;
  /** Sections the report goes on without. */
  without?: readonly string[];
  /** The section that a person has written. */
  written?: string | null;
}

async function previewOf(
  desk: Counter,
  stored: StoredReport,
  action: Action,
  { calls = [], because = "", without = [], written = null }: Effect,
): Promise<Preview> {
  const { report, plan, inFlightMicros } = stored;
  const sections = await readSections(desk.store, report.id, plan ?? []);
  const kept = sections.filter(({ status, key }) => status === "completed" || key === written);
  const left = sections.filter((one) => !kept.includes(one) && one.status !== "skipped");
  const skipped = left.filter(({ key }) => without.includes(key));
  const open = endsReport(action) ? [] : left.filter((one) => !skipped.includes(one));
  const credits = await creditEffectOf(desk, stored, action, { sections, delivered: [...kept, ...open] });
  const nothingWritten = open.length === 0 || action === "deliver_partial";
  return {
    report: report.id,
    action,
    possible: because === "",
    because,
    keptSections: kept.map(({ key }) => key),
    openSections: open.map(({ key }) => key),
    skippedSections: skipped.map(({ key }) => key),
    ...(await tallied(desk, report.id, calls)),
    atMostMicros: nothingWritten
      ? 0
      : Math.max(0, report.budgetMicros - totalSpend(report.spend) - inFlightMicros),
    credits,
    creditEffect: sayCredits(action, credits),
  };
}

function endsReport(action: Action): boolean {
  return action === "reject" || action === "cancel";
}

/** As `deliver` and `end` of the store will reckon it, should everything that is still open come to be. */
async function creditEffectOf(
  desk: Counter,
  { report }: StoredReport,
  action: Action,
  { sections, delivered }: { sections: readonly Section[]; delivered: readonly Section[] },
): Promise<CreditEffect> {
  const hold = await readHold(desk.store, report.holdId);
  const held = hold?.status === "reserved" ? hold.credits : 0;
  if (endsReport(action)) return { held: 0, charged: 0, returned: held };
  if (delivered.length === sections.length || (action !== "skip_section" && action !== "deliver_partial"))
    return { held, charged: 0, returned: 0 };
  const worth = worthOf(desk.types.require(report.type), report.credits, delivered, sections);
  // What an earlier delivery in part has committed is not charged again.
  const charged = Math.min(held, Math.max(0, worth - (report.credits - held)));
  return { held: 0, charged, returned: held - charged };
}

/** For one report, or the sums of many. */
export function sayCredits(action: Action, { held, charged, returned }: CreditEffect): string {
  const all = held + charged + returned;
  if (all === 0) return "It costs no credits.";
  if (all === returned && endsReport(action)) return `All ${formatCredits(all)} go back; nothing is charged.`;
  if (all === held)
    return `The ${formatCredits(all)} stay held; they are charged with delivery and not before.`;
  return `With delivery ${charged} of ${formatCredits(all)} are charged; the other ${returned} go back.`;
}

async function tallied(desk: Counter, id: ReportId, calls: readonly WalkedCall[]) {
  const named = (outcome: WalkedCall["outcome"]) =>
    calls.filter((one) => one.outcome === outcome).map(({ callKey }) => callKey);
  const paid = calls.filter(({ outcome }) => outcome === "paid");
  const paidCalls = await Promise.all(
    paid.map(async ({ callKey }) => ({
      call: callKey,
      estimateMicros: await readCallCost(desk.store, id, callKey),
    })),
  );
  const known = paidCalls.flatMap(({ estimateMicros }) => (estimateMicros === null ? [] : [estimateMicros]));
  const estimateMicros =
    known.length === 0 && paid.length > 0 ? null : known.reduce((sum, micros) => sum + micros, 0);
  return {
    reusedCalls: named("reused"),
    revalidatedCalls: named("revalidated"),
    paidCalls,
    estimateMicros,
  };
}
