import { afterAll, beforeAll, expect, test } from "vitest";
import { sweepRetention } from "../../src/store/retention.ts";
import { readArtefact } from "../../src/store/deliver.ts";
import { readLedger } from "../../src/store/credits.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const YEAR_MS = 365 * 86_400_000;
const KEEP = { keepTextsMs: YEAR_MS, keepReportsMs: YEAR_MS };

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
  expect(await sweepRetention(fleet.store, { keepTextsMs: 0, keepReportsMs: YEAR_MS })).toBe(1);
  expect(await redis.exists(keys.calls(id))).toBe(0);
  expect((await readArtefact(fleet.store, id)).ok).toBe(true);
  expect((await fleet.read(id)).report.spend.useful).toBeGreaterThan(0);

  await redis.zadd(keys.ended, 0, id);
  expect(await sweepRetention(fleet.store, { keepTextsMs: 0, keepReportsMs: 0 })).toBe(1);
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
  expect(await sweepRetention(fleet.store, { keepTextsMs: 0, keepReportsMs: 0 })).toBe(0);
  expect(await fleet.store.redis.exists(fleet.store.keys.calls(id))).toBe(1);
});
