/** What one worker learns about a provider, all obey: limits, waits, outages, stops. */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  startSimulatedProvider,
  startTestFleet,
  waitFor,
  type TestFleet,
  type TestFleetSettings,
} from "../../src/testing.ts";
import { listRoutes, openRoute } from "../../src/store/routes.ts";
import { startSpending, stopSpending } from "../../src/store/spending.ts";
import { startFleetProcess } from "../support/fleet-process.ts";
import { billedByMark, billedMicros, duplicatesIn } from "../support/ledger.ts";
import { startPrivateRedis, testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType, aSteppedType, aTopicType } from "../support/report-types/index.ts";

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).toReversed()) await close();
});

async function aFleet(settings: Partial<TestFleetSettings> = {}): Promise<TestFleet> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("gate"),
    types: [aTopicType, aChainedType, aSteppedType],
    ...settings,
  });
  cleanUp.push(() => fleet.stop());
  await fleet.grant("acme", 1_000);
  return fleet;
}

function order(type: string, topic = "lighthouses") {
  return { account: "acme", type, source: { topic } };
}

async function attemptsOf(fleet: TestFleet, ids: readonly `rp-${string}`[]): Promise<number> {
  let attempts = 0;
  for (const id of ids)
    for (const section of await fleet.sections(id)) attempts += section.attempts.transient;
  return attempts;
}

test("an outage costs no attempt and no token, and hardly any requests, however many reports wait", async () => {
  const fleet = await aFleet({ faults: [{ fault: { kind: "server_error", status: 503 } }] });
  const ids = await Promise.all(
    Array.from({ length: 20 }, (_, n) => fleet.submit(order("topic", `tide ${n}`))),
  );
  await waitFor(
    async () => fleet.ledger().length > 12,
    () => "nobody asks",
  );
  // One at a time tries: forty sections wait, and the provider is spared.
  const during = fleet.ledger().length;
  expect(during).toBeLessThan(40);
  fleet.provider.setFaults?.([]);
  for (const id of ids) await fleet.delivered(id);
  expect(await attemptsOf(fleet, ids)).toBe(0);
  expect(duplicatesIn(fleet.ledger())).toBe(0);
  expect(fleet.ledger().filter(({ billed }) => billed)).toHaveLength(40);
});

test("a provider that takes requests and never answers is tried by one call at a time, and only those spend an attempt", async () => {
  const fleet = await aFleet({
    faults: [{ fault: { kind: "hang" } }],
    concurrency: 4,
    durations: { callIdleMs: 150 },
  });
  const ids = await Promise.all(
    Array.from({ length: 10 }, (_, n) => fleet.submit(order("topic", `tide ${n}`))),
  );
  await waitFor(
    async () => fleet.ledger().length >= 8,
    () => "nobody asks",
  );
  const hung = fleet.ledger();
  for (let nth = 5; nth < hung.length; nth++)
    expect((hung[nth]?.at ?? 0) - (hung[nth - 1]?.at ?? 0)).toBeGreaterThanOrEqual(140);
  fleet.provider.setFaults?.([]);
  for (const id of ids) await fleet.delivered(id);
  // What may have been billed is on the books, and counts.
  expect(await attemptsOf(fleet, ids)).toBe(fleet.ledger().length - 20);
});

test("after one worker is told to wait, no worker sends to that route earlier than told", async () => {
  const provider = await startSimulatedProvider({
    latency: "none",
    faults: [{ match: { first: 1 }, fault: { kind: "rate_limit", seconds: 2 } }],
  });
  cleanUp.push(() => provider.close());
  const name = uniqueFleet("gate");
  const first = await aFleet({ fleet: name, provider });
  await aFleet({ fleet: name, provider, roles: ["worker"] });
  const ids = await Promise.all(
    Array.from({ length: 6 }, (_, n) => first.submit(order("chained", `tide ${n}`))),
  );
  for (const id of ids) await first.delivered(id);
  const limited = provider.ledger().find(({ outcome }) => outcome === "rate_limit");
  const early = provider
    .ledger()
    // What had begun before the refusal was known is on its way, for a moment that depends on the machine.
    .filter(({ at }) => at > (limited?.at ?? 0) + 600 && at < (limited?.at ?? 0) + 2_000);
  expect(early).toEqual([]);
  expect(await attemptsOf(first, ids)).toBe(0);
});

test("a route's slots bound the requests in flight across all workers", async () => {
  const provider = await startSimulatedProvider({ latency: { firstByteMs: [60, 60], perTokenMs: 0 } });
  cleanUp.push(() => provider.close());
  const name = uniqueFleet("gate");
  const settings = { fleet: name, provider, limits: { concurrency: 2 } };
  const fleet = await aFleet(settings);
  await aFleet({ ...settings, roles: ["worker"] });
  const ids = await Promise.all(
    Array.from({ length: 6 }, (_, n) => fleet.submit(order("topic", `tide ${n}`))),
  );
  for (const id of ids) await fleet.delivered(id);
  const arrivals = provider
    .ledger()
    .map(({ at }) => at)
    .sort((a, b) => a - b);
  // With two slots, the third of any three requests waits for one of the others to end.
  for (let n = 2; n < arrivals.length; n++)
    expect((arrivals[n] ?? 0) - (arrivals[n - 2] ?? 0)).toBeGreaterThanOrEqual(50);
});

test("a wrong key bills nothing and closes the route until a person opens it; reports wait and are delivered then", async () => {
  const fleet = await aFleet({ faults: [{ fault: { kind: "unauthorized" } }] });
  const ids = await Promise.all([fleet.submit(order("topic", "a")), fleet.submit(order("topic", "b"))]);
  const closed = await waitFor(
    async () => (await listRoutes(fleet.store)).find((route) => route.closed !== null),
    () => "the route stays open",
  );
  expect(closed.closed).toMatch(/key/i);
  for (const id of ids) await fleet.reaches(id, "waiting_for_retry");
  expect(fleet.ledger().length).toBeLessThanOrEqual(4);
  expect(fleet.ledger().every(({ billed }) => !billed)).toBe(true);

  fleet.provider.setFaults?.([]);
  await openRoute(fleet.store, closed.route, "ada");
  for (const id of ids) await fleet.delivered(id);
  expect(await attemptsOf(fleet, ids)).toBe(0);
});

test("a worker with a wrong key withdraws while others are answered, and the route stays open for them", async () => {
  const name = uniqueFleet("gate");
  const provider = await startSimulatedProvider({ latency: { firstByteMs: [20, 20], perTokenMs: 0 } });
  cleanUp.push(() => provider.close());
  const good = await aFleet({ fleet: name, provider, concurrency: 1 });
  await good.delivered(await good.submit(order("topic", "first")));

  // Same host and model by name, another key; the provider refuses whatever comes through this door.
  const { createServer } = await import("node:http");
  const refusing = createServer((_, response) => {
    response.writeHead(401, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        error: {
          message: "Incorrect API key provided.",
          type: "invalid_request_error",
          code: "invalid_api_key",
        },
      }),
    );
  });
  await new Promise<void>((resolve) => refusing.listen(0, "127.0.0.1", resolve));
  cleanUp.push(() => new Promise((resolve) => refusing.close(resolve)));
  const port = (refusing.address() as { port: number }).port;
  const bad = await aFleet({
    fleet: name,
    provider: { url: `http://127.0.0.1:${port}/v1` },
    roles: ["worker"],
    concurrency: 8,
  });
  // What the two share is the name of host and model, so the good answers are told under the bad one's name too.
  await good.store.redis.hset(
    good.store.keys.answered,
    `127.0.0.1:${port}/simulated-writer`,
    `${Date.now()} ${good.fleet.processId}`,
  );

  const ids = await Promise.all(
    Array.from({ length: 8 }, (_, n) => good.submit(order("topic", `tide ${n}`))),
  );
  for (const id of ids) await good.delivered(id);
  expect(bad.fleet.withdrawn()).toMatch(/OPENAI_API_KEY/);
  expect((await listRoutes(good.store)).every((route) => route.closed === null)).toBe(true);
  expect(await attemptsOf(good, ids)).toBe(0);
});

test("stop-spending: no call begins anywhere, reports wait, and all are delivered after the start", async () => {
  const fleet = await aFleet({ latency: { firstByteMs: [50, 50], perTokenMs: 0 } });
  await stopSpending(fleet.store, "invoice looks wrong", "ada");
  const id = await fleet.submit(order("chained"));
  await fleet.reaches(id, "waiting_for_retry");
  expect(fleet.ledger()).toEqual([]);
  expect((await fleet.sections(id))[0]).toMatchObject({
    because: "spending is stopped: invoice looks wrong",
  });
  await startSpending(fleet.store, "ada");
  await fleet.delivered(id);
  expect(await attemptsOf(fleet, [id])).toBe(0);
});

test("a daily cap stops its own account before the call that would pass it, and nobody else", async () => {
  const fleet = await aFleet({ caps: { accountPerDay: 5_000 } });
  await fleet.grant("frugal", 100);
  const id = await fleet.submit({ ...order("stepped"), account: "frugal" });
  await fleet.delivered(id);
  const next = await fleet.submit({ ...order("stepped", "mills"), account: "frugal" });
  await waitFor(
    async () => (await fleet.sections(next))[0]?.status === "waiting_for_retry",
    () => "the second report does not wait",
  );
  expect((await fleet.sections(next))[0]).toMatchObject({
    because: "today's spend cap of the account is reached",
  });
  expect(billedMicros(fleet.ledger())).toBeLessThanOrEqual(5_000);
  await fleet.delivered(await fleet.submit(order("stepped", "dunes")));
});

test("a closed route is passed over for the next in the list, and the answer says who wrote it", async () => {
  const second = await startSimulatedProvider({ latency: "none" });
  cleanUp.push(() => second.close());
  const fleet = await aFleet({
    faults: [{ fault: { kind: "model_not_found" } }],
    routes: [{}, { baseUrl: second.url }],
  });
  const id = await fleet.submit(order("topic"));
  await fleet.delivered(id);
  expect(second.ledger()).toHaveLength(2);
  const routes = (await fleet.events(id)).flatMap((event) =>
    event.event === "call.answered" ? [event.route] : [],
  );
  expect(routes.every((route) => route.includes(new URL(second.url).host))).toBe(true);
});

test("a contract failure is never tried on another route", async () => {
  const second = await startSimulatedProvider({ latency: "none" });
  cleanUp.push(() => second.close());
  const fleet = await aFleet({
    faults: [{ fault: { kind: "empty" } }],
    routes: [{}, { baseUrl: second.url }],
  });
  await fleet.reaches(await fleet.submit(order("topic")), "needs_review");
  expect(second.ledger()).toEqual([]);
});

test("a truncated text is continued once, and the joined text is delivered", async () => {
  const fleet = await aFleet({
    faults: [{ match: { contains: "stepped/body/draft", first: 1 }, fault: { kind: "truncated" } }],
  });
  const id = await fleet.submit(order("stepped"));
  await fleet.delivered(id);
  expect(billedByMark(fleet.ledger())["stepped/body/draft"]).toBe(2);
  const rungs = (await fleet.events(id)).flatMap((event) =>
    event.event === "call.begun" && event.rung ? [event.rung] : [],
  );
  expect(rungs).toEqual(["continue"]);
});

test("an answer that cannot be saved is kept in a file of its owner's, and a restarted worker saves it before it pays for anything", async () => {
  const redis = await startPrivateRedis({ aof: true });
  cleanUp.push(() => redis.stop());
  const dataDir = mkdtempSync(join(tmpdir(), "spool-"));
  const spoolDir = join(dataDir, "spool");
  cleanUp.push(async () => rmSync(dataDir, { recursive: true }));
  const provider = await startSimulatedProvider({ latency: { firstByteMs: [400, 400], perTokenMs: 0 } });
  cleanUp.push(() => provider.close());
  const fleet = uniqueFleet("gate");
  const desk = await aFleet({ redisUrl: redis.url, fleet, provider, roles: ["orchestrator"] });
  const startWorker = async () => {
    const worker = await startFleetProcess({
      redisUrl: redis.url,
      fleet,
      roles: "worker",
      providerUrl: provider.url,
      env: { DATA_DIR: dataDir },
    });
    cleanUp.push(() => worker.kill("SIGKILL"));
    return worker;
  };
  const worker = await startWorker();
  const id = await desk.submit(order("stepped"));
  await waitFor(
    async () => (await desk.events(id)).some(({ event }) => event === "call.begun"),
    () => "nothing is asked",
  );
  await redis.kill("SIGSTOP");
  const spooled = () =>
    existsSync(spoolDir) ? readdirSync(spoolDir).filter((name) => name.endsWith(".answer.json")) : [];
  await waitFor(
    async () => spooled().length > 0,
    () => "nothing is spooled",
  );
  expect(statSync(join(spoolDir, spooled()[0] ?? "")).mode & 0o777).toBe(0o600);
  // The worker dies with the only copy in memory; what it was paid for is in the file.
  await worker.kill("SIGKILL");
  await redis.kill("SIGCONT");
  await startWorker();
  await desk.delivered(id);
  expect(billedByMark(provider.ledger())).toEqual({ "stepped/body/draft": 1, "stepped/body/polish": 1 });
  expect(spooled()).toEqual([]);
});
