/**
 * What a section has to know of its report: the same for all sections of a run, so a process reads it once and not once
 * a section. Whoever corrects the source or has a report planned anew begins the next run; whether this one is still the
 * current one, the claim says.
 */
import type { ReportId } from "../domain/ids.ts";
import type { PlannedSection, Report } from "../domain/report.ts";
import type { Store } from "../store/redis.ts";
import { readReport } from "../store/reports.ts";

export interface RunFacts {
  report: Pick<Report, "id" | "account" | "type" | "typeVersion" | "sourceHash">;
  plan: readonly PlannedSection[] | null;
}

/** As many as a process writes at the same time, and some more. */
const REMEMBERED_RUNS = 500;

export class KnownRuns {
  readonly #store: Store;
  readonly #known = new Map<string, RunFacts>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Null where the report is gone or another run is the current one. */
  async factsOf(id: ReportId, run: number): Promise<RunFacts | null> {
    const name = `${id}.r${run}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const stored = await readReport(this.#store, id);
    if (stored === null || stored.report.run !== run) return null;
    const { account, type, typeVersion, sourceHash } = stored.report;
    const facts = { report: { id, account, type, typeVersion, sourceHash }, plan: stored.plan };
    // The section that plans comes before the plan.
    if (stored.plan !== null) this.#remember(name, facts);
    return facts;
  }

  #remember(name: string, facts: RunFacts): void {
    this.#known.set(name, facts);
    if (this.#known.size <= REMEMBERED_RUNS) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}
