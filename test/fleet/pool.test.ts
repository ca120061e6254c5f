/**
 * A pool of real worker processes. Its times are short here, so that minutes of quiet pass in seconds; the workers' own
 * are as in life.
 */
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { startReplica } from "../../src/cli/start-replica.ts";
import { environmentWith } from "../../src/config.ts";
import type { PoolSettings } from "../../src/domain/warm-pool.ts";
import { SIMULATED_MODELS } from "../../src/llm/prices.ts";
import { registryOf } from "../../src/report-types/registry.ts";
import { startSimulatedProvider, startTestFleet, waitFor } from "../../src/testing.ts";
import { Pool, type PoolEvent } from "../../src/workers/pool.ts";
import { startCommand } from "../support/command-line.ts";
import { duplicatesIn } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import * as types from "../support/report-types/index.ts";

const TYPES = fileURLToPath(new URL("../support/report-types/index.ts", import.meta.url));
const CRASHES = fileURLToPath(new URL("../support/crashes-at-once.ts", import.meta.url));
const BIN = fileURLToPath(new URL("../../bin/report-fleet.js", import.meta.url));

type Told<Name extends PoolEvent["event"]> = Extract<PoolEvent, { event: Name }>;

/** An orchestrator in this process, a provider, and what a pool beside them needs to be started with. */
async function aFleet(callMs: number) {
  const fleet = uniqueFleet("pool");
  const provider = await startSimulatedProvider({
    latency: { firstByteMs: [callMs, callMs], perTokenMs: 0 },
  });
  onTestFinished(() => provider.close());
  const desk = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet,
    types: Object.values(types),
    roles: ["orchestrator"],
    provider,
    // A dead worker's work must be handed on by the pool and not by this sweeper.
    durations: { sweepMs: 600_000 },
  });
  onTestFinished(() => desk.stop());
  await desk.grant("acme", 10_000);
  const env = {
    REDIS_URL: testRedisUrl(),
    FLEET: fleet,
    REPORT_TYPES: TYPES,
    ACCEPT_LOSS: "restart",
    LOG_LEVEL: "warn",
    PORT: "0",
    OPENAI_BASE_URL: provider.url,
    OPENAI_API_KEY: "simulated",
    OPENAI_MODEL: SIMULATED_MODELS[0] ?? "",
  };
  return {
    desk,
    provider,
    env,
    fleet,
    order: (count: number, type = "stepped") =>
      Promise.all(
        Array.from({ length: count }, (_, n) =>
          desk.submit({ account: "acme", type, source: { topic: `tide ${Math.random()} ${n}` } }),
        ),
      ),
  };
}

type AFleet = Awaited<ReturnType<typeof aFleet>>;

function aPool({ env, fleet }: AFleet, settings: Partial<PoolSettings>, program = BIN) {
  const told: PoolEvent[] = [];
  const chosen: PoolSettings = {
    replicas: { least: 1, most: 3 },
    concurrency: 2,
    scaledownTtlMs: 1_500,
    idleTtlMs: 600_000,
    ...settings,
  };
  const pool = new Pool({
    redisUrl: testRedisUrl(),
    fleet,
    types: registryOf(Object.values(types)),
    settings: chosen,
    durations: { lookMs: 100, drainMs: 20_000, firstMs: 100, longestMs: 400, steadyMs: 60_000 },
    startReplica: () => startReplica({ program, concurrency: chosen.concurrency, env: environmentWith(env) }),
    tell: (event) => told.push(event),
  });
  onTestFinished(() => pool.stop());
  pool.start();
  const all = <Name extends PoolEvent["event"]>(name: Name) =>
    told.filter((event): event is Told<Name> => event.event === name);
  return {
    pool,
    told,
    all,
    /** Waits until the pool has told something of this kind so often. */
    tells: <Name extends PoolEvent["event"]>(name: Name, times = 1) =>
      waitFor(
        async () => all(name)[times - 1],
        () => `the pool told ${JSON.stringify(told)}, and not ${times} × ${name}`,
      ),
  };
}

test("a burst brings replicas at once, a lull drains what it does not need, silence ends all, and an order wakes them", async () => {
  const fleet = await aFleet(300);
  const { desk, provider, order } = fleet;
  const pool = aPool(fleet, { idleTtlMs: 6_000 });
  expect(await pool.tells("pool.resized")).toMatchObject({ from: 0, to: 1 });

  const burst = await order(6);
  await waitFor(
    async () => pool.all("pool.resized").some(({ to }) => to === 3),
    () => "it does not grow",
  );
  for (const id of burst) await desk.delivered(id);
  await pool.tells("replica.drained", 2);
  expect(pool.all("pool.resized").at(-1)).toMatchObject({ to: 1 });
  await pool.tells("pool.idle");
  await pool.tells("replica.drained", 3);

  const [late] = await order(1);
  if (late === undefined) throw new Error("nothing was ordered");
  await desk.delivered(late);
  expect(pool.all("pool.resized").at(-1)).toMatchObject({ from: 0, to: 1 });
  expect(pool.all("replica.crashed")).toEqual([]);
  expect(duplicatesIn(provider.ledger())).toBe(0);
});

test("what a killed replica had in hand is handed on at once by the pool, and the replica is started again", async () => {
  const fleet = await aFleet(400);
  const { desk, provider, order } = fleet;
  const pool = aPool(fleet, { replicas: { least: 2, most: 2 } });
  await pool.tells("replica.started", 2);
  const ids = await order(4);
  const [victim] = pool.all("replica.started");
  if (victim === undefined) throw new Error("no replica");
  await waitFor(
    async () => (await desk.store.redis.hlen(desk.store.keys.inHand(victim.process))) > 0,
    () => "it has nothing in hand",
  );
  process.kill(victim.pid, "SIGKILL");
  const killedAt = performance.now();
  expect(await pool.tells("replica.crashed")).toMatchObject({
    pid: victim.pid,
    signal: "SIGKILL",
    crashes: 1,
  });
  const handed = await pool.tells("work.handed_on");
  expect(handed).toMatchObject({ process: victim.process });
  expect(handed.sections).toBeGreaterThan(0);
  for (const id of ids) await desk.delivered(id);
  // Silence alone would be noticed after fifteen seconds, BullMQ's lock after sixty; and nobody sweeps here.
  expect(performance.now() - killedAt).toBeLessThan(12_000);
  expect(duplicatesIn(provider.ledger())).toBeLessThanOrEqual(handed.sections);
  await pool.tells("replica.started", 3);
});

test("replicas that cannot start are tried again later each time, and the pool ends when it is told to", async () => {
  const fleet = await aFleet(1);
  const pool = aPool(fleet, {}, CRASHES);
  await pool.tells("replica.crashed", 4);
  expect(pool.all("replica.crashed").map(({ code, restartInMs }) => [code, restartInMs])).toEqual(
    [100, 200, 400, 400].map((pauseMs) => [2, pauseMs]),
  );
  await pool.pool.stop();
  expect(pool.told.at(-1)).toEqual({ event: "pool.ended" });
});

/** The command an operator starts, for what only it can show: signals, and its own death. */
async function startPoolCommand({ desk, env, order }: AFleet) {
  const command = startCommand(["pool", "--replicas", "1", "--concurrency", "2", "--json"], { env });
  onTestFinished(async () => {
    command.child.kill("SIGKILL");
    await command.finished;
  });
  const [id] = await order(1);
  if (id === undefined) throw new Error("nothing was ordered");
  await waitFor(
    async () => (await desk.events(id)).some(({ event }) => event === "call.begun"),
    () => "nothing is asked",
  );
  return { ...command, id };
}

test("a pool that is told to stop lets the call in flight answer, hands the section on, and ends when all are gone", async () => {
  const fleet = await aFleet(700);
  const pool = await startPoolCommand(fleet);
  pool.child.kill("SIGTERM");
  const ended = await pool.finished;
  expect(ended.code).toBe(0);
  const told = ended.stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as PoolEvent).event);
  expect(told.slice(-4)).toEqual(["pool.draining", "replica.draining", "replica.drained", "pool.ended"]);
  // The draft was in flight: it is answered and kept. The polish was never begun.
  expect(fleet.provider.ledger().map(({ marker }) => marker)).toEqual(["stepped/body/draft"]);
  expect((await fleet.desk.sections(pool.id))[0]).toMatchObject({
    status: "pending",
    attempts: { crash: 0 },
  });
});

test("the replicas of a pool that is killed hand their work on and end by themselves", async () => {
  const fleet = await aFleet(700);
  const { desk } = fleet;
  const pool = await startPoolCommand(fleet);
  const [replica] = (await desk.store.redis.smembers(desk.store.keys.processes)).filter(
    (id) => id !== desk.fleet.processId,
  );
  pool.child.kill("SIGKILL");
  await waitFor(
    async () => !(await desk.store.redis.sismember(desk.store.keys.processes, replica ?? "")),
    () => `${replica} is still there`,
  );
  expect(fleet.provider.ledger().map(({ marker, outcome }) => [marker, outcome])).toEqual([
    ["stepped/body/draft", "answered"],
  ]);
  expect((await desk.sections(pool.id))[0]).toMatchObject({ status: "pending", attempts: { crash: 0 } });
});
