import { afterAll, beforeAll, expect, test } from "vitest";
import { completeRest } from "../../src/desk/complete-rest.ts";
import { deliverPartial } from "../../src/desk/deliver-partial.ts";
import { rejectReport } from "../../src/desk/end-by-person.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { PLANNING } from "../../src/domain/report.ts";
import { addNote, listCases } from "../../src/store/cases.ts";
import { grantCredits, readLedger } from "../../src/store/credits.ts";
import { readArtefact } from "../../src/store/deliver.ts";
import { endReport } from "../../src/store/end-report.ts";
import { eraseReport } from "../../src/store/erase.ts";
import { savePlan, startRound } from "../../src/store/report-transitions.ts";
import { readReport, readSource } from "../../src/store/reports.ts";
import { replaceSource } from "../../src/store/resume.ts";
import { sweepRetention } from "../../src/store/retention.ts";
import { claimSection, finishSection, type Claim } from "../../src/store/sections.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";
import { admitOrder, aReportId, openTestStore } from "../support/store-for-tests.ts";

const YEAR_MS = 365 * 86_400_000;
const KEEP = { packAfterMs: YEAR_MS, keepTextsMs: YEAR_MS, keepReportsMs: YEAR_MS };

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("retention"),
    types: [aTopicType],
  });
  await fleet.grant("acme", 100);
});
afterAll(() => fleet.stop());

async function keysOf(id: string): Promise<string[]> {
  return (await fleet.store.redis.keys(`{${fleet.store.fleet}}:*${id}*`)).filter(
    (key) => !key.includes(":reports:") && !key.includes(":sections."),
  );
}

test("a report keeps its document when its raw answers go, and its place in the books when it goes", async () => {
  const id = await fleet.submit({
    account: "acme",
    type: "topic",
    source: { topic: "dunes" },
    idempotencyKey: "k",
  });
  await fleet.delivered(id);
  const { redis, keys } = fleet.store;
  expect(await sweepRetention(fleet.store, KEEP)).toBe(0);
  expect(await redis.exists(keys.calls(id))).toBe(1);

  await redis.zadd(keys.ended, 0, id);
  expect(await sweepRetention(fleet.store, { ...KEEP, keepTextsMs: 0, keepReportsMs: YEAR_MS })).toBe(1);
  expect(await redis.exists(keys.calls(id))).toBe(0);
  expect((await readArtefact(fleet.store, id)).ok).toBe(true);
  expect((await fleet.read(id)).report.spend.useful).toBeGreaterThan(0);

  await redis.zadd(keys.ended, 0, id);
  expect(await sweepRetention(fleet.store, { ...KEEP, keepTextsMs: 0, keepReportsMs: 0 })).toBe(1);
  // A tombstone and the hold, under 2 KiB together.
  const left = await keysOf(id);
  expect(left.sort()).toEqual([keys.hold(`${id}.h1`), keys.tombstone(id)].sort());
  let bytes = 0;
  for (const key of left) bytes += Number(await redis.call("MEMORY", "USAGE", key));
  expect(bytes).toBeLessThan(2_048);
  expect((await readLedger(fleet.store, "acme")).map(({ verb }) => verb)).toEqual([
    "commit",
    "reserve",
    "grant",
  ]);
  expect(await fleet.balance("acme")).toMatchObject({ available: 95, committed: 5 });
});

test("a report that is still open is never touched", async () => {
  fleet.provider.setFaults?.([{ fault: { kind: "empty" } }]);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "mills" } });
  await fleet.reaches(id, "needs_review");
  await fleet.store.redis.zadd(fleet.store.keys.ended, 0, id);
  expect(await sweepRetention(fleet.store, { ...KEEP, keepTextsMs: 0, keepReportsMs: 0 })).toBe(0);
  expect(await fleet.store.redis.exists(fleet.store.keys.calls(id))).toBe(1);
});

test("what reviewers noted about a report goes with it", async () => {
  fleet.provider.setFaults?.([{ match: { contains: "topic/first" }, fault: { kind: "empty" } }]);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "weirs" } });
  await fleet.reaches(id, "needs_review");
  const { store } = fleet;
  for (const { id: caseId } of await listCases(store, { report: id, limit: 10 }))
    expect(await addNote(store, caseId, { by: "ada", text: "the customer says it is about weirs" })).toBe(
      "noted",
    );
  await rejectReport({ store }, id, { by: "ada", why: "a test" });
  await store.redis.zadd(store.keys.ended, 0, id);
  expect(await sweepRetention(store, { ...KEEP, keepTextsMs: 0, keepReportsMs: 0 })).toBe(1);
  expect((await keysOf(id)).toSorted()).toEqual(
    [store.keys.hold(`${id}.h1`), store.keys.tombstone(id)].toSorted(),
  );
});

test("the missing half of a report whose texts are gone is refused before anything is held for it", async () => {
  fleet.provider.setFaults?.([{ match: { contains: "topic/first" }, fault: { kind: "empty" } }]);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "locks" } });
  await fleet.reaches(id, "needs_review");
  const decision = { by: "ada", why: "half of it will do" };
  await deliverPartial(fleet.fleet.workshop, id, decision);
  await fleet.reaches(id, "completed");
  await fleet.store.redis.zadd(fleet.store.keys.ended, 0, id);
  expect(await sweepRetention(fleet.store, { ...KEEP, keepTextsMs: 0, keepReportsMs: YEAR_MS })).toBe(1);

  const before = [await fleet.read(id), await fleet.balance("acme")];
  await expect(completeRest(fleet.fleet.workshop, id, decision)).rejects.toMatchObject({
    code: "not_deliverable",
    message: expect.stringMatching(/kept no longer.*Nothing was held/) as string,
  });
  expect([await fleet.read(id), await fleet.balance("acme")]).toEqual(before);
  expect((await readArtefact(fleet.store, id)).ok).toBe(true);
});

/** Orders and their ends, without anybody who writes them. */
class Shelf {
  readonly store = openTestStore("snapshots");

  async order(type: string, data: string): Promise<ReportId> {
    await grantCredits(this.store, { account: "acme", credits: 5, reference: aReportId() });
    const id = aReportId();
    await admitOrder(this.store, { id, type, account: "acme", credits: 5, source: snapshotOf(data) });
    return id;
  }

  async correct(
    id: ReportId,
    data: string,
    what: { sections: string[]; plan: "none" | "again" } = { sections: [], plan: "none" },
  ): Promise<void> {
    const stored = await this.#read(id);
    const corrected = await replaceSource(
      this.store,
      {
        report: stored.report,
        by: "ada",
        why: "a typing error",
        version: stored.decisions,
        operation: aReportId(),
        statuses: ["pending", "running"],
        source: snapshotOf(data),
        ...what,
      },
      60_000,
    );
    expect(corrected.outcome).toBe("done");
  }

  async begin(id: ReportId, section: string): Promise<Claim> {
    const { report } = await this.#read(id);
    const { type, run } = report;
    await startRound(this.store, report, report.round + 1, [section], 60_000);
    const wanted = { report: id, type, section, version: 1, run, claimId: aReportId(), process: "p" };
    const claimed = await claimSection(this.store, wanted, 60_000);
    if (claimed.outcome !== "claimed") throw new Error(claimed.outcome);
    return claimed.claim;
  }

  async write(id: ReportId, section: string): Promise<void> {
    const written = { output: '"words"', hash: "h", unreviewed: null };
    await finishSection(this.store, await this.begin(id, section), written, [], 60_000, []);
  }

  async plan(id: ReportId, ...sections: string[]): Promise<void> {
    const { report } = await this.#read(id);
    const planned = sections.map((key) => ({ ...PLANNING, key, template: key }));
    await savePlan(this.store, report, [PLANNING, ...planned]);
  }

  /** Keys that name a report, but for what stays for ever. */
  async named(id: ReportId): Promise<string[]> {
    const { redis, keys } = this.store;
    const stays = [keys.tombstone(id), keys.hold(`${id}.h1`)];
    return (await redis.keys(`*${id}*`)).filter((key) => !stays.includes(key));
  }

  /** Ended, and past the time for which reports are kept. */
  async outlive(id: ReportId): Promise<void> {
    const { report } = await this.#read(id);
    await endReport(this.store, report, { status: "cancelled", because: "a test", by: "ada" });
    expect(await sweepRetention(this.store, { ...KEEP, keepTextsMs: 0, keepReportsMs: 0 })).toBe(1);
    expect(await readReport(this.store, id)).toBeNull();
  }

  async has(data: string): Promise<boolean> {
    return (await readSource(this.store, "acme", snapshotOf(data).hash)).ok;
  }

  async #read(id: ReportId) {
    const stored = await readReport(this.store, id);
    if (stored === null) throw new Error(`${id} is gone.`);
    return stored;
  }
}

function snapshotOf(data: string) {
  return { canonical: JSON.stringify(data), hash: data.padEnd(64, "0"), bytes: data.length };
}

test("a report that ended before it was planned takes what its planning has written along", async () => {
  const shelf = new Shelf();
  const id = await shelf.order("topic", "p1");
  await shelf.write(id, PLANNING.key);
  await shelf.outlive(id);
  expect(await shelf.named(id)).toEqual([]);
  shelf.store.close();
});

test("a report takes the sections of a plan along that was replaced", async () => {
  const shelf = new Shelf();
  const id = await shelf.order("topic", "q1");
  await shelf.write(id, PLANNING.key);
  await shelf.plan(id, "dunes", "tides");
  await shelf.write(id, "dunes");
  await shelf.begin(id, "tides");
  await shelf.correct(id, "q2", { sections: [PLANNING.key, "dunes", "tides"], plan: "again" });
  await shelf.plan(id, "piers");
  await shelf.outlive(id);
  expect(await shelf.named(id)).toEqual([]);
  shelf.store.close();
});

test("an old report leaves its source to an open report of another type, and the last reader takes it along", async () => {
  const shelf = new Shelf();
  const old = await shelf.order("topic", "a1");
  const other = await shelf.order("digest", "a1");
  await shelf.outlive(old);
  expect(await shelf.has("a1")).toBe(true);
  await shelf.outlive(other);
  expect(await shelf.has("a1")).toBe(false);
  // An order of the same data finds its source there again.
  await shelf.order("topic", "a1");
  expect(await shelf.has("a1")).toBe(true);
  shelf.store.close();
});

test("an old report leaves its source to a report that was corrected to the same data", async () => {
  const shelf = new Shelf();
  const old = await shelf.order("topic", "b1");
  const corrected = await shelf.order("topic", "b2");
  await shelf.correct(corrected, "b1");
  await shelf.outlive(old);
  expect([await shelf.has("b1"), await shelf.has("b2")]).toEqual([true, true]);
  await shelf.outlive(corrected);
  // What was sent before the correction goes as well.
  expect([await shelf.has("b1"), await shelf.has("b2")]).toEqual([false, false]);
  shelf.store.close();
});

test("erasing one report leaves its source to an open one of another type", async () => {
  const shelf = new Shelf();
  const erased = await shelf.order("topic", "c1");
  const other = await shelf.order("digest", "c1");
  await eraseReport(shelf.store, erased, "ada");
  expect(await shelf.has("c1")).toBe(true);
  await eraseReport(shelf.store, other, "ada");
  expect(await shelf.has("c1")).toBe(false);
  shelf.store.close();
});

test("a source from before its readers were listed is kept, since nobody knows who else reads it", async () => {
  const shelf = new Shelf();
  const { redis, keys } = shelf.store;
  const unlisted = await shelf.order("digest", "d1");
  await redis.unlink(keys.sourceReaders("acme", snapshotOf("d1").hash));
  const listed = await shelf.order("topic", "d1");
  await shelf.outlive(listed);
  expect((await readReport(shelf.store, unlisted))?.report.sourceHash).toBe(snapshotOf("d1").hash);
  expect(await shelf.has("d1")).toBe(true);
  shelf.store.close();
});
