import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { correctSource } from "../../src/desk/correct-source.ts";
import { EXIT } from "../../src/cli/exit-codes.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { addNote, listCases } from "../../src/store/cases.ts";
import { listWebhooks, readWebhook } from "../../src/store/webhooks.ts";
import { registerWebhook } from "../../src/webhooks/register-webhook.ts";
import { readLedger } from "../../src/store/credits.ts";
import { unpack } from "../../src/store/packed.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { aKey, call, startTestApi, type TestApi } from "../support/api.ts";
import { runCommand } from "../support/command-line.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const spoolDir = mkdtempSync(join(tmpdir(), "report-fleet-spool-"));
let fleet: TestFleet;
let api: TestApi;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("erase"),
    types: [aTopicType],
    faults: [
      { match: { contains: "Write the first part about parked" }, fault: { kind: "refusal" } },
      { match: { contains: "about a hanging" }, fault: { kind: "hang" } },
    ],
  });
  api = await startTestApi(fleet, { spoolDir });
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  rmSync(spoolDir, { recursive: true, force: true });
});

/** Keys under which a word can be read, packed or not, whoever's they are. */
async function keysHolding(word: string): Promise<string[]> {
  const { redis, fleet: name } = fleet.store;
  const found: string[] = [];
  for (const key of await redis.keys(`{${name}}:*`)) {
    const values = await valuesOf(key);
    const readable = values.flatMap((value) => {
      const unpacked = unpack(value);
      return [value.toString("utf8"), unpacked.ok ? unpacked.text : ""];
    });
    if (key.includes(word) || readable.some((text) => text.includes(word))) found.push(key);
  }
  return found;
}

async function valuesOf(key: string): Promise<Buffer[]> {
  const { redis } = fleet.store;
  switch (await redis.type(key)) {
    case "string":
      return [(await redis.getBuffer(key)) ?? Buffer.alloc(0)];
    case "hash":
      return (await redis.callBuffer("HGETALL", key)) as Buffer[];
    case "list":
      return redis.lrangeBuffer(key, 0, -1);
    case "set":
      return redis.smembersBuffer(key);
    case "zset":
      return redis.zrangeBuffer(key, 0, "-1");
    default:
      return ((await redis.callBuffer("XRANGE", key, "-", "+")) as [Buffer, Buffer[]][]).flatMap(
        ([, flat]) => flat,
      );
  }
}

async function parkedReport(account: string, word: string): Promise<ReportId> {
  const id = await fleet.submit({
    account,
    type: "topic",
    source: { topic: `parked ${word}` },
    idempotencyKey: "k",
  });
  await fleet.reaches(id, "needs_review");
  const [found] = await listCases(fleet.store, { report: id, limit: 1 });
  await addNote(fleet.store, found?.id ?? "", { by: "ada", text: `the ${word} looks odd` });
  return id;
}

test("an erased report is readable nowhere: no snapshot, prompt, answer, note or document; its money is told for ever", async () => {
  await fleet.grant("acme", 100);
  const word = "quicksilver";
  const id = await parkedReport("acme", word);
  // Corrected twice: what was sent before goes as well.
  const ruling = { by: "ada", why: "wrong" };
  await correctSource(fleet.fleet.workshop, id, { topic: `parked again ${word}` }, ruling);
  await fleet.reaches(id, "needs_review");
  await correctSource(fleet.fleet.workshop, id, { topic: `plain ${word}` }, ruling);
  await fleet.delivered(id);
  mkdirSync(spoolDir, { recursive: true });
  writeFileSync(
    join(spoolDir, "1.answer.json"),
    JSON.stringify({ v: 1, report: id, answer: { text: word } }),
  );
  writeFileSync(join(spoolDir, "2.answer.json"), JSON.stringify({ v: 1, report: "rp-other", answer: {} }));
  expect((await keysHolding(word)).length).toBeGreaterThan(4);

  const key = await aKey(fleet.store, "acme", "reports:write", "reports:read");
  expect((await call(api, key, "DELETE", `/v1/reports/${id}`)).status).toBe(204);
  expect(await keysHolding(word)).toEqual([]);
  expect(readdirSync(spoolDir)).toEqual(["2.answer.json"]);
  const { keys } = fleet.store;
  expect(await fleet.store.redis.hgetall(keys.tombstone(id))).toMatchObject({
    account: "acme",
    status: "completed",
  });
  expect((await readLedger(fleet.store, "acme")).map(({ verb }) => verb)).toEqual([
    "commit",
    "reserve",
    "grant",
  ]);
  expect((await call(api, key, "GET", `/v1/reports/${id}`)).status).toBe(404);
  // Erasing again is no error for its owner, and for another account it was never there.
  expect((await call(api, key, "DELETE", `/v1/reports/${id}`)).status).toBe(204);
  const other = await aKey(fleet.store, "other", "reports:write");
  expect((await call(api, other, "DELETE", `/v1/reports/${id}`)).status).toBe(404);
});

test("a report that is erased while its call is under way is cancelled, and its late answer leaves nothing", async () => {
  await fleet.grant("hasty", 20);
  const id = await fleet.submit({ account: "hasty", type: "topic", source: { topic: "a hanging garden" } });
  await fleet.reaches(id, "running");
  const key = await aKey(fleet.store, "hasty", "reports:write");
  expect((await call(api, key, "DELETE", `/v1/reports/${id}`)).status).toBe(204);
  expect(await fleet.balance("hasty")).toMatchObject({ available: 20, held: 0 });
  // The worker lets go of the call at its next heartbeat, and nothing of it comes back.
  const { redis, keys } = fleet.store;
  await waitFor(
    async () => (await redis.hlen(keys.inHand(fleet.fleet.processId))) === 0,
    () => "the call is still under way",
  );
  expect(await keysHolding("hanging garden")).toEqual([]);
});

test("one of two orders of the same data is erased, and the other one is still written from it", async () => {
  await fleet.grant("twin", 20);
  const order = { account: "twin", type: "topic", source: { topic: "parked mercury" }, again: true };
  const [first, second] = [await fleet.submit(order), await fleet.submit(order)];
  await Promise.all([first, second].map((id) => fleet.reaches(id, "needs_review")));
  const key = await aKey(fleet.store, "twin", "reports:write");
  await call(api, key, "DELETE", `/v1/reports/${second}`);
  const { sourceHash } = (await fleet.read(first)).report;
  expect(await fleet.store.redis.exists(fleet.store.keys.source("twin", sourceHash))).toBe(1);
  await call(api, key, "DELETE", `/v1/reports/${first}`);
  expect(await keysHolding("parked mercury")).toEqual([]);
});

test("an account is erased from the command line with everything it ever sent, and nobody else's", async () => {
  await fleet.grant("leaving", 40);
  await fleet.grant("staying", 40);
  await parkedReport("leaving", "saffron");
  // Nothing listens there: what is sent waits to be sent again.
  const url = "https://127.0.0.1:9/saffron-hooks";
  const endpoint = (account: string) =>
    registerWebhook(fleet.store, { account, url: url.replace("saffron", account), by: "ada" }, true);
  const [{ id: gone, secret }, { id: kept }] = [await endpoint("leaving"), await endpoint("staying")];
  const order = { account: "leaving", type: "topic", source: { topic: "saffron fields" }, callback: url };
  const done = await fleet.submit(order);
  const others = await fleet.submit({ account: "staying", type: "topic", source: { topic: "cinnamon" } });
  await Promise.all([fleet.delivered(done), fleet.delivered(others)]);
  await waitFor(
    async () => readWebhook(fleet.store, "callback.leaving"),
    () => "its callback was not called",
  );

  const env = { REDIS_URL: testRedisUrl(), FLEET: fleet.store.fleet, DATA_DIR: spoolDir };
  const erased = await runCommand(["erase", "account", "leaving", "--by", "ada", "--json"], { env });
  expect(erased.code).toBe(EXIT.ok);
  const told = JSON.parse(erased.stdout) as { erasedReports: string[]; removedWebhooks: string[] };
  expect(told.erasedReports).toHaveLength(2);
  expect(told.removedWebhooks).toEqual([gone, "callback.leaving"]);
  expect((await listWebhooks(fleet.store)).map(({ id }) => id)).toEqual([kept]);
  expect(await keysHolding(secret)).toEqual([]);
  expect(await keysHolding("leaving-hooks")).toEqual([]);
  expect(await keysHolding("saffron")).toEqual([]);
  expect((await keysHolding("cinnamon")).length).toBeGreaterThan(0);
  expect(await fleet.balance("leaving")).toMatchObject({ available: 35, committed: 5, deposits: 40 });
  const unknown = await runCommand(["erase", "report", `rp-${"0".repeat(25)}`, "--by", "ada"], { env });
  expect(unknown.code).toBe(EXIT.notFound);
});
