import { afterAll, beforeAll, expect, test } from "vitest";
import { grantCredits } from "../../src/store/credits.ts";
import { LedgerWalk } from "../../src/store/ledger-walk.ts";
import { openTestStore } from "../support/store-for-tests.ts";

let store: ReturnType<typeof openTestStore>;
beforeAll(() => {
  store = openTestStore("ledger-walk");
});
afterAll(() => store.close());

async function grants(account: string, many: number): Promise<void> {
  for (let n = 0; n < many; n++)
    await grantCredits(store, { account, credits: 1, reference: `${account}-${n}-${Math.random()}` });
}

test("every account is folded in bounded steps, however many rows one has, and only new rows are read again", async () => {
  await grants("large", 2_300);
  for (let n = 0; n < 150; n++) await grants(`small-${n}`, 1);
  const walk = new LedgerWalk();
  let steps = 1;
  while ((await walk.step(store)).ageMs === null) steps += 1;
  expect(steps).toBeGreaterThan(1);
  expect(await walk.step(store)).toMatchObject({ credits: 0 });

  await grants("large", 3);
  await store.redis.hincrby(store.keys.account("small-7"), "held", 2);
  await store.redis.hincrby(store.keys.account("small-9"), "available", -1);
  expect(await walk.step(store)).toMatchObject({ credits: 3 });
  await store.redis.hincrby(store.keys.account("small-7"), "held", -2);
  await store.redis.hincrby(store.keys.account("small-9"), "available", 1);
  expect(await walk.step(store)).toMatchObject({ credits: 0 });
});

test("a fleet without accounts has no drift, and its walk is over at once", async () => {
  const empty = openTestStore("ledger-walk-empty");
  const walk = new LedgerWalk();
  await walk.step(empty);
  const { credits, ageMs } = await walk.step(empty);
  empty.close();
  expect(credits).toBe(0);
  expect(ageMs).not.toBeNull();
});
