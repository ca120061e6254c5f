/** A fleet whose model makes one certain mistake, for whoever sits at the review desk. */
import type { ReportId } from "../../src/domain/ids.ts";
import type { ReviewCase } from "../../src/domain/review.ts";
import { listCases } from "../../src/store/cases.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "./redis.ts";
import { anAuditType } from "./report-types/index.ts";
import { startScriptedProvider, type ScriptedProvider } from "./scripted-provider.ts";

export interface ReviewStory {
  fleet: TestFleet;
  provider: ScriptedProvider;
  /** Orders an audit and waits until its findings are parked. */
  parked(company: string): Promise<{ id: ReportId; found: ReviewCase }>;
  close(): Promise<void>;
}

const FINDINGS = {
  findings: [
    { title: "Passwords are old", severity: "high", recommendation: "Rotate them every quarter." },
    { title: "Backups are untested", severity: "low", recommendation: "Restore one every month." },
  ],
  confidence: 0.8,
};
export const GOOD = JSON.stringify(FINDINGS, null, 2);
/** Breaks the schema at `findings[1].severity`. */
export const BAD = GOOD.replace('"low"', '"urgent"');
const PROSE = "A company of the region with a long history in trade, and a small team of its own.";

export async function startReviewStory(name: string): Promise<ReviewStory> {
  const provider = await startScriptedProvider((prompt) => (prompt.includes("audit/findings") ? BAD : PROSE));
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet(name),
    types: [anAuditType],
    provider,
  });
  let accounts = 0;
  return {
    fleet,
    provider,
    async parked(company) {
      // An account whose orders fail again and again is looked at before it may go on.
      const account = `acme-${(accounts += 1)}`;
      await fleet.grant(account, 100);
      const source = { company, country: "NO", employees: 120 };
      const id = await fleet.submit({ account, type: "audit", source });
      await fleet.reaches(id, "needs_review");
      const [found] = await listCases(fleet.store, { report: id, limit: 1 });
      if (found === undefined) throw new Error(`${id} is parked and has no case.`);
      return { id, found };
    },
    async close() {
      await fleet.stop();
      await provider.close();
    },
  };
}

/** From now on the model does as it was told. */
export function mend({ provider }: ReviewStory): void {
  provider.answer = (prompt) => (prompt.includes("audit/findings") ? GOOD : PROSE);
}

/** And from now on it does not. */
export function spoil({ provider }: ReviewStory): void {
  provider.answer = (prompt) => (prompt.includes("audit/findings") ? BAD : PROSE);
}
