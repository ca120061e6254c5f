/** What a dry run says beforehand, of one report and of a whole group, against what the decision then does. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { decideGroup } from "../../src/desk/group-operation.ts";
import { previewGroup, type GroupQuestion } from "../../src/desk/preview-group.ts";
import {
  previewAccepted,
  previewPartial,
  previewReject,
  previewResume,
  previewSkip,
} from "../../src/desk/preview.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { listCases } from "../../src/store/cases.ts";
import { listRunningOperations } from "../../src/store/operations.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType, aTopicType } from "../support/report-types/index.ts";

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("preview"),
    types: [{ ...aTopicType, breaker: { threshold: 100 } }, aChainedType],
    faults: [
      { match: { contains: "topic/first" }, fault: { kind: "empty" } },
      { match: { contains: "chained/body" }, fault: { kind: "empty" } },
    ],
  });
  await fleet.grant("acme", 100);
  await fleet.grant("nova", 100);
});
afterAll(() => fleet.stop());

const desk = () => fleet.fleet.workshop;

async function aParked(order: { type: string; account?: string; topic?: string }) {
  const { type, account = "acme", topic = "lighthouses" } = order;
  const report = await fleet.submit({ account, type, source: { topic } });
  await fleet.reaches(report, "needs_review");
  const [found] = await listCases(fleet.store, { report, limit: 1 });
  if (found === undefined) throw new Error(`${report} is parked and has no case.`);
  return found;
}

/** Everything a dry run could have touched. */
async function standing(...reports: ReportId[]) {
  return {
    asked: fleet.ledger().length,
    balances: [await fleet.balance("acme"), await fleet.balance("nova")],
    operations: await listRunningOperations(fleet.store),
    reports: await Promise.all(reports.map((id) => fleet.read(id))),
    cases: await Promise.all(reports.map((report) => listCases(fleet.store, { report, limit: 10 }))),
  };
}

test("a group's dry run names its canary and every case that cannot go, sums work, dollars and credits, and the decision keeps to it", async () => {
  const cases = [];
  for (const topic of ["lighthouses", "piers", "locks"]) cases.push(await aParked({ type: "topic", topic }));
  const reviewed = await aParked({ type: "topic", account: "nova" });
  await fleet.store.redis.hset(fleet.store.keys.account("nova"), "credit_review", "it failed often");
  const group = reviewed.group;
  const before = await standing(...cases.map(({ report }) => report), reviewed.report);
  const ask = (question: Partial<GroupQuestion>) =>
    previewGroup(desk(), {
      group,
      action: "resume",
      prompt: "current",
      canary: 2,
      maxMicros: null,
      ...question,
    });

  const resumed = await ask({ maxMicros: 1_000_000 });
  expect(resumed).toMatchObject({
    cases: 4,
    beyond: 0,
    eligible: 3,
    canaries: cases.slice(0, 2).map(({ id }) => id),
    keptSections: 3,
    openSections: 3,
    reusedCalls: 0,
    paidCalls: 3,
    notEstimated: 0,
    cap: { maxMicros: 1_000_000, fits: true },
    credits: { held: 15, charged: 0, returned: 0 },
    creditEffect: "The 15 credits stay held; they are charged with delivery and not before.",
  });
  expect(resumed.notEligible).toEqual([
    { id: reviewed.id, because: expect.stringContaining("under credit review: it failed often") },
  ]);
  const one = await previewResume(desk(), cases[0]?.id ?? "", "current");
  expect(resumed.estimateMicros).toBeGreaterThan(one.estimateMicros ?? 0);
  expect(resumed.atMostMicros).toBeGreaterThan(resumed.estimateMicros ?? 0);
  expect((await ask({ maxMicros: 1 })).cap).toEqual({ maxMicros: 1, fits: false });

  const revalidated = await ask({ action: "revalidate" });
  expect(revalidated).toMatchObject({ eligible: 0, canaries: [], estimateMicros: 0, paidCalls: 0 });
  expect(revalidated.notEligible).toHaveLength(4);
  expect(revalidated.notEligible[0]?.because).toContain("Today's parser rejects");
  expect(await ask({ action: "reject" })).toMatchObject({
    eligible: 4,
    credits: { held: 0, charged: 0, returned: 20 },
    creditEffect: "All 20 credits go back; nothing is charged.",
  });
  expect(await ask({ action: "skip_section" })).toMatchObject({
    skippedSections: 4,
    credits: { held: 0, charged: 8, returned: 12 },
  });
  const delivered = await ask({ action: "deliver_partial" });
  expect(delivered).toMatchObject({
    eligible: 4,
    atMostMicros: 0,
    credits: { held: 0, charged: 8, returned: 12 },
    creditEffect: "With delivery 8 of 20 credits are charged; the other 12 go back.",
  });
  await expect(ask({ group: "topic.first.0000" })).rejects.toMatchObject({ code: "not_found" });
  expect(await standing(...cases.map(({ report }) => report), reviewed.report)).toEqual(before);

  await decideGroup(desk(), {
    id: "op-preview",
    group,
    action: "deliver_partial",
    prompt: "current",
    canary: 1,
    perSweep: 10,
    maxMicros: null,
    by: "ada",
    why: "agreed",
  });
  for (const { report } of [...cases, reviewed]) await fleet.reaches(report, "completed");
  await waitFor(
    async () => (await listRunningOperations(fleet.store)).length === 0,
    () => "the operation does not end",
  );
  const balances = [await fleet.balance("acme"), await fleet.balance("nova")];
  expect(balances.reduce((sum, { committed }) => sum + committed, 0)).toBe(delivered.credits.charged);
  expect(balances.reduce((sum, { held }) => sum + held, 0)).toBe(0);
  expect(fleet.ledger()).toHaveLength(before.asked);
});

test("one report's dry runs say what each decision keeps, leaves out, pays and does to the credits", async () => {
  const found = await aParked({ type: "chained" });
  const before = await standing(found.report);
  expect(await previewSkip(desk(), found.id)).toMatchObject({
    action: "skip_section",
    possible: true,
    keptSections: ["outline"],
    openSections: [],
    skippedSections: ["body", "summary"],
    paidCalls: [],
    credits: { held: 0, charged: 1, returned: 4 },
  });
  expect(await previewPartial(desk(), found.report)).toMatchObject({
    skippedSections: ["body", "summary"],
    atMostMicros: 0,
    credits: { charged: 1, returned: 4 },
  });
  expect(await previewAccepted(desk(), found.id, "Written by hand, and long enough.")).toMatchObject({
    keptSections: ["outline", "body"],
    openSections: ["summary"],
    credits: { held: 5, charged: 0, returned: 0 },
  });
  await expect(previewAccepted(desk(), found.id, "short")).rejects.toMatchObject({ code: "usage" });
  expect(await previewReject(desk(), found.report)).toMatchObject({
    openSections: [],
    credits: { returned: 5 },
  });
  expect(await previewResume(desk(), found.id, "stored")).toMatchObject({
    openSections: ["body", "summary"],
    paidCalls: [{ call: found.evidence.callKey }],
  });
  expect(await standing(found.report)).toEqual(before);
});
