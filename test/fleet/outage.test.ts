/**
 * A provider that is away for ten minutes, told at one clock: every duration of the fleet is divided by the same sixty, so
 * its ten minutes are ten seconds here.
 */
import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { readBreaker } from "../../src/store/read-breakers.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { duplicatesIn } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const SCALE = 1 / 60;
const OUTAGE_MS = 10 * 60_000 * SCALE;

let fleet: TestFleet | null = null;
afterEach(async () => {
  await fleet?.stop();
});

test("a provider that is away for ten minutes in the middle of the work costs no attempt and no token, and a few requests", async () => {
  const running = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("outage"),
    types: [aTopicType],
    durations: loadConfig({ TIME_SCALE: String(SCALE) }).durations,
    // Several are always on their way, so the outage begins between the beginning and the answer of some.
    latency: { firstByteMs: [20, 80], perTokenMs: 0 },
  });
  fleet = running;
  await running.grant("acme", 1_000);
  const order = (topic: string) => running.submit({ account: "acme", type: "topic", source: { topic } });
  const billed = () => running.ledger().filter((row) => row.billed).length;

  const ids = await Promise.all(Array.from({ length: 20 }, (_, n) => order(`tide ${n}`)));
  await waitFor(
    async () => billed() >= 10,
    () => "nothing is written",
  );
  running.provider.setFaults?.([
    { match: { every: 2 }, fault: { kind: "server_error", status: 529 } },
    { fault: { kind: "server_error", status: 503 } },
  ]);
  const began = Date.now();
  ids.push(...(await Promise.all(Array.from({ length: 20 }, (_, n) => order(`ebb ${n}`)))));
  await waitFor(
    async () => Date.now() - began >= OUTAGE_MS,
    () => "the clock stands still",
  );
  const during = running.ledger().filter(({ at }) => at >= began);
  const paid = during.filter((row) => row.billed);
  running.provider.setFaults?.([]);
  for (const id of ids) await running.delivered(id);
  // One call at a time tried, once a minute in the end, though eighty sections had something to ask.
  expect(during.length).toBeGreaterThan(10);
  expect(during.length).toBeLessThan(45);
  expect(during.filter(({ at }) => at >= began + OUTAGE_MS / 2).length).toBeLessThanOrEqual(12);
  expect(paid).toEqual([]);
  let attempts = 0;
  for (const id of ids)
    for (const { attempts: of } of await running.sections(id))
      attempts += of.transient + of.repair + of.crash;
  expect(attempts).toBe(0);
  expect(duplicatesIn(running.ledger())).toBe(0);
  expect(billed()).toBe(80);
  expect((await readBreaker(running.store, "topic")).breaker.state).toBe("closed");
  expect(await running.balance("acme")).toMatchObject({ held: 0, committed: 200 });
  expect(await checkBooks(running.store, running.ledger())).toEqual([]);
});
