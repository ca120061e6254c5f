/**
 * Dry runs: what a decision would reuse, validate again and pay, and what it does to the credits, before anything is
 * changed. The section is walked against its checkpoints; the first call that would be paid ends the walk, since what
 * comes after it depends on its answer.
 */
import { totalSpend } from "../domain/failure.ts";
import type { MicroUsd, ReportId } from "../domain/ids.ts";
import type { Section } from "../domain/report.ts";
import type { Counter } from "../producer/submit-report.ts";
import { readSections, type StoredReport } from "../store/reports.ts";
import { readCallCost } from "../store/takes.ts";
import { planCorrection } from "./correct-source.ts";
import { requireAllowed, requireCase, walkCase } from "./decide-case.ts";
import { requireReport } from "./material.ts";
import type { Rehearsal, WalkedCall } from "./rehearse.ts";

export interface Preview {
  report: ReportId;
  action: "resume" | "revalidate" | "correct_source";
  /** False where the decision would be refused; `because` says why. */
  possible: boolean;
  because: string;
  /** Completed sections that stay as they are. */
  keptSections: string[];
  /** Sections that are written or walked again, now or once others are there. */
  openSections: string[];
  reusedCalls: string[];
  revalidatedCalls: string[];
  /** Calls known to be paid; further ones may follow from their answers. */
  paidCalls: { call: string; estimateMicros: MicroUsd | null }[];
  /** Of the calls above, as far as the same question was asked before; null where none was. */
  estimateMicros: MicroUsd | null;
  /** The report's budget allows no more than this. */
  atMostMicros: MicroUsd;
  creditEffect: string;
}

export async function previewResume(desk: Counter, caseId: string): Promise<Preview> {
  const found = await requireCase(desk, caseId);
  const stored = await requireAllowed(desk, found, "resume");
  const walk = found.section === null ? null : await walkCase(desk, stored, found, found.evidence.callKey);
  // What the walk cannot answer is asked; where today's code fails by itself, a resume would fail the same way.
  const broken =
    walk?.outcome === "failed" && walk.calls.at(-1)?.outcome !== "rejected" ? walk.failure : null;
  return previewOf(
    desk,
    stored,
    "resume",
    walk,
    broken === null ? "" : `It would fail again: ${broken.message}`,
  );
}

export async function previewRevalidation(desk: Counter, caseId: string): Promise<Preview> {
  const found = await requireCase(desk, caseId);
  const stored = await requireAllowed(desk, found, "revalidate");
  const walk = found.section === null ? null : await walkCase(desk, stored, found);
  const refused = walk?.outcome === "failed" ? walk.failure.message : "";
  return previewOf(desk, stored, "revalidate", walk, refused);
}

export async function previewCorrection(desk: Counter, id: ReportId, source: unknown): Promise<Preview> {
  const stored = await requireReport(desk.store, id);
  const plan = await planCorrection(desk, stored, source);
  const preview = await previewOf(desk, stored, "correct_source", null, "");
  const calls = plan.walks.flatMap(({ calls: walked }) => walked);
  return {
    ...preview,
    keptSections: plan.kept,
    openSections: plan.again,
    ...(await tallied(desk, id, calls)),
  };
}

async function previewOf(
  desk: Counter,
  stored: StoredReport,
  action: Preview["action"],
  walk: Rehearsal | null,
  because: string,
): Promise<Preview> {
  const { report, plan, inFlightMicros } = stored;
  const sections = await readSections(desk.store, report.id, plan ?? []);
  const keysOf = (wanted: (status: Section["status"]) => boolean) =>
    sections.filter(({ status }) => wanted(status)).map(({ key }) => key);
  return {
    report: report.id,
    action,
    possible: because === "",
    because,
    keptSections: keysOf((status) => status === "completed"),
    openSections: keysOf((status) => status !== "completed" && status !== "skipped"),
    ...(await tallied(desk, report.id, walk?.calls ?? [])),
    atMostMicros: Math.max(0, report.budgetMicros - totalSpend(report.spend) - inFlightMicros),
    creditEffect:
      report.credits === 0
        ? "It costs no credits."
        : `The ${report.credits} credits stay held; they are charged with delivery and not before.`,
  };
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
