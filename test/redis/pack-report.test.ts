/** A report at rest takes a part of what it took, and whoever looks at it sees no difference. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { deliverPartial } from "../../src/desk/deliver-partial.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { refundCredits } from "../../src/store/credits.ts";
import { readArtefact } from "../../src/store/deliver.ts";
import { fromTheBeginning, nextEvents } from "../../src/store/follow-reports.ts";
import { readEventPage, readEvents, readHistory, readNewestEvents } from "../../src/store/read-events.ts";
import { readOutput } from "../../src/store/read-sections.ts";
import { readReceipt } from "../../src/store/receipt.ts";
import { readReport, readSections } from "../../src/store/reports.ts";
import { sweepRetention } from "../../src/store/retention.ts";
import { readAnswer, readCallCost, readCheckpoints, readTake } from "../../src/store/takes.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { startPrivateRedis, type PrivateRedis } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const YEAR_MS = 365 * 86_400_000;
const REST = { packAfterMs: 0, keepTextsMs: YEAR_MS, keepReportsMs: YEAR_MS };

let redis: PrivateRedis;
let fleet: TestFleet;
beforeAll(async () => {
  redis = await startPrivateRedis({ aof: false });
  fleet = await startTestFleet({ redisUrl: redis.url, types: [aTopicType] });
  await fleet.grant("acme", 100);
});
afterAll(async () => {
  await fleet.stop();
  await redis.stop();
});

async function written(topic: string): Promise<ReportId> {
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic } });
  await fleet.delivered(id);
  return id;
}

async function sweep(id: ReportId, ages = REST): Promise<void> {
  await fleet.store.redis.zadd(fleet.store.keys.ended, 0, id);
  await sweepRetention(fleet.store, ages);
}

async function isPacked(id: ReportId): Promise<boolean> {
  return (await fleet.store.redis.exists(fleet.store.keys.packed(id))) === 1;
}

async function bytesOf(id: ReportId): Promise<number> {
  let bytes = 0;
  for (const key of await fleet.store.redis.keys(`*:report:${id}*`))
    bytes += Number(await fleet.store.redis.memory("USAGE", key, "SAMPLES", 0));
  return bytes;
}

/** Everything that anybody reads of a report. */
async function seen(id: ReportId) {
  const { store } = fleet;
  const stored = await readReport(store, id);
  const sections = await readSections(store, id, stored?.plan ?? []);
  const checkpoints = await readCheckpoints(store, id);
  const [take] = checkpoints.takes;
  if (take === undefined) throw new Error(`${id} has no checkpoint.`);
  const { events: middle } = await readEventPage(store, id, {}, 3);
  const at = middle.at(-1)?.id ?? "";
  return {
    stored,
    sections: sections.map(({ ...section }) => section),
    checkpoints,
    take: await readTake(store, id, take.callKey),
    answer: await readAnswer(store, id, take.callKey, take.take),
    cost: await readCallCost(store, id, take.callKey),
    receipt: await readReceipt(store, id),
    outputs: await Promise.all(sections.map(({ key }) => readOutput(store, id, key))),
    artefact: await readArtefact(store, id),
    history: await readHistory(store, id),
    events: [await readEvents(store, id, "0"), await readEvents(store, id, at)],
    followed: await nextEvents(store, fromTheBeginning([id]), 0),
    pages: [
      middle,
      await readEventPage(store, id, { before: at }, 4),
      await readEventPage(store, id, { after: at }, 1),
    ],
    newest: await readNewestEvents(store, 500),
  };
}

test("a report at rest reads as before in every way, and takes less than half", async () => {
  const id = await written("dunes");
  const [before, bytes] = [await seen(id), await bytesOf(id)];
  expect(before.history.length).toBeGreaterThan(10);
  await sweep(id, { ...REST, packAfterMs: YEAR_MS });
  expect(await isPacked(id)).toBe(false);

  await sweep(id);
  expect(await isPacked(id)).toBe(true);
  expect(await seen(id)).toEqual(before);
  expect(await bytesOf(id)).toBeLessThan(bytes / 2);
});

test("a refund for a report at rest is told behind what happened before", async () => {
  const id = await written("mills");
  await sweep(id);
  const before = await readHistory(fleet.store, id);
  await refundCredits(fleet.store, {
    report: id,
    account: "acme",
    credits: 1,
    reference: `refund-${id}`,
    by: "ada",
    why: "a typing error",
  });
  const after = await readHistory(fleet.store, id);
  expect(after.slice(0, -1)).toEqual(before);
  expect(after.at(-1)?.event).toMatchObject({ event: "credits", verb: "refund" });
  expect(await readEvents(fleet.store, id, before.at(-1)?.id ?? "")).toEqual(after.slice(-1));
});

test("texts of a report at rest go when texts go, and all of it when reports go", async () => {
  const id = await written("locks");
  await sweep(id);
  const receipt = await readReceipt(fleet.store, id);
  await sweep(id, { ...REST, keepTextsMs: 0 });
  expect((await readCheckpoints(fleet.store, id)).takes).toEqual([]);
  expect(await readOutput(fleet.store, id, "first")).toMatchObject({ ok: false, missing: true });
  expect(await readReceipt(fleet.store, id)).toMatchObject({ calls: receipt.calls, spend: receipt.spend });
  expect((await readHistory(fleet.store, id)).length).toBeGreaterThan(10);

  await sweep(id, { ...REST, keepTextsMs: 0, keepReportsMs: 0 });
  expect(await fleet.store.redis.keys(`*:report:${id}*`)).toEqual([]);
});

test("a report that was delivered in part is not packed, for its rest may still be written", async () => {
  fleet.provider.setFaults?.([{ match: { contains: "topic/first" }, fault: { kind: "empty" } }]);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "weirs" } });
  await fleet.reaches(id, "needs_review");
  await deliverPartial(fleet.fleet.workshop, id, { by: "ada", why: "half of it will do" });
  await fleet.reaches(id, "completed");
  fleet.provider.setFaults?.([]);
  await sweep(id);
  expect(await isPacked(id)).toBe(false);
});

test("nothing is packed while a process of an earlier release might look for it where it was", async () => {
  const id = await written("tides");
  const { redis: client, keys } = fleet.store;
  await client.sadd(keys.processes, "earlier");
  await client.hset(keys.process("earlier"), "layout", "2");
  await sweep(id);
  expect(await isPacked(id)).toBe(false);
  await client.srem(keys.processes, "earlier");
  await sweep(id);
  expect(await isPacked(id)).toBe(true);
});
