/** The commands of docs/redis.md, as they stand there, run against a fleet that is writing. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../../src/cli/free-port.ts";
import { findRedis } from "../../scripts/redis/find-redis.ts";
import { startRedisServer } from "../../scripts/redis/redis-server.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { startSimulatedProvider } from "../../src/llm/simulated-provider.ts";
import { startTestFleet, waitFor } from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { duplicatesIn } from "../support/ledger.ts";
import { startPrivateRedis } from "../support/redis.ts";
import { aSteppedType } from "../support/report-types/index.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const REPORTS = 5;
const page = readFileSync(new URL("../../docs/redis.md", import.meta.url), "utf8");
const [backup = "", restore = ""] = [
  ...page.slice(page.indexOf("## Backup and restore")).matchAll(/```sh\n(.*?)```/gs),
].map(([, commands]) => commands ?? "");

function sh(commands: string, env: Record<string, string>): void {
  const { status, stderr } = spawnSync("sh", ["-euc", commands], {
    env: { PATH: process.env["PATH"], ...env },
    encoding: "utf8",
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`The documented commands ended with ${status}: ${stderr}`);
}

test("a copy of a fleet that is writing is restored into a new Redis: every report goes on, and the books agree", async () => {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-backup-"));
  closing.push(() => rmSync(dir, { recursive: true, force: true }));
  const provider = await startSimulatedProvider({
    latency: "none",
    faults: [{ match: {}, fault: { kind: "slow_drip", everyMs: 50, chunks: 6 } }],
  });
  closing.push(() => provider.close());
  const first = await startPrivateRedis({ aof: true });
  closing.push(() => first.stop());
  const durations = { suspectAfterMs: 2_000 };
  const settings = { types: [aSteppedType], provider, concurrency: 2, durations };
  const before = await startTestFleet({ ...settings, redisUrl: first.url });
  await before.grant("acme", 100);
  const reports: ReportId[] = [];
  for (let n = 0; n < REPORTS; n++)
    reports.push(await before.submit({ account: "acme", type: "stepped", source: { topic: `island ${n}` } }));
  await waitFor(
    async () => (await before.read(reports[0] ?? ("" as ReportId))).report.status === "completed",
    () => "nothing is delivered yet",
  );
  sh(backup, { REDIS_URL: first.url, BACKUP: join(dir, "backup.rdb") });
  const paidAtCopy = provider.ledger().length;
  // It writes on until the disaster.
  await waitFor(
    async () => provider.ledger().length > paidAtCopy,
    () => "nothing more is written",
  );
  await before.fleet.stop();
  const lost = provider.ledger().length - paidAtCopy;
  await first.kill("SIGKILL");

  const port = await freePort();
  sh(restore, { BACKUP: join(dir, "backup.rdb"), DIR: dir, PORT: String(port) });
  const engine = await findRedis((line) => process.stderr.write(`${line}\n`));
  const second = await startRedisServer({ engine, dir, durable: true, diesWithUs: true });
  closing.push(() => second.stop());
  const after = await startTestFleet({ ...settings, redisUrl: second.url });
  closing.push(() => after.fleet.stop());
  for (const id of reports) await after.delivered(id);

  expect(await after.balance("acme")).toMatchObject({ held: 0, committed: REPORTS * 5 });
  expect(await checkBooks(after.store)).toEqual([]);
  // Paid again is what came after the copy, and what was on its way when it was taken.
  expect(duplicatesIn(provider.ledger())).toBeLessThanOrEqual(lost + settings.concurrency);
  const late = await after.submit({ account: "acme", type: "stepped", source: { topic: "afterwards" } });
  await after.delivered(late);
});
