/**
 * `node scripts/release-data.ts 0.1.0 out.jsonl`: what a fleet of this very version leaves in Redis, with reports in every
 * state, as commands that put it back. Each release keeps its own in test/fixtures/releases, and every later version must
 * read, resume and deliver it (test/fleet/upgrade.test.ts).
 *
 * The fleet is copied while a worker has calls in hand, as a roll finds it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { cancelReport, rejectReport } from "../src/desk/end-by-person.ts";
import { deliverPartial } from "../src/desk/deliver-partial.ts";
import { reportIdFrom, type ReportId } from "../src/domain/ids.ts";
import type { FaultRule } from "../src/llm/simulated/faults.ts";
import { admit } from "../src/store/admit.ts";
import { createApiKey } from "../src/store/api-keys.ts";
import { turnBreaker } from "../src/store/breakers.ts";
import { closeRoute } from "../src/store/routes.ts";
import { addWebhook } from "../src/store/webhooks.ts";
import { startTestFleet, waitFor } from "../src/testing.ts";
import { aSteppedType, aTopicType } from "../test/support/report-types/index.ts";
import { findRedis } from "./redis/find-redis.ts";
import { startRedisServer } from "./redis/redis-server.ts";

const FLEET = "release";
const RULING = { by: "ops", why: "for the record of this release" };
const FAULTS: FaultRule[] = [
  { match: { contains: "about broken" }, fault: { kind: "context_length" } },
  { match: { contains: "second part about halves" }, fault: { kind: "empty" } },
  { match: { contains: "about hanging" }, fault: { kind: "hang" } },
  { match: { contains: "about patience" }, fault: { kind: "rate_limit", retryAfter: "seconds", seconds: 5 } },
];

const [version, out] = process.argv.slice(2);
if (version === undefined || out === undefined) throw new Error("Usage: release-data.ts VERSION FILE");

const dir = mkdtempSync(join(tmpdir(), "report-fleet-release-"));
const engine = await findRedis((line) => console.error(line));
const server = await startRedisServer({ engine, dir, durable: false, diesWithUs: true });
const redis = new Redis(server.url);
const fleet = await startTestFleet({
  redisUrl: server.url,
  fleet: FLEET,
  types: [aTopicType, aSteppedType],
  faults: FAULTS,
  concurrency: 5,
});

/** In names of processes and of homes; no packed text looks like that. */
const OUR_NAME = new RegExp(`\\b${RegExp.escape(hostname())}(?=-\\d+-|/[0-9a-f]{8}-)`, "g");

/** Which report is in which state; the test reads it from the first line. */
const reports: Record<string, ReportId> = {};

async function order(state: string, topic: string, type = "topic"): Promise<ReportId> {
  const id = await fleet.submit({
    account: "acme",
    type,
    source: { topic },
    idempotencyKey: `key-${state}`,
    tags: { state },
  });
  reports[state] = id;
  return id;
}

async function parked(state: string, topic: string): Promise<ReportId> {
  const id = await order(state, topic);
  await fleet.reaches(id, "needs_review");
  return id;
}

async function begun(id: ReportId): Promise<void> {
  await waitFor(
    async () => (await fleet.events(id)).some(({ event }) => event === "call.begun"),
    () => `${id} has begun no call`,
  );
}

await fleet.grant("acme", 500);
await addWebhook(fleet.store, {
  id: "we-release",
  account: "acme",
  url: "http://127.0.0.1:1/hook",
  events: ["report.completed"],
  secret: "whsec_cmVsZWFzZS1kYXRhLW9mLWEtdGVzdA==",
  by: "ops",
});
await createApiKey(fleet.store, {
  name: "shop",
  account: "acme",
  scopes: ["reports:read"],
  expiresAt: null,
  by: "ops",
});
await fleet.delivered(await order("completed", "rivers"));
await parked("needs_review", "broken bridges");
await rejectReport(desk(), await parked("failed", "broken roads"), RULING);
await deliverPartial(desk(), await parked("partial", "halves"), RULING);
await fleet.delivered(reports["partial"] ?? "rp-none");
await cancelReport(desk(), await order("cancelled", "hanging gardens"), RULING);
const stopped = await order("postponed", "hanging on", "stepped");
await begun(stopped);
await turnBreaker(fleet.store, "stepped", { to: "open", by: "ops", reason: "the prompts are looked at" });
await closeRoute(fleet.store, "gateway.example.com/writer#0badcafe", "The key was refused.", "ops", 0);
await begun(await order("running", "hanging bridges"));
await fleet.reaches(await order("waiting_for_retry", "patience"), "waiting_for_retry");
// Admitted, and its producer died before the order was in the queue.
reports["outbox"] = reportIdFrom(randomBytes(16));
await admit(
  fleet.store,
  {
    id: reports["outbox"],
    account: "acme",
    type: "topic",
    typeVersion: 1,
    credits: 5,
    budgetMicros: 1_000_000,
    source: { canonical: '{"topic":"mills"}', hash: "f".repeat(64), bytes: 17 },
    idempotencyKey: null,
    again: true,
  },
  60_000,
);
const entry = { v: "1", account: "acme", type: "topic", key: "by-stream", source: '{"topic":"canals"}' };
// The copy is of the moment after this entry: one connection, nothing in between.
await Promise.all([redis.xadd(`{${FLEET}}:intake`, "*", ...Object.entries(entry).flat()), redis.save()]);
const takenAt = Date.now();
await fleet.stop();
await server.stop();
redis.disconnect();

const copy = await startRedisServer({ engine, dir, durable: false, diesWithUs: true });
const reader = new Redis(copy.url);
const lines = [JSON.stringify({ version, takenAt, fleet: FLEET, reports })];
for (const key of (await reader.keys("*")).sort())
  for (const command of await commandsFor(key))
    lines.push(JSON.stringify(command).replaceAll(OUR_NAME, "old-host"));
writeFileSync(out, `${lines.join("\n")}\n`);
console.error(`${lines.length - 1} commands for ${Object.keys(reports).length} reports in ${out}`);
reader.disconnect();
await copy.stop();
rmSync(dir, { recursive: true });

function desk() {
  return { ...fleet.fleet.workshop };
}

/** The traces of failed jobs name files of the machine they ran on. */
function ofNoMachine(text: string): string {
  return text.replaceAll(/(?:file:\/\/)?\/[\w./@+-]+\/(node_modules|src|scripts)\//g, "/fleet/$1/");
}

/** Text as it is; bytes that are no text as `{"b64"}`. */
type Argument = string | { b64: string };

function argument(bytes: Buffer): Argument {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? ofNoMachine(text) : { b64: bytes.toString("base64") };
}

async function commandsFor(key: string): Promise<Argument[][]> {
  const commands = await contentOf(key);
  const expiresAt = await reader.pexpiretime(key);
  return expiresAt > 0 ? [...commands, ["PEXPIREAT", key, String(expiresAt)]] : commands;
}

async function contentOf(key: string): Promise<Argument[][]> {
  const type = await reader.type(key);
  switch (type) {
    case "string":
      return [["SET", key, argument((await reader.getBuffer(key)) ?? Buffer.alloc(0))]];
    case "hash": {
      const flat = await reader.callBuffer("HGETALL", key);
      const fields = Array.isArray(flat) ? (flat as Buffer[]) : entriesOf(flat);
      return [["HSET", key, ...fields.map(argument)]];
    }
    case "set":
      return [["SADD", key, ...(await reader.smembersBuffer(key)).map(argument)]];
    case "zset": {
      const flat = await reader.zrange(key, "0", "-1", "WITHSCORES");
      const pairs = Array.from({ length: flat.length / 2 }, (_, i) => [
        flat[2 * i + 1] ?? "0",
        flat[2 * i] ?? "",
      ]);
      return [["ZADD", key, ...pairs.flat()]];
    }
    case "list":
      return [["RPUSH", key, ...(await reader.lrangeBuffer(key, 0, -1)).map(argument)]];
    case "stream":
      return streamCommands(key);
    // A lock that has run out since it was listed.
    case "none":
      return [];
    default:
      throw new Error(`${key} is a ${type}, which this does not copy.`);
  }
}

async function streamCommands(key: string): Promise<Argument[][]> {
  const entries = await reader.xrange(key, "-", "+");
  const groups = (await reader.xinfo("GROUPS", key)) as unknown[];
  const names = groups.flatMap((group) => {
    const fields = Array.isArray(group)
      ? group.map(String)
      : Object.entries(group as object)
          .flat()
          .map(String);
    return [
      [fields[fields.indexOf("name") + 1] ?? "", fields[fields.indexOf("last-delivered-id") + 1] ?? "0"],
    ];
  });
  return [
    ...entries.map(([id, fields]) => ["XADD", key, id, ...fields]),
    // Read and not answered: it is found by who claims what is pending, so it is given out anew.
    ...names.map(([name = ""]) => ["XGROUP", "CREATE", key, name, "0", "MKSTREAM"]),
  ];
}

function entriesOf(map: unknown): Buffer[] {
  if (map instanceof Map) return [...(map as Map<Buffer, Buffer>)].flat();
  return Object.entries(map as Record<string, Buffer>).flatMap(([name, value]) => [Buffer.from(name), value]);
}
