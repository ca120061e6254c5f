/**
 * What is kept of a report after its end, and for how long.
 *
 *     ended ──packAfter──▶ packed (pack-report.ts) ──keepTexts──▶ without raw answers, prompts and checkpoints ──keepReports──▶ a tombstone and its ledger rows
 *
 * Removing is safe to repeat and to interrupt: each stage names what it removes, and the report's place in the queue
 * moves on only after that.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import { isFinished } from "../domain/report.ts";
import { packReport } from "./pack-report.ts";
import { redisNow, type Store } from "./redis.ts";
import { leavingNewer } from "./version.ts";
import { readReport, type StoredReport } from "./reports.ts";
import { run, savingScript } from "./script.ts";
import { releaseSnapshots } from "./snapshots.ts";

const DUE = savingScript(`
-- KEYS ended   ARGV limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
`);

const MOVE_ON = savingScript(`
-- KEYS ended fleet_events   ARGV id next_at event
if ARGV[2] == '' then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end
if ARGV[3] ~= '' then redis.call('XADD', KEYS[2], 'MAXLEN', '~', 20000, '*', 'e', ARGV[3]) end
return 'moved'
`);

export interface RetentionAges {
  packAfterMs: number;
  keepTextsMs: number;
  keepReportsMs: number;
}

/** Looks at reports whose time has come, a bounded number at once. Answers how many it removed something from. */
export async function sweepRetention(store: Store, ages: RetentionAges, limit = 20): Promise<number> {
  const due = await run<ReportId[]>(store.redis, DUE, [store.keys.ended], [limit]);
  let removed = 0;
  for (const id of due)
    await leavingNewer(async () => {
      if (await retain(store, id, ages)) removed += 1;
    });
  return removed;
}

async function retain(store: Store, id: ReportId, ages: RetentionAges): Promise<boolean> {
  const stored = await readReport(store, id);
  // Gone, or resumed after its end: then its next end brings it back here.
  if (stored === null || !isFinished(stored.report.status)) return moveOn(store, id, null, null);
  const age = (await redisNow(store)) - stored.report.updatedAt;
  if (age < ages.keepTextsMs) {
    const packed = age < ages.packAfterMs ? "later" : await packReport(store, stored);
    const nextMs = packed === "later" ? Math.max(age, 0) + ages.packAfterMs : ages.keepTextsMs;
    return moveOn(store, id, stored.report.updatedAt + Math.min(nextMs, ages.keepTextsMs), null);
  }
  if (age < ages.keepReportsMs) {
    await removeTexts(store, stored);
    return moveOn(store, id, stored.report.updatedAt + ages.keepReportsMs, "texts");
  }
  await removeReport(store, stored);
  return moveOn(store, id, null, "report");
}

/** Raw answers, prompts, steps and section outputs go; the document, the receipt and the timeline stay. */
async function removeTexts(store: Store, { report, sectionKeys }: StoredReport): Promise<void> {
  const { redis, keys } = store;
  const cached = await redis.smembers(keys.cachedBy(report.id));
  const pipeline = redis.pipeline();
  pipeline.unlink(keys.calls(report.id), keys.cachedBy(report.id), ...cached);
  pipeline.hdel(keys.packed(report.id), "texts");
  for (const key of sectionKeys) pipeline.hdel(keys.section(report.id, key), "output", "pin");
  for (const id of await redis.zrange(keys.casesOf(report.id), "0", "-1"))
    pipeline.hdel(keys.case(id), "prompt");
  await pipeline.exec();
}

/** What retention would do in the end, now. */
export async function removeAtOnce(store: Store, stored: StoredReport): Promise<void> {
  await removeReport(store, stored);
  await moveOn(store, stored.report.id, null, "report");
}

/** Everything but a tombstone goes. Ledger rows and holds are the account's history and stay for ever. */
async function removeReport(store: Store, stored: StoredReport): Promise<void> {
  const { redis, keys } = store;
  const { report, sectionKeys } = stored;
  await removeTexts(store, stored);
  // While the record is still there to say which: an interrupted removal finds the rest of them again.
  await releaseSnapshots(store, report);
  const idempotency = await redis.hget(keys.report(report.id), "idempotency");
  const pipeline = redis.pipeline();
  pipeline.unlink(
    keys.artefact(report.id),
    keys.packed(report.id),
    keys.asks(report.id),
    keys.events(report.id),
    keys.casesOf(report.id),
    keys.auditOf(report.id),
  );
  for (const key of sectionKeys) pipeline.unlink(keys.section(report.id, key));
  for (const id of await redis.zrange(keys.casesOf(report.id), "0", "-1"))
    pipeline.unlink(keys.case(id), keys.caseNotes(id));
  if (idempotency !== null) pipeline.unlink(idempotency);
  pipeline.zrem(keys.indexAll, report.id);
  pipeline.zrem(keys.indexAccount(report.account), report.id);
  pipeline.zrem(keys.indexType(report.type), report.id);
  pipeline.zrem(keys.indexStatus(report.status), report.id);
  pipeline.unlink(keys.report(report.id));
  pipeline.hset(keys.tombstone(report.id), {
    account: report.account,
    type: report.type,
    status: report.status,
    createdAt: report.createdAt,
    endedAt: report.updatedAt,
  });
  await pipeline.exec();
}

async function moveOn(
  store: Store,
  id: ReportId,
  nextAt: number | null,
  removed: "texts" | "report" | null,
): Promise<boolean> {
  const event: FleetEvent | null = removed === null ? null : { event: "retention", report: id, removed };
  const { keys } = store;
  await run(
    store.redis,
    MOVE_ON,
    [keys.ended, keys.fleetEvents],
    [id, nextAt ?? "", event === null ? "" : JSON.stringify(event)],
  );
  return removed !== null;
}
