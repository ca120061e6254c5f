/**
 * The parent job: takes a report from one round to the next until it is delivered or a person has to decide.
 *
 * It may run at any time and any number of times; each time it asks the store what is there and does the next thing.
 * It makes no LLM call: planning that needs a model is a section like any other.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { Evidence } from "../domain/evidence.ts";
import { isFleetError } from "../domain/fleet-error.ts";
import { totalSpend } from "../domain/failure.ts";
import {
  isFinished,
  PLANNING,
  type FailureSummary,
  type PlannedSection,
  type Section,
} from "../domain/report.ts";
import { classify } from "../classifier/classify.ts";
import type { PlannedWith, ReportType } from "../report-types/define-report.ts";
import { isDynamic, planSections } from "../report-types/plan.ts";
import { factsOf, knownSource, sourceOf } from "../report-types/source.ts";
import {
  deliver,
  saveArtefact,
  type Artefact,
  type DeliveredSection,
  type DeliveryTerms,
} from "../store/deliver.ts";
import { settleProbe } from "../store/breakers.ts";
import type { ReportJobData, SectionJobData } from "../store/queues.ts";
import { parkReport, savePlan, startRound } from "../store/report-transitions.ts";
import { readReport, readSections, readSource, type StoredReport } from "../store/reports.ts";
import { parseSection, readOutput } from "../store/read-sections.ts";
import { paperOf } from "./ballot.ts";
import { DONE, type Ending } from "./ending.ts";
import { nextMove } from "./next-move.ts";
import { errorFacts, summaryOf, type Workshop } from "./session.ts";
import { isPlanning, worthOf } from "./worth.ts";

/** The parent job, as far as a report needs one. */
export interface Flow {
  /** Adds one child job a section, all at the report's turn; they may start at once. */
  addSections(type: string, turn: number, jobs: readonly SectionJobData[]): Promise<void>;
  /** True where children are still open and the job now waits for them. */
  awaitChildren(): Promise<boolean>;
}

/** A section may need a round of its own after each of the others, and a few more after crashes; past that something spins. */
function mostRounds(plan: readonly PlannedSection[]): number {
  return plan.length + 20;
}

export async function advanceReport(workshop: Workshop, job: ReportJobData, flow: Flow): Promise<Ending> {
  const { store, types, durations } = workshop;
  for (;;) {
    // What is asked together costs one round trip. A report that was read a moment early is refused where it matters; one
    // that cannot be read is nobody's trouble while its sections are open.
    const reading = readReport(store, job.report);
    reading.catch(() => undefined);
    if (await flow.awaitChildren()) return { ending: "await_children" };
    const stored = await reading;
    if (
      stored === null ||
      stored.report.run !== job.run ||
      isFinished(stored.report.status) ||
      stored.report.status === "needs_review"
    )
      return DONE;
    const { report } = stored;
    const type = types.get(report.type);
    if (type === undefined || type.version < report.typeVersion)
      return { ending: "delay", afterMs: durations.askAgainMs };

    try {
      const plan = await planOf(workshop, stored, type);
      const sections = isUntouched(stored)
        ? plan.map((planned) => parseSection(report.id, planned, {}))
        : await readSections(store, report.id, plan);
      const move = nextMove(plan, sections, stored.halted);
      if (move.move !== "write" && !(await bindPlan(workshop, stored, plan))) continue;
      switch (move.move) {
        case "write": {
          const round = report.round + 1;
          if (round > mostRounds(plan))
            throw needsPerson(
              "config",
              "no_progress",
              `Report ${report.id} made no progress in ${report.round} rounds.`,
            );
          // Superseded; or postponed or capped: the breaker of its type, or a free place of its account, rings it again.
          const { maxRunning } = workshop.accountLimits;
          const [isOurs, started] = await Promise.all([
            bindPlan(workshop, stored, plan),
            startRound(store, report, round, move.sections, durations.wakeAfterMs, maxRunning),
          ]);
          if (started !== "started") return DONE;
          // Another plan came first: what it has to write is looked for anew, and this round stays empty.
          if (!isOurs) break;
          await flow.addSections(
            type.type,
            report.turn,
            move.sections.map((section) => ({ report: report.id, section, run: report.run, round })),
          );
          break;
        }
        case "review":
          if (
            (await parkReport(store, stored, parking(workshop, type, move.failure, move.sections))) ===
            "moved"
          )
            break;
          return DONE;
        case "deliver":
          if ((await deliverReport(workshop, stored, type, sections)) === "sections_changed") break;
          // It may have been the canary that its type was waiting for.
          await settleProbe(store, report.type, report.id);
          return DONE;
      }
    } catch (thrown) {
      const failure = failureOf(thrown);
      // Lost infrastructure is no failure of the report: the job is tried again and finds everything as it was.
      if (failure === null) throw thrown;
      if ((await parkReport(store, stored, parking(workshop, type, failure, null))) === "moved") continue;
      return DONE;
    }
  }
}

function parking(
  workshop: Workshop,
  type: ReportType,
  failure: FailureSummary,
  sections: readonly string[] | null,
) {
  return {
    failure,
    sections,
    deadlineMs: type.reviewDeadlineMs ?? workshop.durations.reviewDeadlineMs,
    version: type.version,
    failureLimits: {
      ...workshop.failureLimits,
      ...(type.creditReviewAfterRuns === undefined ? {} : { runsOfReport: type.creditReviewAfterRuns }),
    },
    // What a section failed with has voted when the section was left.
    ballot: sections === null ? [paperOf(failure)] : [],
  };
}

/** Nothing of it was ever begun, so no section has a record. */
function isUntouched({ plan, report }: StoredReport): boolean {
  return plan === null && report.run === 1 && report.round === 0;
}

/** The report's plan, or what it is to be bound to; until a planning section has run, planning is all there is to do. */
async function planOf(
  workshop: Workshop,
  stored: StoredReport,
  type: ReportType,
): Promise<readonly PlannedSection[]> {
  if (stored.plan !== null) return stored.plan;
  const { store } = workshop;
  if (!isDynamic(type)) return planSections(type);
  const { report } = stored;
  const [planning] = await readSections(store, report.id, [PLANNING]);
  if (planning?.status !== "completed") return [PLANNING];
  const output = await readOutput(store, report.id, PLANNING.key);
  if (!output.ok) throw needsPerson("load", "checkpoint_damaged", output.because);
  return [PLANNING, ...planSections(type, output.output as PlannedWith[])];
}

/** Whether this is the plan that counts: a second planner adopts the first plan, and a plan still to be made binds nobody. */
async function bindPlan(
  { store }: Workshop,
  { plan: known, report }: StoredReport,
  plan: readonly PlannedSection[],
): Promise<boolean> {
  if (known !== null || isOnlyPlanning(plan)) return true;
  const counts = await savePlan(store, report, plan);
  return counts === null || JSON.stringify(counts) === JSON.stringify(plan);
}

function isOnlyPlanning(plan: readonly PlannedSection[]): boolean {
  return plan.length === 1 && plan[0] === PLANNING;
}

async function deliverReport(
  workshop: Workshop,
  stored: StoredReport,
  type: ReportType,
  sections: readonly Section[],
): Promise<"ended" | "sections_changed"> {
  const { store } = workshop;
  const artefact = await assemble(workshop, stored, type, sections);
  // The document alone is hashed: the receipt may differ between two tries, the report may not.
  const hash = createHash("sha256")
    .update(
      canonicalJson({ title: artefact.title, markdown: artefact.markdown, sections: artefact.sections }),
    )
    .digest("hex");
  // One after the other on one connection: what is not saved is not delivered, by the script itself.
  const [, outcome] = await Promise.all([
    saveArtefact(store, artefact, hash),
    deliver(store, stored.report, hash, termsOf(stored, type, sections)),
  ]);
  if (outcome === "sections_changed") return outcome;
  if (outcome !== "delivered" && outcome !== "superseded")
    throw new Error(`Report ${stored.report.id} could not be delivered: ${UNDELIVERED[outcome]}.`);
  return "ended";
}

const UNDELIVERED = {
  no_hold: "its hold is gone",
  no_artefact: "its artefact was replaced",
  exceeds_hold: "its parts would cost more than is held for it",
} as const;

/** A report without the sections a person skipped is a part of what was ordered, and costs a part. */
function termsOf(stored: StoredReport, type: ReportType, sections: readonly Section[]): DeliveryTerms {
  const { report, lastDecision } = stored;
  const completed = sections.filter((section) => section.status === "completed");
  const written = completed.map(({ key, outputHash }) => ({ key, outputHash }));
  if (completed.length === sections.length) return { delivery: "full", sections: written };
  return {
    delivery: "partial",
    sections: written,
    commitCredits: worthOf(type, report.credits, completed, sections),
    by: lastDecision?.by ?? "",
    why: lastDecision?.why ?? "sections were skipped",
  };
}

async function assemble(
  workshop: Workshop,
  stored: StoredReport,
  type: ReportType,
  sections: readonly Section[],
): Promise<Artefact> {
  const { store } = workshop;
  const { report } = stored;
  const completed = sections.filter((section) => section.status === "completed");
  const known = knownSource(type, report.sourceHash);
  const [read, ...outputs] = await Promise.all([
    known === undefined ? readSource(store, report.account, report.sourceHash) : null,
    ...completed
      .filter((section) => !isPlanning(type, section))
      .map(async (section) => ({
        section,
        output: await readOutput(store, report.id, section.key),
      })),
  ]);
  if (read?.ok === false) throw needsPerson("load", "source_unreadable", read.because);
  const source = read === null ? known : sourceOf(type, read.canonical, report.sourceHash);
  const written: DeliveredSection[] = [];
  for (const { section, output } of outputs) {
    if (!output.ok) throw needsPerson("load", "checkpoint_damaged", output.because);
    written.push({
      key: section.key,
      title: section.title,
      output: output.output,
      unreviewed: section.unreviewed,
      ...(section.edited === null ? {} : { edited: section.edited }),
    });
  }
  const facts = factsOf(type, source, report.sourceHash);
  const assembled = formatted(() =>
    type.assemble({
      report: { id: report.id, type: type.type },
      source,
      facts,
      sections: written.map((section) => ({ ...section, unreviewed: section.unreviewed !== null })),
    }),
  );
  return {
    v: 1,
    report: report.id,
    type: type.type,
    ...assembled,
    sections: written,
    receipt: {
      credits: report.credits,
      typeVersion: type.version,
      sourceHash: report.sourceHash,
      spentMicros: totalSpend(report.spend),
    },
  };
}

/** Everything is paid and there; only the author's formatting failed. That is mended without writing anything again. */
function formatted<T>(format: () => T): T {
  try {
    return format();
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new NeedsPerson({
      surface: "domain",
      stage: "save",
      domain: { code: "assembly_failed", message },
      node: errorFacts(thrown),
    });
  }
}

/** Something in the report or its type, not in the infrastructure: a person has to look. */
class NeedsPerson extends Error {
  readonly evidence: Evidence;

  constructor(evidence: Evidence) {
    super(evidence.domain?.message ?? "The report cannot go on.");
    this.evidence = evidence;
  }
}

function needsPerson(stage: Evidence["stage"], code: string, message: string): NeedsPerson {
  return new NeedsPerson({ surface: "domain", stage, domain: { code, message } });
}

/** Null for lost infrastructure, which is nobody's decision. */
function failureOf(thrown: unknown): FailureSummary | null {
  if (thrown instanceof NeedsPerson) return summaryOf(classify(thrown.evidence));
  if (!isFleetError(thrown) || thrown.code === "redis_unreachable") return null;
  const stage = thrown.code === "invalid_source" ? "load" : "config";
  return summaryOf(
    classify({ surface: "domain", stage, domain: { code: thrown.code, message: thrown.message } }),
  );
}
