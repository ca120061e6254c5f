import { afterAll, beforeAll, expect, test } from "vitest";
import { grantCredits } from "../../src/store/credits.ts";
import { readEvents } from "../../src/store/read-events.ts";
import { sweepWakeups, type Turn } from "../../src/store/sweep-wakeups.ts";
import { admitOrder, aReportId, openTestStore, parkOrder } from "../support/store-for-tests.ts";

const store = openTestStore("wakeups");
beforeAll(() => grantCredits(store, { account: "acme", credits: 1_000, reference: "start" }));
afterAll(() => store.close());

async function anOrder() {
  const id = aReportId();
  await admitOrder(store, { id, account: "acme", credits: 1 });
  return id;
}

async function aParked() {
  const id = await anOrder();
  await parkOrder(store, id);
  return id;
}

test("a report that nothing would wake, or whose review nothing would end, is found among many and watched again", async () => {
  const { redis, keys } = store;
  for (let nth = 0; nth < 250; nth++) await anOrder();
  const [lost, parked] = [await anOrder(), await aParked()];
  await Promise.all([anOrder(), aParked()]);
  const turn: Turn = new Map();
  expect(await sweepWakeups(store, turn, 60_000)).toEqual([]);
  await redis.zrem(keys.wakeups, lost);
  await redis.zrem(keys.reviewDeadlines, parked);
  const found = [];
  for (let round = 0; round < 2; round++) found.push(...(await sweepWakeups(store, turn, 60_000)));
  expect(found.toSorted()).toEqual([lost, parked].toSorted());
  expect(await sweepWakeups(store, new Map(), 60_000)).toEqual([]);

  const due = Number(await redis.zscore(keys.wakeups, lost));
  expect(due).toBeLessThanOrEqual(Date.now() + 5_000);
  expect(Number(await redis.zscore(keys.reviewDeadlines, parked))).toBeGreaterThan(due + 30_000);
  const events = (await readEvents(store, lost, "0")).map(({ event }) => event);
  expect(events).toContainEqual(expect.objectContaining({ event: "repaired", report: lost }));
});

test("a report that ends or is parked while it is looked at is not watched anew", async () => {
  const { redis, keys } = store;
  const parked = await aParked();
  // As an index that lags behind would show it.
  await redis.zadd(keys.indexStatus("running"), 0, parked);
  expect(await sweepWakeups(store, new Map(), 60_000)).toEqual([]);
  expect(await redis.zscore(keys.wakeups, parked)).toBeNull();
});
