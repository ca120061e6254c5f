/**
 * A report in a file, for whoever has to find out why it failed: its source, the questions as they were asked and the
 * raw answers. It is replayed offline against today's code, at zero tokens. No account, no key and no address of ours is
 * in it; the source and the answers are, so it is as confidential as the report.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { FleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import { PLANNING, type FailureSummary, type PlannedSection } from "../domain/report.ts";
import type { ReportType, SectionInput } from "../report-types/define-report.ts";
import type { Registry } from "../report-types/registry.ts";
import { factsOf, sourceOf } from "../report-types/source.ts";
import { listCases, readQuestion, type AskedQuestion } from "../store/cases.ts";
import type { Store } from "../store/redis.ts";
import { readSections, readSource } from "../store/reports.ts";
import { readOutput } from "../store/read-sections.ts";
import { readCheckpoints, type StoredTake } from "../store/takes.ts";
import { authorOf } from "../workers/section-author.ts";
import { requireReport } from "./material.ts";
import { rehearse, type Rehearsal, type Shelf } from "./rehearse.ts";

export interface Bundle {
  v: 1;
  report: { id: ReportId; type: string; typeVersion: number; status: string };
  source: unknown;
  plan: PlannedSection[] | null;
  sections: Record<string, { status: string; output?: unknown }>;
  cases: {
    id: string;
    section: string | null;
    failure: FailureSummary;
    path: string | null;
    question: AskedQuestion | null;
  }[];
  takes: StoredTake[];
  steps: Record<string, unknown>;
}

const MOST_CASES = 1_000;

export async function exportReport(store: Store, id: ReportId): Promise<Bundle> {
  const { report, plan } = await requireReport(store, id);
  const read = await readSource(store, report.account, report.sourceHash);
  if (!read.ok) throw new FleetError("not_allowed", `Report ${id} cannot be exported: ${read.because}.`);
  const sections: Bundle["sections"] = {};
  for (const section of await readSections(store, id, plan ?? [PLANNING])) {
    const output = await readOutput(store, id, section.key);
    sections[section.key] = { status: section.status, ...(output.ok ? { output: output.output } : {}) };
  }
  const cases: Bundle["cases"] = [];
  for (const one of await listCases(store, { report: id, limit: MOST_CASES })) {
    const { section, failure, evidence } = one;
    cases.push({
      id: one.id,
      section,
      failure,
      path: evidence.path,
      question: await readQuestion(store, one.id),
    });
  }
  const { takes, steps } = await readCheckpoints(store, id);
  const { type, typeVersion, status } = report;
  return {
    v: 1,
    report: { id, type, typeVersion, status },
    source: JSON.parse(read.canonical),
    plan,
    sections,
    cases,
    takes: takes.map(withoutTraces),
    steps,
  };
}

/** A route names our host and the hash of our key; a request id belongs to our account. */
function withoutTraces(take: StoredTake): StoredTake {
  return { ...take, answer: { ...take.answer, route: "", requestId: null } };
}

const shape = z.object({
  v: z.literal(1),
  report: z.object({ id: z.string(), type: z.string(), typeVersion: z.number(), status: z.string() }),
  source: z.unknown(),
  plan: z
    .array(z.looseObject({ key: z.string(), template: z.string(), after: z.array(z.string()) }))
    .nullable(),
  sections: z.record(z.string(), z.looseObject({ status: z.string() })),
  cases: z.array(z.looseObject({ id: z.string() })),
  takes: z.array(
    z.looseObject({ callKey: z.string(), take: z.number(), state: z.string(), answer: z.looseObject({}) }),
  ),
  steps: z.record(z.string(), z.unknown()),
});

export function parseBundle(value: unknown): Bundle {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data as unknown as Bundle;
  throw new FleetError(
    "usage",
    `This is no bundle of \`report-fleet export\`: ${z.prettifyError(parsed.error)}`,
  );
}

export interface ReplayedSection {
  section: string;
  /** What it was when the bundle was made. */
  was: string;
  walk: Rehearsal;
}

/** Walks every section of a bundle with today's code; touches neither a store nor a provider. */
export async function replayBundle(types: Registry, bundle: Bundle): Promise<ReplayedSection[]> {
  const type = types.require(bundle.report.type);
  const canonical = JSON.stringify(bundle.source);
  const hash = createHash("sha256").update(canonical).digest("hex");
  const source = sourceOf(type, canonical, hash);
  const facts = factsOf(type, source, hash);
  const shelf = shelfOf(bundle);
  const outputs: Record<string, unknown> = {};
  for (const [key, { output }] of Object.entries(bundle.sections))
    if (output !== undefined) outputs[key] = output;

  const replayed: ReplayedSection[] = [];
  for (const planned of inOrder(bundle.plan ?? [PLANNING])) {
    const author = authorOf(type, bundle.plan, planned.key);
    const was = bundle.sections[planned.key]?.status ?? "unknown";
    if (author === null) {
      const message = `Version ${type.version} of ${type.type} has no section ${planned.key}.`;
      const walk: Rehearsal = {
        outcome: "failed",
        failure: { kind: "workflow", code: "section_unknown", message },
        calls: [],
      };
      replayed.push({ section: planned.key, was, walk });
      continue;
    }
    const walk = await rehearse(author, inputOf(bundle, type, planned, { source, facts, outputs }), shelf);
    // Later sections read what today's code makes of it, as they would in a run.
    if (walk.outcome === "written") outputs[planned.key] = walk.output;
    replayed.push({ section: planned.key, was, walk });
  }
  return replayed;
}

function inputOf(
  bundle: Bundle,
  type: ReportType,
  planned: PlannedSection,
  material: { source: unknown; facts: unknown; outputs: Record<string, unknown> },
): SectionInput<unknown, unknown> {
  const sections: Record<string, unknown> = {};
  for (const key of planned.after) if (key in material.outputs) sections[key] = material.outputs[key];
  return {
    report: { id: bundle.report.id, type: type.type },
    source: material.source,
    facts: material.facts,
    section: { key: planned.key, title: planned.title, params: planned.params },
    sections,
  };
}

/** Those that read others come after them; a plan need not be sorted. */
function inOrder(plan: readonly PlannedSection[]): PlannedSection[] {
  const ordered: PlannedSection[] = [];
  const left = [...plan];
  while (left.length > 0) {
    const at = left.findIndex(({ after }) => after.every((key) => !left.some((one) => one.key === key)));
    ordered.push(...left.splice(Math.max(0, at), 1));
  }
  return ordered;
}

function shelfOf(bundle: Bundle): Shelf {
  return {
    take: (callKey) => {
      const newest = bundle.takes.filter((take) => take.callKey === callKey).at(-1);
      return Promise.resolve(newest ?? null);
    },
    step: (stepKey) =>
      Promise.resolve(
        stepKey in bundle.steps ? { found: true, value: bundle.steps[stepKey] } : { found: false },
      ),
  };
}
