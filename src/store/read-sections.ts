/** A section as it stands: its state, what it has written, and how long the last ones of its kind took. */
import type { ReportId } from "../domain/ids.ts";
import type {
  Edited,
  FailureSummary,
  PlannedSection,
  Section,
  SectionState,
  SectionStatus,
} from "../domain/report.ts";
import { readPackedOutput } from "./pack-report.ts";
import { unpack } from "./packed.ts";
import type { Store } from "./redis.ts";

/** How long the last runs of these sections took, by key; up to fifty each. */
export async function readDurations(
  store: Store,
  type: string,
  sections: readonly string[],
): Promise<Record<string, number[]>> {
  const pipeline = store.redis.pipeline();
  for (const section of sections) pipeline.lrange(store.keys.durations(type, section), 0, 49);
  const replies = (await pipeline.exec()) ?? [];
  return Object.fromEntries(
    sections.map((section, index) => [section, ((replies[index]?.[1] ?? []) as string[]).map(Number)]),
  );
}

/** `missing` where there never was one, as after a skip; else it is there and damaged. */
export type OutputRead = { ok: true; output: unknown } | { ok: false; missing: boolean; because: string };

/** The stored output of a completed section. */
export async function readOutput(store: Store, report: ReportId, section: string): Promise<OutputRead> {
  const packed = await store.redis.hgetBuffer(store.keys.section(report, section), "output");
  if (packed === null) {
    const text = await readPackedOutput(store, report, section);
    if (text !== null) return { ok: true, output: JSON.parse(text) };
    return { ok: false, missing: true, because: `section ${section} has no output` };
  }
  const unpacked = unpack(packed);
  if (!unpacked.ok)
    return {
      ok: false,
      missing: false,
      because: `the output of section ${section} is damaged: ${unpacked.because}`,
    };
  return { ok: true, output: JSON.parse(unpacked.text) };
}

/** What is read to know a section's state; its output stays where it is. */
export const SECTION_FIELDS = [
  "status",
  "fence",
  "process",
  "transient",
  "repair",
  "crash",
  "retryAt",
  "because",
  "failure",
  "outputHash",
  "unreviewed",
  "edited",
] as const;

export function parseSection(
  report: ReportId,
  planned: PlannedSection,
  fields: Record<string, string>,
): Section {
  return {
    ...planned,
    report,
    fence: Number(fields["fence"] ?? 0),
    attempts: {
      transient: Number(fields["transient"] ?? 0),
      repair: Number(fields["repair"] ?? 0),
      crash: Number(fields["crash"] ?? 0),
    },
    ...sectionState(fields),
  };
}

function sectionState(fields: Record<string, string>): SectionState {
  const status = (fields["status"] ?? "pending") as SectionStatus;
  const failure = fields["failure"] ? (JSON.parse(fields["failure"]) as FailureSummary) : null;
  switch (status) {
    case "pending":
      return { status };
    case "running":
      return { status, process: fields["process"] ?? "" };
    case "waiting_for_retry":
      return {
        status,
        retryAt: Number(fields["retryAt"] ?? 0),
        failure,
        because: fields["because"] ?? "",
      };
    case "completed":
      return {
        status,
        outputHash: fields["outputHash"] ?? "",
        unreviewed: fields["unreviewed"] || null,
        edited: fields["edited"] ? (JSON.parse(fields["edited"]) as Edited) : null,
      };
    case "needs_review":
    case "failed":
      if (failure === null) throw new Error(`A section is ${status} but names no failure.`);
      return { status, failure };
    case "skipped":
      return { status, because: fields["because"] ?? "" };
  }
}
