import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Queue } from "bullmq";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { topicReport } from "../../examples/topic-report.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { startIntake, type IntakeDesk } from "../../src/producer/intake.ts";
import { IntakeFields } from "../../src/producer/intake-entry.ts";
import { grantCredits, readBalance } from "../../src/store/credits.ts";
import { fieldsOf } from "../../src/store/script.ts";
import { REPORTS_QUEUE } from "../../src/store/queues.ts";
import { connectForBlocking, connectPatiently, openStore, type Store } from "../../src/store/redis.ts";
import { listReports } from "../../src/store/reports.ts";
import { startTestFleet, waitFor, type TestFleet, type TestFleetSettings } from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { startFleetProcess, type FleetProcess } from "../support/fleet-process.ts";
import { pythonWithRedis } from "../support/python-redis.ts";
import { startPrivateRedis, testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function aFleet(settings: Partial<TestFleetSettings> = {}): Promise<TestFleet> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("intake"),
    types: [aTopicType],
    ...settings,
  });
  closing.push(() => fleet.stop());
  await fleet.grant("acme", 100);
  return fleet;
}

const ENTRY = { v: "1", account: "acme", type: "topic", key: "k1", source: '{"topic":"lighthouses"}' };

/** As a foreign program adds it. */
async function add({ redis, keys }: Store, fields: Record<string, string>): Promise<void> {
  await redis.xadd(keys.intake, "*", ...Object.entries(fields).flat());
}

async function answerTo(store: Store, account: string, key: string): Promise<Record<string, string>> {
  return waitFor(
    async () => {
      const answer = await store.redis.hgetall(store.keys.intakeStatus(account, key));
      return answer["status"] === undefined ? null : answer;
    },
    () => `${account}/${key} is not answered`,
  );
}

async function refusals({ redis, keys }: Store, number: number): Promise<Record<string, string>[]> {
  const rows = await waitFor(
    async () => {
      const entries = await redis.xrange(keys.intakeRejected, "-", "+");
      return entries.length >= number ? entries : null;
    },
    () => `fewer than ${number} entries were refused`,
  );
  return rows.map(([, flat]) => fieldsOf(flat));
}

test("a program that only knows Redis orders a report, follows it and is charged with delivery", async () => {
  const fleet = await aFleet();
  await add(fleet.store, { ...ENTRY, priority: "high", tags: '{"order":"4711"}' });
  const answer = await answerTo(fleet.store, "acme", "k1");
  expect(answer).toMatchObject({ status: "admitted", report: expect.stringMatching(/^rp-/) as string });
  const id = answer["report"] as ReportId;
  await fleet.delivered(id);

  const { redis, keys } = fleet.store;
  const fields = ["status", "account", "type", "credits", "hold"];
  expect(await redis.hmget(keys.report(id), ...fields)).toEqual([
    "completed",
    "acme",
    "topic",
    "5",
    "committed",
  ]);
  expect((await fleet.read(id)).report).toMatchObject({ priority: "high", tags: { order: "4711" } });
  expect(await fleet.balance("acme")).toMatchObject({ available: 95, held: 0, committed: 5 });
  // What is answered is gone, so the stream holds only what waits.
  expect(await redis.xlen(keys.intake)).toBe(0);
  // A time in milliseconds has no business in another type of field.
  expect(Number(await redis.hget(keys.report(id), "deliveredAt"))).toBeGreaterThan(1_700_000_000_000);
});

test.each([
  ["of a version nobody knows", { v: "2" }, "invalid_entry", ["v"]],
  ["with a field nobody knows", { callbak: "x" }, "invalid_entry", ["callbak"]],
  ["whose source is no JSON", { source: "{topic" }, "invalid_entry", ["source"]],
  ["whose tags are no texts", { tags: '{"a":1}' }, "invalid_entry", ["tags"]],
  ["wanted by no time", { deliverBy: "tomorrow" }, "invalid_entry", ["deliverBy"]],
  ["wanted by a time that has passed", { deliverBy: "2020-01-01T00:00:00Z" }, "usage", []],
  ["of an unknown type", { type: "nothing" }, "unknown_type", []],
  ["whose source the type refuses", { source: '{"topic":""}' }, "invalid_source", ["topic"]],
  ["of an account without credits", { account: "poor" }, "insufficient_credits", []],
])(
  "an entry %s is refused with its key and the reason, and nothing is held",
  async (_what, wrong, code, paths) => {
    const fleet = await aFleet({ roles: ["orchestrator"] });
    await add(fleet.store, { ...ENTRY, ...wrong });
    const [row] = await refusals(fleet.store, 1);
    expect(row).toMatchObject({ key: "k1", code });
    expect(row?.["reason"]?.length).toBeGreaterThan(10);
    const named = (JSON.parse(row?.["fields"] ?? "[]") as { path: string }[]).map(({ path }) => path);
    expect(named).toEqual(paths);
    const { account = "" } = row ?? {};
    expect(await answerTo(fleet.store, account, "k1")).toMatchObject({ status: "rejected", code });
    expect(await listReports(fleet.store, { limit: 10 })).toEqual([]);
    expect(await fleet.balance("acme")).toMatchObject({ available: 100, held: 0 });
  },
);

test("an entry that is nothing we know does not circle, and the next one is taken", async () => {
  const fleet = await aFleet({ roles: ["orchestrator"] });
  await add(fleet.store, { hello: "world" });
  await add(fleet.store, { ...ENTRY, account: "\u0000", key: "x".repeat(10_000) });
  await add(fleet.store, ENTRY);
  expect(await answerTo(fleet.store, "acme", "k1")).toMatchObject({ status: "admitted" });
  const rows = await refusals(fleet.store, 2);
  expect(rows.map((row) => row["code"])).toEqual(["invalid_entry", "invalid_entry"]);
  expect(rows.every((row) => (row["key"] ?? "").length <= 200)).toBe(true);
  expect(await fleet.store.redis.xlen(fleet.store.keys.intake)).toBe(0);
});

test("a key that has a report keeps saying so when it is sent again with another source", async () => {
  const fleet = await aFleet({ roles: ["orchestrator"] });
  await add(fleet.store, ENTRY);
  const { report } = await answerTo(fleet.store, "acme", "k1");
  await add(fleet.store, { ...ENTRY, source: '{"topic":"harbours"}' });
  const [row] = await refusals(fleet.store, 1);
  expect(row).toMatchObject({ key: "k1", code: "idempotency_conflict" });
  expect(await answerTo(fleet.store, "acme", "k1")).toMatchObject({ status: "admitted", report });
});

test("a refused key is used again once the cause is mended", async () => {
  const fleet = await aFleet({ roles: ["orchestrator"] });
  await add(fleet.store, { ...ENTRY, account: "bolt" });
  expect(await answerTo(fleet.store, "bolt", "k1")).toMatchObject({ code: "insufficient_credits" });
  await fleet.grant("bolt", 5);
  await add(fleet.store, { ...ENTRY, account: "bolt" });
  await waitFor(
    async () => (await answerTo(fleet.store, "bolt", "k1"))["status"] === "admitted",
    () => "the mended order is not admitted",
  );
  expect(await answerTo(fleet.store, "bolt", "k1")).not.toHaveProperty("reason");
});

test("an order that a fault of ours keeps from being taken is refused after a few tries", async () => {
  const fleet = await aFleet({ roles: [] });
  let tries = 0;
  const { workshop } = fleet.fleet;
  const faulty: IntakeDesk = {
    ...workshop,
    durations: { ...workshop.durations, intakeClaimMs: 20 },
    types: {
      ...workshop.types,
      require() {
        tries += 1;
        throw new TypeError("a bug of ours");
      },
    },
  };
  const intake = startIntake(faulty, () => connectForBlocking(testRedisUrl()));
  closing.push(() => intake.stop());
  await add(fleet.store, ENTRY);
  expect(await answerTo(fleet.store, "acme", "k1")).toMatchObject({ status: "rejected", code: "internal" });
  expect(tries).toBe(5);
  expect(await fleet.balance("acme")).toMatchObject({ available: 100 });
});

test("an order that Redis has no memory for stays pending, however often it is tried, and is taken later", async () => {
  const server = await startPrivateRedis({ aof: false });
  closing.push(() => server.stop());
  const fleet = await aFleet({
    redisUrl: server.url,
    roles: ["orchestrator"],
    durations: { intakeClaimMs: 20 },
  });
  const { redis, keys } = fleet.store;
  await add(fleet.store, { ...ENTRY, key: "before" });
  await answerTo(fleet.store, "acme", "before");
  // Sent together, so that the memory is gone before the entry is looked at.
  const fields = Object.entries({ ...ENTRY, source: '{"topic":"harbours"}' }).flat();
  await redis
    .pipeline()
    .xadd(keys.intake, "*", ...fields)
    .config("SET", "maxmemory", "1mb")
    .exec();
  await waitFor(
    async () => {
      const [pending] = (await redis.xpending(keys.intake, "fleet", "-", "+", 1)) as [
        string,
        string,
        number,
        number,
      ][];
      return (pending?.[3] ?? 0) > 7;
    },
    () => "it is not tried again",
  );
  expect(await redis.xlen(keys.intakeRejected)).toBe(0);
  await redis.config("SET", "maxmemory", "0");
  expect(await answerTo(fleet.store, "acme", "k1")).toMatchObject({ status: "admitted" });
});

test("a consumer killed half-way through three hundred orders loses none, doubles none, and the credits are exact", async () => {
  const redis = connectPatiently(testRedisUrl());
  const store = openStore(redis, uniqueFleet("intake-crash"));
  closing.push(() => Promise.resolve(redis.disconnect()));
  await grantCredits(store, { account: "acme", credits: 5_000, reference: "test" });
  // Ten of its forty orders can be paid.
  await grantCredits(store, { account: "poor", credits: 50, reference: "test" });
  const settings = { redisUrl: testRedisUrl(), fleet: store.fleet, roles: "orchestrator", timeScale: 0.2 };
  const processes: FleetProcess[] = [await startFleetProcess(settings)];
  closing.push(() => Promise.all(processes.map((one) => one.kill("SIGKILL"))));

  const orders = Array.from({ length: 270 }, (_, nth) => ({
    ...ENTRY,
    account: nth % 27 < 4 ? "poor" : "acme",
    key: `order-${nth}`,
    source: JSON.stringify({ topic: `topic ${nth}` }),
  }));
  const rich = orders.filter(({ account }) => account === "acme");
  const sent = [...orders, ...rich.slice(0, 30)];
  const adding = (async () => {
    for (const one of sent) await add(store, one);
  })();
  await waitFor(
    async () => (await redis.zcard(store.keys.indexAll)) >= 60,
    () => "the first process takes no orders",
  );
  await processes[0]?.kill("SIGKILL");
  await adding;
  expect(await redis.zcard(store.keys.indexAll)).toBeLessThan(rich.length);
  processes.push(await startFleetProcess(settings));

  await waitFor(
    async () => (await redis.xlen(store.keys.intake)) === 0,
    () => "not all orders are answered",
  );
  const reports = await listReports(store, { limit: 1_000 });
  expect(reports).toHaveLength(rich.length + 10);
  for (const { key } of rich)
    expect(await redis.hget(store.keys.intakeStatus("acme", key), "status")).toBe("admitted");
  expect(
    new Set(
      await Promise.all(rich.map(({ key }) => redis.hget(store.keys.intakeStatus("acme", key), "report"))),
    ).size,
  ).toBe(rich.length);
  const refused = await refusals(store, 30);
  expect(refused.map(({ code, account }) => `${account} ${code}`)).toEqual(
    Array.from({ length: 30 }, () => "poor insufficient_credits"),
  );
  expect(await readBalance(store, "acme")).toMatchObject({
    held: rich.length * 5,
    available: 5_000 - rich.length * 5,
  });
  expect(await readBalance(store, "poor")).toMatchObject({ held: 50, available: 0 });
  // The books are read in several steps, and nothing moves between them once all have begun.
  await waitFor(
    async () => (await redis.zcard(store.keys.indexStatus("pending"))) === 0,
    () => "some reports are not begun",
  );
  expect(await checkBooks(store)).toEqual([]);

  // Each has a parent job, so each will be written.
  const queue = new Queue(REPORTS_QUEUE, { connection: redis, prefix: store.keys.queuePrefix });
  closing.push(() => queue.close());
  await waitFor(
    async () => {
      const jobs = await queue.getJobs(["active", "prioritized", "waiting", "waiting-children", "delayed"]);
      return new Set(jobs.map(({ id }) => id)).size === reports.length;
    },
    () => "some reports have no job",
  );
});

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));

/** What a reader would copy from the page, with the fleet of this test for "fleet". */
function examples(language: string, fleet: string): string[] {
  const page = readFileSync(`${DOCS}intake.md`, "utf8");
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, code = ""]) => code.replaceAll("{fleet}", `{${fleet}}`),
  );
}

function runExample(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, REDIS_URL: testRedisUrl() } });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${program} ended with ${code}: ${output}`)),
    );
  });
}

test("the examples for redis-cli and Python in the documentation order reports that are delivered", async () => {
  const fleet = await aFleet({ types: [topicReport] });
  const shell = examples("sh", fleet.store.fleet);
  expect(shell).toHaveLength(2);
  const said = await runExample("bash", ["-euc", shell.join("\n")]);
  const id = /rp-[0-9a-z]{25}/.exec(said)?.[0] as ReportId;
  await fleet.delivered(id);

  const [script = ""] = examples("python", fleet.store.fleet);
  const lines = (await runExample(await pythonWithRedis(), ["-c", script])).trim().split("\n");
  expect(lines.at(-1)).toMatch(/^rp-[0-9a-z]{25} completed$/);
  expect(lines).toContain("section.status executive-summary completed");
});

test("the schema in the documentation is the one that entries are checked with", () => {
  const kept = JSON.parse(readFileSync(`${DOCS}intake.schema.json`, "utf8")) as unknown;
  expect(kept).toEqual(z.toJSONSchema(IntakeFields));
});
