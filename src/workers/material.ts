/** What a section is written from, read from the store: the source, the facts, and the outputs of earlier sections. */
import type { PlannedSection } from "../domain/report.ts";
import type { ReportType, SectionInput } from "../report-types/define-report.ts";
import { factsOf, knownSource, sourceOf } from "../report-types/source.ts";
import { readSource } from "../store/reports.ts";
import { readOutput } from "../store/read-sections.ts";
import type { RunFacts } from "./run-facts.ts";
import type { Session } from "./session.ts";

export async function readMaterial(
  session: Session,
  stored: RunFacts,
  type: ReportType,
  planned: PlannedSection,
): Promise<SectionInput<unknown, unknown>> {
  const { store } = session.workshop;
  const { id, account, sourceHash } = stored.report;
  const known = knownSource(type, sourceHash);
  const [read, ...outputs] = await session.fromStore(() =>
    Promise.all([
      known === undefined ? readSource(store, account, sourceHash) : null,
      ...planned.after.map(async (key) => ({ key, output: await readOutput(store, id, key) })),
    ]),
  );
  if (read?.ok === false)
    unreadable(
      session,
      "source_unreadable",
      `Report ${id} cannot be written: ${read.because}. Send the source again.`,
    );
  const source = read === null ? known : sourceOf(type, read.canonical, sourceHash);

  const sections: Record<string, unknown> = {};
  for (const { key, output } of outputs) {
    // A skipped section has none; those after it were told so by its absence.
    if (output.ok) sections[key] = output.output;
    else if (!output.missing)
      unreadable(session, "checkpoint_damaged", `Report ${id} cannot be written: ${output.because}.`);
  }
  return {
    report: { id, type: type.type },
    source,
    facts: factsOf(type, source, sourceHash),
    section: { key: planned.key, title: planned.title, params: planned.params },
    sections,
  };
}

function unreadable(session: Session, code: string, message: string): never {
  return session.stopWith({
    stop: "failed",
    ...session.judge({ surface: "domain", stage: "load", domain: { code, message } }),
  });
}
