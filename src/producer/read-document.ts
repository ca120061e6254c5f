/** Reads all that a delivered report's document is made of. */
import { FleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import { definitionsOf, isDynamic } from "../report-types/plan.ts";
import type { ReportType } from "../report-types/define-report.ts";
import { readArtefact } from "../store/deliver.ts";
import { fromTheBeginning, nextEvents, type ReportEvent } from "../store/follow-reports.ts";
import type { Store } from "../store/redis.ts";
import { modelsIn, type Document } from "./render-artefact.ts";
import { readSnapshot, sentenceOf } from "./report-view.ts";

/** `typeOf` may not know a type any more, and then its prompt versions are left out. */
export async function readDocument(
  store: Store,
  id: ReportId,
  typeOf: (type: string) => ReportType | undefined,
): Promise<Document> {
  const snapshot = await readSnapshot(store, id);
  const { report, plan, delivered } = snapshot.stored;
  if (delivered === null) {
    const done = snapshot.sections.filter(({ status }) => status === "completed").map(({ key }) => key);
    const early =
      done.length === 0
        ? ""
        : ` Finished sections can be read now: report-fleet get ${id} --section ${done[0] ?? ""}.`;
    const advice =
      report.status === "failed" || report.status === "cancelled"
        ? ""
        : ` Wait for it: report-fleet watch ${id}.`;
    throw new FleetError(
      "not_deliverable",
      `${id} is not delivered. ${sentenceOf(snapshot)}${advice}${early}`,
    );
  }
  const read = await readArtefact(store, id);
  if (!read.ok)
    throw new FleetError("not_deliverable", `The document of ${id} cannot be read: ${read.because}.`);
  const type = typeOf(report.type);
  return {
    report,
    delivered,
    // What was delivered in part stays readable while the rest is written.
    stillOpen: report.status === "completed" ? null : sentenceOf(snapshot),
    artefact: read.artefact,
    hash: read.hash,
    planned: plan ?? [],
    models: modelsIn(await allEvents(store, id)),
    promptVersions: type === undefined || type.version !== report.typeVersion ? [] : promptVersionsOf(type),
  };
}

async function allEvents(store: Store, id: ReportId): Promise<ReportEvent[]> {
  const places = fromTheBeginning([id]);
  const all: ReportEvent[] = [];
  for (let more = await nextEvents(store, places, 0); more.length > 0;) {
    all.push(...more);
    more = await nextEvents(store, places, 0);
  }
  return all;
}

/** "report 1/refine-critic-1": each section with the versions of its prompts. */
function promptVersionsOf(type: ReportType): string[] {
  const sections = definitionsOf(type).map((section) => {
    const versions = "prompt" in section ? [section.promptVersion] : (section.promptVersions ?? []);
    return versions.length === 0 ? "" : `${section.key} ${versions.join("/")}`;
  });
  const planning = isDynamic(type) ? (type.sections.promptVersions ?? []) : [];
  return [...(planning.length === 0 ? [] : [`plan ${planning.join("/")}`]), ...sections].filter(
    (text) => text !== "",
  );
}
