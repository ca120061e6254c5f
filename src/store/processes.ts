/**
 * Which processes are alive, and what each has in hand.
 *
 * A process counts a beat up; nobody compares clocks. What it has in hand is written down per job, so that whoever
 * finds it dead can hand every job on at once instead of waiting for BullMQ's stall check.
 */
import type { ReportId } from "../domain/ids.ts";
import { LAYOUT } from "./layout.ts";
import { AUDIT_LUA } from "./audit.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

/** Where a process lives: only a process that shares the host, its boot and the pid namespace can be seen to be gone. */
export interface ProcessIdentity {
  id: string;
  pid: number;
  /** Host, boot and pid namespace in one word. */
  home: string;
  /** When the kernel started it, in its own ticks; tells a reused pid from the process itself. */
  started: string;
  roles: string;
  /** Of the package it runs. */
  version: string;
}

export interface ProcessRecord extends ProcessIdentity {
  beat: number;
  /** Who asked it to begin no section; null while it may. */
  drainedBy: string | null;
}

export interface JobInHand {
  queue: string;
  jobId: string;
  token: string;
  /** Null for a webhook. */
  report: ReportId | null;
  /** Null for a parent job. */
  section: string | null;
  type: string;
}

const BEAT = savingScript(`
-- KEYS processes process in_hand   ARGV id pid home started roles report_key_prefix version layout
local known = redis.call('EXISTS', KEYS[2])
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'pid', ARGV[2], 'home', ARGV[3], 'started', ARGV[4], 'roles', ARGV[5], 'version', ARGV[7], 'layout', ARGV[8])
redis.call('HINCRBY', KEYS[2], 'beat', 1)
-- Reports that ended or were erased while this process has work on them: its calls for them are to be aborted, and no message may be lost
-- on the way, so every beat says it again until the work is put down.
local ended = {}
for _, row in ipairs(redis.call('HVALS', KEYS[3])) do
  local report = cjson.decode(row).report
  local status = type(report) ~= 'string' and 'of no report' or redis.call('HGET', ARGV[6] .. report, 'status')
  if not status or status == 'cancelled' or status == 'failed' then table.insert(ended, report) end
end
return {known == 1 and 'known' or 'new', ended, redis.call('HGET', KEYS[2], 'drainedBy') or ''}
`);

const DRAIN = savingScript(`${AUDIT_LUA}
-- KEYS process audit   ARGV drain('drain' | '') id by why
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
local drained = redis.call('HEXISTS', KEYS[1], 'drainedBy') == 1
if drained == (ARGV[1] == 'drain') then return 'already' end
if ARGV[1] == 'drain' then redis.call('HSET', KEYS[1], 'drainedBy', ARGV[3]) else redis.call('HDEL', KEYS[1], 'drainedBy') end
local function word(is) return ARGV[2] .. (is and ': drained' or ': takes sections') end
audit(KEYS[2], ARGV[1] == 'drain' and 'drain_process' or 'undrain_process', '', '', ARGV[3], ARGV[4], word(drained), word(not drained))
return 'told'
`);

const NOTE_FETCHERS = savingScript(`
-- KEYS fetchers   ARGV worker_id, queue...
redis.call('HSET', KEYS[1], unpack(ARGV))
return 'noted'
`);

/** Registers the process if need be and counts its beat up. `new` on any but the first beat: it was declared dead meanwhile. */
export async function beat(store: Store, identity: ProcessIdentity): Promise<Beat> {
  const { redis, keys } = store;
  const { id, pid, home, started, roles, version } = identity;
  const [word, ended, drainedBy] = await run<[Beat["registered"], ReportId[], string]>(
    redis,
    BEAT,
    [keys.processes, keys.process(id), keys.inHand(id)],
    [id, pid, home, started, roles, keys.report("rp-").slice(0, -"rp-".length), version, LAYOUT],
  );
  return { registered: word, ended, drainedBy: drainedBy === "" ? null : drainedBy };
}

export interface Beat {
  registered: "known" | "new";
  /** Reports in this process's hands that were cancelled or rejected. */
  ended: ReportId[];
  /** Somebody asked this process to begin no section; it is repeated until they let it again. */
  drainedBy: string | null;
}

/**
 * Asks a process to begin no further section, or lets it again. It hears with its next beat; what it has in hand goes on
 * and is finished. `already`: it stands as asked for.
 */
export async function drainProcess(
  store: Store,
  id: string,
  drain: boolean,
  decided: { by: string; why: string },
): Promise<"told" | "already" | "unknown"> {
  const { redis, keys } = store;
  return run(
    redis,
    DRAIN,
    [keys.process(id), keys.audit],
    [drain ? "drain" : "", id, decided.by, decided.why],
  );
}

export async function listProcesses(store: Store): Promise<ProcessRecord[]> {
  const { redis, keys } = store;
  const ids = await redis.smembers(keys.processes);
  if (ids.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hgetall(keys.process(id));
  const replies = (await pipeline.exec()) ?? [];
  return ids.map((id, index) => {
    const fields = (replies[index]?.[1] ?? {}) as Record<string, string>;
    return {
      id,
      pid: Number(fields["pid"] ?? 0),
      home: fields["home"] ?? "",
      started: fields["started"] ?? "",
      roles: fields["roles"] ?? "",
      // Earlier releases did not say.
      version: fields["version"] ?? "unknown",
      beat: Number(fields["beat"] ?? 0),
      drainedBy: fields["drainedBy"] ?? null,
    };
  });
}

export async function takeInHand(store: Store, processId: string, job: JobInHand): Promise<void> {
  await store.redis.hset(store.keys.inHand(processId), `${job.queue}/${job.jobId}`, JSON.stringify(job));
}

export async function putDown(
  store: Store,
  processId: string,
  job: Pick<JobInHand, "queue" | "jobId">,
): Promise<void> {
  await store.redis.hdel(store.keys.inHand(processId), `${job.queue}/${job.jobId}`);
}

export async function listInHand(store: Store, processId: string): Promise<JobInHand[]> {
  const rows = await store.redis.hvals(store.keys.inHand(processId));
  return rows.map((row) => JSON.parse(row) as JobInHand);
}

/** Written before the first job is fetched: a process may die before it has written down what it fetched. */
export async function noteFetchers(
  store: Store,
  processId: string,
  queues: Readonly<Record<string, string>>,
): Promise<void> {
  if (Object.keys(queues).length === 0) return;
  await run(store.redis, NOTE_FETCHERS, [store.keys.fetchers(processId)], Object.entries(queues).flat());
}

/** BullMQ worker id → queue. */
export async function listFetchers(store: Store, processId: string): Promise<Record<string, string>> {
  return store.redis.hgetall(store.keys.fetchers(processId));
}

/** After this, claims of the process may be taken by anybody. */
export async function forgetProcess(store: Store, processId: string): Promise<void> {
  const { redis, keys } = store;
  await redis
    .multi()
    .srem(keys.processes, processId)
    .del(keys.process(processId))
    .del(keys.inHand(processId), keys.fetchers(processId))
    .exec();
}
