/** `report-fleet doctor` against a live fleet, well and then with everything broken that a store can show. */
import { afterEach, expect, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { turnBreaker } from "../../src/store/breakers.ts";
import { beat } from "../../src/store/processes.ts";
import { closeRoute } from "../../src/store/routes.ts";
import { stopSpending } from "../../src/store/spending.ts";
import { addWebhook } from "../../src/store/webhooks.ts";
import { startTestFleet, type TestFleet, type TestFleetSettings } from "../../src/testing.ts";
import { runCommand } from "../support/command-line.ts";
import { startPrivateRedis, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function aFleet(settings: Partial<TestFleetSettings> = {}): Promise<{ fleet: TestFleet; url: string }> {
  const server = await startPrivateRedis({ aof: true });
  closing.push(() => server.stop());
  const fleet = await startTestFleet({
    redisUrl: server.url,
    fleet: uniqueFleet("doctor"),
    types: [aTopicType],
    ...settings,
  });
  closing.push(() => fleet.stop());
  return { fleet, url: server.url };
}

interface Found {
  check: string;
  level: string;
  says: string;
  advice: string | null;
}

async function doctor(fleet: TestFleet, url: string, env: NodeJS.ProcessEnv = {}, ...args: string[]) {
  const { code, stdout, stderr } = await runCommand(["doctor", "--json", ...args], {
    env: {
      REDIS_URL: url,
      FLEET: fleet.store.fleet,
      REPORT_TYPES: "./test/support/report-types/index.ts",
      OPENAI_BASE_URL: fleet.provider.url,
      OPENAI_API_KEY: "simulated",
      OPENAI_MODEL: "simulated-writer",
      PORT: "0",
      TIME_SCALE: "0.4",
      ...env,
    },
  });
  if (stdout === "") throw new Error(stderr);
  const { data, worst } = JSON.parse(stdout) as { data: Found[]; worst: string };
  return { code, worst, data, of: (check: string) => data.find((found) => found.check === check) };
}

test("a fleet that works has nothing that fails, and its provider is asked for nothing that costs", async () => {
  const { fleet, url } = await aFleet();
  await fleet.grant("acme", 5);
  await fleet.delivered(await fleet.submit({ account: "acme", type: "topic", source: { topic: "health" } }));
  const paid = fleet.ledger().length;
  const { code, data, of } = await doctor(fleet, url, {}, "--probe-provider");
  expect(data.filter(({ level }) => level === "fail")).toEqual([]);
  // By its number a distribution's Redis may want repairs, and a private one has no maxmemory.
  expect([EXIT.ok, EXIT.doctorWarns]).toContain(code);
  expect(of("redis.durability")).toMatchObject({ level: "ok" });
  expect(of("fleet.workers")).toMatchObject({ level: "ok", says: "1 worker process alive." });
  expect(of("provider.answers")).toMatchObject({ level: "ok" });
  expect(fleet.ledger()).toHaveLength(paid);
});

test("everything that is broken is named with its advice, and the exit code says that something does not work", async () => {
  const { fleet, url } = await aFleet({ roles: ["orchestrator"] });
  const { store } = fleet;
  await fleet.grant("acme", 50);
  await fleet.submit({ account: "acme", type: "topic", source: { topic: "nobody writes it" } });
  await store.redis.hincrby(store.keys.account("acme"), "available", 7);
  await beat(store, {
    id: "lost",
    pid: 1,
    home: "elsewhere",
    started: "1",
    roles: "worker",
    version: "0.0.9",
  });
  await closeRoute(store, "api.example.com/m#1", "The key was refused.", "a-worker", 0);
  await store.redis.sadd(store.keys.routes, "api.example.com/m#1");
  await stopSpending(store, "the bill looks odd", "ops");
  await addWebhook(store, {
    id: "we-1",
    account: null,
    url: "https://example.com/hook",
    events: [],
    secret: "whsec_eA==",
    by: "ops",
  });
  await store.redis.hset(
    store.keys.webhook("we-1"),
    "status",
    "disabled",
    "because",
    "It failed for five days.",
  );
  await turnBreaker(store, "topic", { to: "open", by: "ops", reason: "the prompts are wrong" });
  await store.redis.zadd(store.keys.wakeups, 1, "rp-0000000000000000000000000");
  await store.redis.config("SET", "maxmemory-policy", "allkeys-lru");

  const { code, worst, of } = await doctor(fleet, url, { OPENAI_API_KEY: "" });
  expect({ code, worst }).toEqual({ code: EXIT.doctorFails, worst: "fail" });
  const levels = {
    "provider.key": "fail",
    "redis.eviction": "fail",
    "fleet.workers": "fail",
    "fleet.dead": "warn",
    "types.stopped": "warn",
    "routes.closed": "fail",
    "spending.stopped": "warn",
    "books.ledger": "fail",
    "webhooks.disabled": "warn",
  };
  for (const [check, level] of Object.entries(levels)) {
    expect(of(check)).toMatchObject({ check, level, advice: expect.stringMatching(/.{20}/) });
  }
});

test("a wrong setting and a Redis that does not answer are findings, not crashes", async () => {
  const wrong = await runCommand(["doctor", "--json"], { env: { CONCURRENCY: "many" } });
  expect(wrong.code).toBe(EXIT.doctorFails);
  expect(JSON.parse(wrong.stdout)).toMatchObject({ data: [{ check: "config", level: "fail" }] });

  const away = await runCommand(["doctor", "--roles", "orchestrator", "--quiet"], {
    env: { REDIS_URL: "redis://127.0.0.1:1" },
  });
  expect(away.code).toBe(EXIT.doctorFails);
  expect(away.stdout).toMatch(/^fail +redis\.reachable +Redis at 127\.0\.0\.1:1 does not answer/m);
  expect(away.stdout).not.toContain("ok ");
});

test("a report type that could not be written is named before anybody orders it", async () => {
  const { fleet, url } = await aFleet();
  const { code, of } = await doctor(fleet, url, { REPORT_TYPES: "./test/support/a-cyclic-type.ts" });
  expect(code).toBe(EXIT.doctorFails);
  const found = of("types.lint");
  expect(found).toMatchObject({ level: "fail", advice: expect.stringContaining("report-fleet types lint") });
  expect(found?.says).toMatch(/cycle|wait for each other/i);
});
