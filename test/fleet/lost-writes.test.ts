/**
 * The store goes back in time under a living worker: a power cut takes the last second of the append-only file, or a
 * replica takes over without the newest writes. The worker is done with what the store believes to be in its hands.
 */
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { Durations } from "../../src/config/durations.ts";
import { startTestFleet, waitFor } from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { startPrivateRedis } from "../support/redis.ts";
import { aSteppedType } from "../support/report-types/index.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const NEVER_MS = 600_000;

test.for<{ when: string; durations: Partial<Durations> }>([
  { when: "once its worker notices", durations: {} },
  {
    when: "by a worker that gets it again before it notices",
    durations: { heartbeatMs: NEVER_MS, suspectAfterMs: NEVER_MS, lockMs: 1_000, stalledMs: 500 },
  },
])("a section whose end the store has lost is written again $when", async ({ durations }) => {
  const server = await startPrivateRedis({ aof: true });
  closing.push(() => server.stop());
  const fleet = await startTestFleet({
    redisUrl: server.url,
    types: [aSteppedType],
    faults: [{ match: { first: 1 }, fault: { kind: "slow_drip", everyMs: 100, chunks: 10 } }],
    durations,
  });
  closing.push(() => fleet.stop());
  const file = await appendOnlyFile((await fleet.store.redis.config("GET", "dir"))[1] ?? "");
  await fleet.grant("acme", 5);
  const id = await fleet.submit({ account: "acme", type: "stepped", source: { topic: "tides" } });
  await waitFor(
    async () => (await fleet.events(id)).some(({ event }) => event === "call.begun"),
    () => "its first call is not begun",
  );
  const kept = statSync(file).size;
  await fleet.delivered(id);
  const before = fleet.ledger().length;

  await server.kill("SIGKILL");
  truncateSync(file, kept);
  await server.restart();
  await fleet.reaches(id, "running");
  await fleet.delivered(id);
  // What was lost is paid again, and nothing else: two calls.
  expect(fleet.ledger().length - before).toBeLessThanOrEqual(2);
  expect((await fleet.sections(id))[0]?.attempts).toEqual({ transient: 0, repair: 0, crash: 0 });
  expect(await checkBooks(fleet.store)).toEqual([]);
});

async function appendOnlyFile(dir: string): Promise<string> {
  const folder = join(dir, "appendonlydir");
  const name = await waitFor(
    async () => readdirSync(folder).find((one) => one.endsWith(".incr.aof")),
    () => "Redis has no append-only file",
  );
  return join(folder, name);
}
