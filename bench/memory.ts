/**
 * `node bench/memory.ts [reports]`: what a report takes in Redis while it is kept with its texts, and how many connections a
 * whole fleet in one process has. docs/scaling.md reckons with the figures.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findRedis } from "../scripts/redis/find-redis.ts";
import { startRedisServer } from "../scripts/redis/redis-server.ts";
import { readRedisFacts } from "../src/store/redis-facts.ts";
import type { ReportId } from "../src/domain/ids.ts";
import { startTestFleet } from "../src/testing.ts";
import { aTopicType } from "../test/support/report-types/index.ts";

const reports = Number(process.argv[2] ?? "50");
const dir = mkdtempSync(join(tmpdir(), "report-fleet-bench-"));
const engine = await findRedis((line) => console.error(line));
const server = await startRedisServer({ engine, dir, durable: false, diesWithUs: true });
const fleet = await startTestFleet({ redisUrl: server.url, types: [aTopicType] });
const { redis } = fleet.store;
await fleet.grant("acme", 5 * (reports + 1));
await write(1, "first");
const before = (await readRedisFacts(redis)).usedBytes;
await write(reports, "measured");
const after = (await readRedisFacts(redis)).usedBytes;
const answers = fleet.ledger().reduce((sum, { outputTokens }) => sum + outputTokens, 0) / (reports + 1);
const connections = String(await redis.client("LIST"))
  .trim()
  .split("\n").length;
console.log(
  `${reports} reports of two sections: ${((after - before) / reports / 1_024).toFixed(1)} KB each, with answers of ${Math.round(answers)} tokens together; ${connections} connections`,
);
await fleet.stop();
await server.stop();
rmSync(dir, { recursive: true });

async function write(count: number, what: string): Promise<void> {
  const ids: ReportId[] = [];
  for (let n = 0; n < count; n++)
    ids.push(await fleet.submit({ account: "acme", type: "topic", source: { topic: `${what} ${n}` } }));
  for (const id of ids) await fleet.delivered(id);
}
