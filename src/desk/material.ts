/** What a section would be written from, as a worker would read it, for decisions that are taken without writing it. */
import { FleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import type { PlannedSection } from "../domain/report.ts";
import type { ReportType, SectionInput } from "../report-types/define-report.ts";
import { factsOf, sourceOf } from "../report-types/source.ts";
import { readStep } from "../store/steps.ts";
import type { Store } from "../store/redis.ts";
import { readReport, readSource, type StoredReport } from "../store/reports.ts";
import { readOutput } from "../store/read-sections.ts";
import { readTake } from "../store/takes.ts";
import type { Shelf } from "./rehearse.ts";

export interface Snapshot {
  canonical: string;
  hash: string;
}

export async function requireReport(store: Store, id: ReportId): Promise<StoredReport> {
  const stored = await readReport(store, id);
  if (stored === null)
    throw new FleetError("not_found", `There is no report ${id} in fleet "${store.fleet}".`);
  return stored;
}

/** `source` is the one of the report unless another is given. */
export async function materialFor(
  store: Store,
  { report }: StoredReport,
  type: ReportType,
  planned: PlannedSection,
  source?: Snapshot,
): Promise<SectionInput<unknown, unknown>> {
  const snapshot = source ?? (await snapshotOf(store, report));
  const parsed = sourceOf(type, snapshot.canonical, snapshot.hash);
  const sections: Record<string, unknown> = {};
  for (const key of planned.after) {
    const output = await readOutput(store, report.id, key);
    if (output.ok) sections[key] = output.output;
  }
  return {
    report: { id: report.id, type: type.type },
    source: parsed,
    facts: factsOf(type, parsed, snapshot.hash),
    section: { key: planned.key, title: planned.title, params: planned.params },
    sections,
  };
}

async function snapshotOf(store: Store, report: StoredReport["report"]): Promise<Snapshot> {
  const read = await readSource(store, report.account, report.sourceHash);
  if (!read.ok)
    throw new FleetError(
      "not_allowed",
      `Report ${report.id} cannot be read: ${read.because}. Correct the source.`,
    );
  return { canonical: read.canonical, hash: report.sourceHash };
}

/** The report's checkpoints as a walk reads them. */
export function shelfOf(store: Store, report: ReportId): Shelf {
  return {
    take: (callKey) => readTake(store, report, callKey),
    step: (stepKey) => readStep(store, report, stepKey),
  };
}
