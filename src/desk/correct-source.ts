/**
 * Corrected data for a report that is not over: a new snapshot, and the next run.
 *
 * A completed section stays as it is if, under the new source, it would ask nothing that was not asked before and come
 * out the same: it is walked against its checkpoints to find out, at no cost. Every other section is walked again by a
 * worker, where its unchanged calls are read from their checkpoints; only changed ones are paid.
 */
import { createHash, randomUUID } from "node:crypto";
import { FleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import { PLANNING, type PlannedSection, type Section } from "../domain/report.ts";
import { mayAct } from "../domain/review.ts";
import type { Counter } from "../producer/submit-report.ts";
import type { ReportType } from "../report-types/define-report.ts";
import { isDynamic } from "../report-types/plan.ts";
import { checkSource } from "../report-types/source.ts";
import { readSections, type StoredReport } from "../store/reports.ts";
import { replaceSource } from "../store/resume.ts";
import { authorOf } from "../workers/section-author.ts";
import {
  requireCreditworthy,
  requireDone,
  ring,
  statusesFor,
  type Ruled,
  type Ruling,
} from "./decide-case.ts";
import { materialFor, requireReport, shelfOf, type Snapshot } from "./material.ts";
import { rehearse, type Rehearsal } from "./rehearse.ts";

export interface CorrectionPlan {
  source: Snapshot & { bytes: number };
  /** Sections that stay as they are, and those that are walked again. */
  kept: string[];
  again: string[];
  planAgain: boolean;
  /** What each section that can be foreseen would ask. */
  walks: Rehearsal[];
}

export async function correctSource(
  desk: Counter,
  id: ReportId,
  source: unknown,
  ruling: Ruling,
): Promise<Ruled & { kept: string[] }> {
  const stored = await requireReport(desk.store, id);
  await requireCreditworthy(desk, stored.report.account);
  const plan = await planCorrection(desk, stored, source);
  const { report } = stored;
  const decided = await replaceSource(
    desk.store,
    {
      report,
      by: ruling.by,
      why: ruling.why,
      version: ruling.version ?? stored.decisions,
      operation: ruling.operation ?? randomUUID(),
      statuses: statusesFor("correct_source"),
      source: plan.source,
      sections: plan.again,
      plan: stored.plan === null ? "none" : plan.planAgain ? "again" : "seen",
    },
    desk.durations.wakeAfterMs,
  );
  requireDone(decided, "correct_source", `Report ${id}`);
  await ring(desk, report, decided.run);
  return { report: id, action: "correct_source", run: decided.run, kept: plan.kept };
}

/** What a correction would keep and walk again; changes nothing. */
export async function planCorrection(
  desk: Counter,
  stored: StoredReport,
  source: unknown,
): Promise<CorrectionPlan> {
  const { report } = stored;
  const permission = mayAct("correct_source", report.status);
  if (!permission.allowed) throw new FleetError("not_allowed", permission.because);
  const type = desk.types.require(report.type);
  const checked = checkSource(type, source);
  if (!checked.ok) {
    const list = checked.fields.map(({ path, message }) => `${path} ${message}`).join("; ");
    throw new FleetError(checked.code, `The corrected source cannot be used: ${list}. Nothing was changed.`, {
      fields: checked.fields,
    });
  }
  const { canonical, hash, bytes } = checked;
  const kept: string[] = [];
  const again: string[] = [];
  const walks: Rehearsal[] = [];
  let planAgain = false;
  const plan = stored.plan ?? (isDynamic(type) ? [PLANNING] : []);
  for (const section of await readSections(desk.store, report.id, plan)) {
    const isPlan = isDynamic(type) && section.key === PLANNING.key;
    const reads = isDynamic(type) && !isPlan ? [PLANNING.key, ...section.after] : section.after;
    // What reads a section that is written again cannot be foreseen.
    const foreseeable = !reads.some((key) => again.includes(key));
    const walk = foreseeable ? await walkUnder(desk, stored, type, section, { canonical, hash }) : null;
    if (walk !== null) walks.push(walk);
    const stays = walk !== null && section.status === "completed" && comesOutTheSame(section, walk);
    (stays ? kept : again).push(section.key);
    if (isPlan && !stays) planAgain = stored.plan !== null;
  }
  return { source: { canonical, hash, bytes }, kept, again, planAgain, walks };
}

async function walkUnder(
  desk: Counter,
  stored: StoredReport,
  type: ReportType,
  section: PlannedSection,
  source: Snapshot,
): Promise<Rehearsal | null> {
  const author = authorOf(type, stored.plan, section.key);
  if (author === null) return null;
  const input = await materialFor(desk.store, stored, type, author.planned, source);
  return rehearse(author, input, shelfOf(desk.store, stored.report.id));
}

function comesOutTheSame(section: Extract<Section, { status: "completed" }>, walk: Rehearsal): boolean {
  if (walk.outcome === "would_pay" || walk.outcome === "would_compute") return false;
  // A person wrote it because the model's answer was no good; as long as the same is asked, that still holds.
  if (section.edited !== null) return true;
  if (walk.outcome === "failed") return false;
  return createHash("sha256").update(JSON.stringify(walk.output)).digest("hex") === section.outputHash;
}
