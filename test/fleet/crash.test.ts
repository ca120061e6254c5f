/**
 * Real processes, really killed. Calls take a while here so that a kill meets some of them in flight; the simulated
 * provider's ledger says what was paid, whatever our own books say.
 */
import { afterEach, expect, test } from "vitest";
import type { ReportId } from "../../src/domain/ids.ts";
import {
  startSimulatedProvider,
  startTestFleet,
  waitFor,
  type SimulatedProvider,
  type TestFleet,
} from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { startFleetProcess, type FleetProcess } from "../support/fleet-process.ts";
import { billedByMark, billedMicros, duplicatesIn } from "../support/ledger.ts";
import { startPrivateRedis, testRedisUrl, uniqueFleet } from "../support/redis.ts";
import * as types from "../support/report-types/index.ts";

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).toReversed()) await close();
});

interface Scene {
  /** In this process: orchestrator only, so that killing a worker process kills no witness. */
  desk: TestFleet;
  provider: SimulatedProvider;
  startWorker: (settings?: {
    timeScale?: number;
    concurrency?: number;
    roles?: string;
  }) => Promise<FleetProcess>;
  order: (type: string, topic: string) => Promise<ReportId>;
}

async function aScene(settings: {
  redisUrl?: string;
  callMs: number;
  suspectAfterMs?: number;
}): Promise<Scene> {
  const fleet = uniqueFleet("crash");
  const redisUrl = settings.redisUrl ?? testRedisUrl();
  const provider = await startSimulatedProvider({
    latency: { firstByteMs: [settings.callMs, settings.callMs], perTokenMs: 0 },
  });
  cleanUp.push(() => provider.close());
  const durations = settings.suspectAfterMs === undefined ? {} : { suspectAfterMs: settings.suspectAfterMs };
  const desk = await startTestFleet({
    redisUrl,
    fleet,
    types: Object.values(types),
    roles: ["orchestrator"],
    provider,
    durations,
  });
  cleanUp.push(() => desk.stop());
  await desk.grant("acme", 10_000);
  return {
    desk,
    provider,
    async startWorker({ timeScale = 1, concurrency = 4, roles = "worker" } = {}) {
      const worker = await startFleetProcess({
        redisUrl,
        fleet,
        roles,
        providerUrl: provider.url,
        timeScale,
        concurrency,
      });
      cleanUp.push(() => worker.kill("SIGKILL"));
      return worker;
    },
    order: (type, topic) => desk.submit({ account: "acme", type, source: { topic } }),
  };
}

test("a worker killed mid-report pays again only for the call in flight, and the next one finishes the report", async () => {
  const { desk, provider, startWorker, order } = await aScene({ callMs: 400 });
  const worker = await startWorker();
  const id = await order("chained", "tides");
  // The outline is paid and kept; the body is being asked for right now.
  await waitFor(
    async () =>
      (await desk.events(id)).some((event) => event.event === "call.begun" && event.section === "body"),
    () => "the body is not asked for",
  );
  await worker.kill("SIGKILL");
  await startWorker();
  await desk.delivered(id);

  const billed = billedByMark(provider.ledger());
  expect(billed["chained/outline/write"]).toBe(1);
  expect(billed["chained/summary/write"]).toBe(1);
  expect(billed["chained/body/write"]).toBeLessThanOrEqual(2);
  expect(await desk.balance("acme")).toMatchObject({ held: 0, committed: 5 });
  const [body] = (await desk.sections(id)).filter(({ key }) => key === "body");
  expect(body?.attempts.crash).toBe(1);
});

test("what a killed worker may have cost stands in the books as unknown, at the upper estimate", async () => {
  const { desk, provider, startWorker, order } = await aScene({ callMs: 400 });
  const worker = await startWorker();
  const id = await order("stepped", "tides");
  await waitFor(
    async () => (await desk.events(id)).some((event) => event.event === "call.begun"),
    () => "nothing is asked",
  );
  await worker.kill("SIGKILL");
  await startWorker();
  await desk.delivered(id);

  const spend = await desk.spend(id);
  const billed = billedMicros(provider.ledger());
  expect(spend.unknown).toBeGreaterThan(0);
  expect(spend.useful).toBeLessThanOrEqual(billed);
  expect(billed - spend.useful).toBeLessThanOrEqual(spend.unknown);
  expect(await checkBooks(desk.store, provider.ledger())).toEqual([]);
});

test("the work of a killed worker is handed on at once, not after a stall check", async () => {
  const { desk, startWorker, order } = await aScene({ callMs: 300 });
  const worker = await startWorker();
  await startWorker();
  const ids = await Promise.all(Array.from({ length: 6 }, (_, n) => order("stepped", `tide ${n}`)));
  await waitFor(
    async () => (await desk.store.redis.hlen(desk.store.keys.inHand(worker.processId))) > 0,
    () => "the worker has nothing in hand",
  );
  await worker.kill("SIGKILL");
  const killedAt = performance.now();
  for (const id of ids) await desk.delivered(id);
  // A stall check alone would take the 60 s of the job's lock.
  expect(performance.now() - killedAt).toBeLessThan(20_000);
});

test("a worker that stops answering is given up after its silence, and cannot overwrite anything when it wakes", async () => {
  const { desk, startWorker, order } = await aScene({ callMs: 300, suspectAfterMs: 2_000 });
  const sleeper = await startWorker();
  const id = await order("chained", "tides");
  await waitFor(
    async () =>
      (await desk.events(id)).some((event) => event.event === "call.begun" && event.section === "body"),
    () => "the body is not asked for",
  );
  sleeper.child.kill("SIGSTOP");
  const other = await startWorker();
  await desk.delivered(id);
  const before = await desk.store.redis.hgetall(desk.store.keys.section(id, "body"));
  const eventsBefore = (await desk.events(id)).length;

  sleeper.child.kill("SIGCONT");
  // Its late answer is booked; nothing else may change.
  await waitFor(
    async () => (await desk.store.redis.exists(desk.store.keys.process(sleeper.processId))) === 1,
    () => "the sleeper does not wake up",
  );
  await sleeper.kill("SIGTERM");
  await other.kill("SIGTERM");
  const after = await desk.store.redis.hgetall(desk.store.keys.section(id, "body"));
  expect(after).toEqual(before);
  expect(
    (await desk.events(id))
      .slice(eventsBefore)
      .every(({ event }) => event === "call.answered" || event === "call.unanswered"),
  ).toBe(true);
  expect(await desk.balance("acme")).toMatchObject({ held: 0, committed: 5 });
});

test("a worker told to stop starts no new call, lets the one in flight answer, and hands its section on unpaid twice", async () => {
  const { desk, provider, startWorker, order } = await aScene({ callMs: 600 });
  const worker = await startWorker();
  const id = await order("stepped", "tides");
  await waitFor(
    async () => (await desk.events(id)).some((event) => event.event === "call.begun"),
    () => "nothing is asked",
  );
  await worker.kill("SIGTERM");
  expect((await worker.finished).code).toBe(0);
  // The draft was in flight: it is answered and kept. The polish was never begun.
  expect(billedByMark(provider.ledger())).toEqual({ "stepped/body/draft": 1 });
  expect((await desk.sections(id))[0]).toMatchObject({
    status: "pending",
    attempts: { transient: 0, crash: 0, repair: 0 },
  });

  await startWorker();
  await desk.delivered(id);
  expect(billedByMark(provider.ledger())).toEqual({ "stepped/body/draft": 1, "stepped/body/polish": 1 });
});

test("an operator who asks twice ends a process that waits for a Redis that does not come back", async () => {
  const redis = await startPrivateRedis({ aof: false });
  cleanUp.push(() => redis.stop());
  const process = await startFleetProcess({
    redisUrl: redis.url,
    fleet: uniqueFleet("crash"),
    roles: "orchestrator",
  });
  cleanUp.push(() => process.kill("SIGKILL"));
  await redis.kill("SIGSTOP");
  cleanUp.push(() => redis.kill("SIGCONT"));
  process.child.kill("SIGTERM");
  // Later than a terminal's Ctrl-C that comes twice, and sooner than it ends without Redis by itself.
  const askedAt = performance.now();
  await waitFor(
    async () => performance.now() - askedAt > 1_500,
    () => "time does not pass",
  );
  expect(process.child.exitCode).toBeNull();
  process.child.kill("SIGINT");
  expect(await process.finished).toMatchObject({ code: 130 });
});

test("a rolling restart of all workers under load pays nothing twice", async () => {
  const { desk, provider, startWorker, order } = await aScene({ callMs: 250 });
  let workers = [await startWorker({ concurrency: 2 }), await startWorker({ concurrency: 2 })];
  const ids: ReportId[] = [];
  for (let restarts = 0; restarts < 2; restarts++) {
    const next = [await startWorker({ concurrency: 2 }), await startWorker({ concurrency: 2 })];
    const before = provider.ledger().length;
    for (let n = 0; n < 12; n++) ids.push(await order("stepped", `tide ${restarts} ${n}`));
    await waitFor(
      async () => provider.ledger().length >= before + 2,
      () => "no calls are made",
    );
    await Promise.all(workers.map((worker) => worker.kill("SIGTERM")));
    workers = next;
  }
  for (const id of ids) await desk.delivered(id);
  expect(duplicatesIn(provider.ledger())).toBe(0);
  expect(provider.ledger()).toHaveLength(2 * ids.length);
});

test("Redis killed and started again mid-report loses nothing and pays nothing twice", async () => {
  const redis = await startPrivateRedis({ aof: true });
  cleanUp.push(() => redis.stop());
  const { desk, provider, startWorker, order } = await aScene({ redisUrl: redis.url, callMs: 300 });
  await startWorker();
  const ids = await Promise.all(Array.from({ length: 4 }, (_, n) => order("chained", `tide ${n}`)));
  await waitFor(
    async () => provider.ledger().length >= 3,
    () => "no calls are made",
  );
  await redis.kill("SIGKILL");
  await redis.restart();
  for (const id of ids) await desk.delivered(id);
  expect(duplicatesIn(provider.ledger())).toBe(0);
  expect(await desk.balance("acme")).toMatchObject({ held: 0, committed: 20 });
});

test("Redis frozen for 20 seconds kills no worker and pays nothing twice", async () => {
  const redis = await startPrivateRedis({ aof: true });
  cleanUp.push(() => redis.stop());
  const { desk, provider, startWorker, order } = await aScene({ redisUrl: redis.url, callMs: 300 });
  const worker = await startWorker();
  const ids = await Promise.all(Array.from({ length: 4 }, (_, n) => order("chained", `tide ${n}`)));
  await waitFor(
    async () => provider.ledger().length >= 3,
    () => "no calls are made",
  );
  await redis.kill("SIGSTOP");
  const frozenAt = performance.now();
  await waitFor(
    async () => performance.now() - frozenAt > 20_000,
    () => "time does not pass",
  );
  await redis.kill("SIGCONT");
  for (const id of ids) await desk.delivered(id);
  expect(duplicatesIn(provider.ledger())).toBe(0);
  expect(worker.child.exitCode).toBeNull();
  for (const id of ids)
    for (const section of await desk.sections(id))
      expect(section.attempts).toEqual({ transient: 0, repair: 0, crash: 0 });
}, 120_000);

test("three worker processes write fifty reports, each section once, and the books balance", async () => {
  const { desk, provider, startWorker, order } = await aScene({ callMs: 20 });
  await Promise.all([startWorker(), startWorker({ roles: "orchestrator,worker" }), startWorker()]);
  const kinds = ["topic", "chained", "planned", "stepped"] as const;
  const ids = await Promise.all(
    Array.from({ length: 50 }, (_, n) => order(kinds[n % kinds.length] ?? "topic", `harbour ${n}`)),
  );
  for (const id of ids) await desk.delivered(id);
  expect(duplicatesIn(provider.ledger())).toBe(0);
  let spent = 0;
  for (const id of ids) {
    spent += (await desk.spend(id)).total;
    for (const section of await desk.sections(id))
      expect(section).toMatchObject({ status: "completed", fence: 1 });
  }
  expect(spent).toBe(billedMicros(provider.ledger()));
  expect(await checkBooks(desk.store, provider.ledger())).toEqual([]);
  expect(await desk.balance("acme")).toEqual({
    account: "acme",
    available: 9_750,
    held: 0,
    committed: 250,
    deposits: 10_000,
  });
});
