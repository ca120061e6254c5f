/**
 * Whether reports, sections and review cases agree, read from Redis after the fact: promises 5 and 6 of the design as one
 * function. It knows nothing of what a test did, so any test may end with it.
 */
import { createHash } from "node:crypto";
import { totalSpend } from "../../src/domain/failure.ts";
import { isFinished } from "../../src/domain/report.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { readGroup } from "../../src/store/case-groups.ts";
import { listCases } from "../../src/store/cases.ts";
import type { Store } from "../../src/store/redis.ts";
import { readEvents } from "../../src/store/read-events.ts";
import { readReport, readSections } from "../../src/store/reports.ts";
import { readOutput } from "../../src/store/read-sections.ts";

/** Sentences about what does not fit; none where all is well. */
export async function checkReviews(store: Store, id: ReportId): Promise<string[]> {
  const problems: string[] = [];
  const must = (holds: boolean, otherwise: string) => {
    if (!holds) problems.push(otherwise);
  };
  const stored = await readReport(store, id);
  if (stored === null) return [`${id} is gone`];
  const { report } = stored;
  const { redis, keys } = store;
  const finished = isFinished(report.status);
  const parked = report.status === "needs_review";
  const sections = await readSections(store, id, stored.plan ?? []);
  const cases = await listCases(store, { report: id, limit: 1_000 });
  const open = cases.filter(({ state }) => state.status === "open");

  for (const one of cases) {
    const isOpen = one.state.status === "open";
    must(
      ((await redis.zscore(keys.cases, one.id)) !== null) === isOpen,
      `${one.id} is ${one.state.status}, and the index of open cases says otherwise`,
    );
    must(
      ((await redis.zscore(keys.groupCases(one.group), one.id)) !== null) === isOpen,
      `${one.id} is ${one.state.status}, and its group says otherwise`,
    );
  }
  for (const one of parked ? open : [])
    must(
      one.spentMicros === totalSpend(report.spend),
      `${one.id} puts ${one.spentMicros} at stake, and ${totalSpend(report.spend)} are spent`,
    );
  must(!finished || open.length === 0, `it is ${report.status} and has ${open.length} open cases`);
  must(!finished || report.hold !== "reserved", `it is ${report.status} and its hold is ${report.hold}`);
  must(finished || report.hold === "reserved", `it is ${report.status} and its hold is ${report.hold}`);
  must(!parked || open.length > 0, "it needs review and has no open case");
  must(
    ((await redis.zscore(keys.reviewDeadlines, id)) !== null) === parked,
    `it is ${report.status}, and its review deadline says otherwise`,
  );
  if (!finished && !parked)
    must((await redis.zscore(keys.wakeups, id)) !== null, `it is ${report.status} and nothing will wake it`);

  for (const section of sections) {
    const own = open.filter((one) => one.section === section.key);
    const expected = !finished && section.status === "needs_review" ? 1 : 0;
    must(own.length === expected, `${section.key} is ${section.status} and has ${own.length} open cases`);
    if (section.status !== "completed") continue;
    const output = await readOutput(store, id, section.key);
    const hash = output.ok ? createHash("sha256").update(JSON.stringify(output.output)).digest("hex") : "";
    must(hash === section.outputHash, `the output of ${section.key} is not the one it was completed with`);
  }
  if (!finished) {
    const counted = await redis.hmget(keys.report(id), "running", "waiting");
    for (const [index, status] of (["running", "waiting_for_retry"] as const).entries()) {
      const actual = sections.filter((section) => section.status === status).length;
      must(
        Number(counted[index]) === actual,
        `${actual} sections are ${status}, ${counted[index]} are counted`,
      );
    }
  }
  return [...problems, ...(await historyProblems(store, id))];
}

/** What is at stake in a group is what its open cases have at stake, and every index of groups says so. */
export async function checkStakes(store: Store, group: string): Promise<string[]> {
  const { redis, keys } = store;
  const problems: string[] = [];
  const open = await listCases(store, { group, limit: 10_000 });
  const sums = await readGroup(store, group);
  const micros = open.reduce((sum, { spentMicros }) => sum + spentMicros, 0);
  const credits = open.reduce((sum, { creditsHeld }) => sum + creditsHeld, 0);
  const wasted = open.reduce((sum, { wastedMicros }) => sum + wastedMicros, 0);
  if (sums?.wastedMicros !== wasted)
    problems.push(`${group} says ${sums?.wastedMicros} µUSD are wasted, its cases ${wasted}`);
  if (sums?.spentMicros !== micros || sums.creditsHeld !== credits)
    problems.push(
      `${group} says ${sums?.spentMicros} µUSD and ${sums?.creditsHeld} credits, its cases ${micros} and ${credits}`,
    );
  const ranked = await Promise.all(
    [keys.groupsByAge, keys.groupsBySize, keys.groupsByCredits].map((index) => redis.zscore(index, group)),
  );
  const expected = [open[0]?.openedAt, open.length, credits].map((score) =>
    open.length === 0 ? null : String(score),
  );
  if (ranked.join() !== expected.join())
    problems.push(`${group} is ranked ${ranked.join()}, not ${expected.join()}`);
  return problems;
}

/** A section is written by one claim at a time, and what is completed stays so until a person says otherwise. */
async function historyProblems(store: Store, id: ReportId): Promise<string[]> {
  const last = new Map<string, string>();
  const problems: string[] = [];
  for (const { event } of await readEvents(store, id, "0")) {
    if (event.event !== "section.status") continue;
    const before = last.get(event.section);
    if (event.status === "running" && before === "running")
      problems.push(`${event.section} was claimed while another claim wrote it`);
    if (before === "completed" && event.status !== "pending")
      problems.push(`${event.section} was completed and became ${event.status}`);
    last.set(event.section, event.status);
  }
  return problems;
}

/** Who writes what, as it stands; two of these, before and after a step, show whether a claim was stolen. */
export async function readClaims(store: Store, id: ReportId): Promise<Map<string, Holder>> {
  const claims = new Map<string, Holder>();
  for (const { key } of (await readReport(store, id))?.plan ?? []) {
    const fields = ["claim", "process", "fence"] as const;
    const [claim, process, fence] = await store.redis.hmget(store.keys.section(id, key), ...fields);
    const alive = (await store.redis.exists(store.keys.process(process ?? ""))) === 1;
    claims.set(key, { claim: claim ?? "", process: process ?? "", alive, fence: Number(fence ?? 0) });
  }
  return claims;
}

interface Holder {
  claim: string;
  process: string;
  alive: boolean;
  fence: number;
}

/** A living process keeps its claim until it leaves; nobody else takes it over. */
export function stolenClaims(
  before: ReadonlyMap<string, Holder>,
  after: ReadonlyMap<string, Holder>,
): string[] {
  return [...before].flatMap(([section, held]) => {
    const now = after.get(section);
    const stolen = held.claim !== "" && held.alive && now?.claim !== "" && now?.process !== held.process;
    return stolen ? [`the claim of ${section} was stolen from a living process`] : [];
  });
}
