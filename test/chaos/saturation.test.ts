/** A machine too busy to answer in time must not look like a dead one: nobody is given up, nothing is paid twice. */
import { Worker } from "node:worker_threads";
import { availableParallelism } from "node:os";
import { afterEach, expect, test } from "vitest";
import type { ReportId } from "../../src/domain/ids.ts";
import { startSimulatedProvider, startTestFleet, waitFor } from "../../src/testing.ts";
import { startFleetProcess } from "../support/fleet-process.ts";
import { duplicatesIn } from "../support/ledger.ts";
import { startPrivateRedis, uniqueFleet } from "../support/redis.ts";
import * as types from "../support/report-types/index.ts";

const SATURATED_MS = 60_000;

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).toReversed()) await close();
});

/** Keeps every core busy until it is ended; two threads a core, so that nobody is left alone on one. */
function saturate(): () => Promise<unknown> {
  const busy = "for (;;) Math.sqrt(Math.random());";
  const threads = Array.from({ length: availableParallelism() * 2 }, () => new Worker(busy, { eval: true }));
  return () => Promise.all(threads.map((thread) => thread.terminate()));
}

test("all cores saturated for a minute: no worker is given up and no call is paid twice", async () => {
  const redis = await startPrivateRedis({ aof: true });
  cleanUp.push(() => redis.stop());
  const provider = await startSimulatedProvider({ latency: { firstByteMs: [200, 400], perTokenMs: 0 } });
  cleanUp.push(() => provider.close());
  const fleet = uniqueFleet("saturated");
  const desk = await startTestFleet({
    redisUrl: redis.url,
    fleet,
    types: Object.values(types),
    roles: ["orchestrator"],
    provider,
  });
  cleanUp.push(() => desk.stop());
  await desk.grant("acme", 100_000);
  for (let n = 0; n < 2; n++) {
    const worker = await startFleetProcess({
      redisUrl: redis.url,
      fleet,
      roles: "worker",
      providerUrl: provider.url,
    });
    cleanUp.push(() => worker.kill("SIGKILL"));
  }

  const relieve = saturate();
  cleanUp.push(relieve);
  const startedAt = performance.now();
  const ids: ReportId[] = [];
  for (let n = 0; performance.now() - startedAt < SATURATED_MS; n++) {
    const id = await desk.submit({
      account: "acme",
      type: n % 2 === 0 ? "chained" : "stepped",
      source: { topic: `tide ${n}` },
    });
    ids.push(id);
    // One after the other, so that there is work in every second of the minute.
    await waitFor(
      async () => (await desk.read(id)).report.status === "completed",
      () => `${id} is not completed`,
      120_000,
    );
  }
  await relieve();

  expect(ids.length).toBeGreaterThan(3);
  expect(duplicatesIn(provider.ledger())).toBe(0);
  for (const id of ids)
    for (const section of await desk.sections(id))
      expect(section).toMatchObject({ attempts: { crash: 0, transient: 0 } });
});
