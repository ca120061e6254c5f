/**
 * Group actions: one decision for every case of a group, kept in the store and carried on by whichever orchestrator
 * sweeps, so that no process has to live through it.
 *
 *     operation         what, who, why, its limits, and how it stands: running ─▶ done | stopped
 *     operation:cases   case → "<position>|waiting", "<position>|applied|<spent before>", "<position>|refused|<why>"
 */
import type { FleetEvent } from "../domain/events.ts";
import type { EpochMs, MicroUsd } from "../domain/ids.ts";
import type { Action, Decision, PromptChoice } from "../domain/review.ts";
import { AUDIT_LUA } from "./audit.ts";
import type { Store } from "./redis.ts";
import { run, savingScript, startingScript } from "./script.ts";

/** How far its cases are, as the last sweep saw them; spent is what their reports have spent since. */
export interface OperationProgress {
  waiting: number;
  underWay: number;
  through: number;
  parkedAgain: number;
  refused: number;
  spentMicros: MicroUsd;
}

/** The actions that need nothing but a decision; edited outputs and sources are one report's own. */
export const GROUP_ACTIONS = [
  "resume",
  "revalidate",
  "skip_section",
  "deliver_partial",
  "reject",
] as const satisfies readonly Action[];
export type GroupAction = (typeof GROUP_ACTIONS)[number];

export interface OperationOrder extends Decision {
  id: string;
  action: GroupAction;
  group: string;
  prompt: PromptChoice;
  /** What its reports may spend from here on; null for no limit. */
  maxMicros: MicroUsd | null;
  /** So many cases go first, and the rest only if all of them get through. */
  canary: number;
  /** How many cases are decided per sweep, so that a large group does not come back in one moment. */
  perSweep: number;
}

export interface Operation extends OperationOrder {
  status: "running" | "done" | "stopped";
  /** Why it stopped; empty otherwise. */
  because: string;
  startedAt: EpochMs;
  progress: OperationProgress;
  cases: OperationCase[];
}

/** Without its cases, which may be thousands. */
export type OperationHead = Omit<Operation, "cases">;

export type OperationCase = { id: string } & (
  | { state: "waiting" }
  | { state: "applied"; spentBefore: MicroUsd }
  | { state: "refused"; because: string }
);

const START = startingScript(`${AUDIT_LUA}
-- KEYS operation cases operations audit of_group fleet_events   ARGV id order action group by why progress event case...
if redis.call('EXISTS', KEYS[1]) == 1 then return 'started' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'order', ARGV[2], 'status', 'running', 'because', '', 'startedAt', now, 'progress', ARGV[7])
for i = 9, #ARGV do redis.call('HSET', KEYS[2], ARGV[i], (i - 9) .. '|waiting') end
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('LPUSH', KEYS[5], ARGV[1])
redis.call('LTRIM', KEYS[5], 0, 19)
audit(KEYS[4], ARGV[3], '', 'group ' .. ARGV[4], ARGV[5], ARGV[6], '', 'operation ' .. ARGV[1])
emit('', KEYS[6], ARGV[8])
return 'started'
`);

const NOTE_CASE = savingScript(`
-- KEYS cases   ARGV case state
local row = redis.call('HGET', KEYS[1], ARGV[1])
if not row or not string.find(row, '|waiting', 1, true) then return 'noted' end
redis.call('HSET', KEYS[1], ARGV[1], string.match(row, '^(%d+)|') .. '|' .. ARGV[2])
return 'noted'
`);

const NOTE_PROGRESS = savingScript(`
-- KEYS operation fleet_events   ARGV progress event
local o = redis.call('HMGET', KEYS[1], 'status', 'progress')
if o[1] ~= 'running' or o[2] == ARGV[1] then return 'noted' end
redis.call('HSET', KEYS[1], 'progress', ARGV[1])
emit('', KEYS[2], ARGV[2])
return 'noted'
`);

const END = savingScript(`${AUDIT_LUA}
-- KEYS operation operations fleet_events audit   ARGV id status because event group by why
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 'ended_before' end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'because', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
-- Only a person needs a row: what stops it by itself was decided when it began.
if ARGV[6] ~= '' then audit(KEYS[4], 'stop_operation', '', 'group ' .. ARGV[5], ARGV[6], ARGV[7], 'operation ' .. ARGV[1] .. ' running', ARGV[2]) end
emit('', KEYS[3], ARGV[4])
return 'ended'
`);

export async function startOperation(
  store: Store,
  order: OperationOrder,
  caseIds: readonly string[],
): Promise<void> {
  const { redis, keys } = store;
  const { id, action, group, by, why } = order;
  await run(
    redis,
    START,
    [
      keys.operation(id),
      keys.operationCases(id),
      keys.operations,
      keys.audit,
      keys.groupOperations(group),
      keys.fleetEvents,
    ],
    [
      id,
      JSON.stringify(order),
      action,
      group,
      by,
      why,
      JSON.stringify({ ...NO_PROGRESS, waiting: caseIds.length }),
      eventOf(order, "running"),
      ...caseIds,
    ],
  );
}

const NO_PROGRESS: OperationProgress = {
  waiting: 0,
  underWay: 0,
  through: 0,
  parkedAgain: 0,
  refused: 0,
  spentMicros: 0,
};

function eventOf(order: OperationOrder, status: Operation["status"]): string {
  const { id, group, action } = order;
  return JSON.stringify({
    event: "review.operation",
    operation: id,
    group,
    action,
    status,
  } satisfies FleetEvent);
}

export async function listRunningOperations(store: Store): Promise<string[]> {
  return store.redis.zrange(store.keys.operations, 0, "-1");
}

export async function readOperation(store: Store, id: string): Promise<Operation | null> {
  const { redis, keys } = store;
  const head = headOf(await redis.hgetall(keys.operation(id)));
  if (head === null) return null;
  const rows = Object.entries(await redis.hgetall(keys.operationCases(id)))
    .map(([caseId, row]) => ({ caseId, position: Number.parseInt(row, 10), parts: row.split("|") }))
    .sort((a, b) => a.position - b.position);
  return {
    ...head,
    cases: rows.map(({ caseId, parts: [, state, ...rest] }): OperationCase => {
      if (state === "applied") return { id: caseId, state, spentBefore: Number(rest[0]) };
      if (state === "refused") return { id: caseId, state, because: rest.join("|") };
      return { id: caseId, state: "waiting" };
    }),
  };
}

/** The last operations about a group, or those that are not over; the newest first. */
export async function listOperations(
  store: Store,
  of: { group: string } | "running",
): Promise<OperationHead[]> {
  const { redis, keys } = store;
  const ids =
    of === "running"
      ? await redis.zrevrange(keys.operations, 0, MOST_LISTED - 1)
      : await redis.lrange(keys.groupOperations(of.group), 0, MOST_LISTED - 1);
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hgetall(keys.operation(id));
  const replies = ids.length === 0 ? [] : ((await pipeline.exec()) ?? []);
  return replies.flatMap(([error, fields]) => {
    if (error) throw error;
    const head = headOf(fields as Record<string, string>);
    return head === null ? [] : [head];
  });
}

const MOST_LISTED = 20;

function headOf(fields: Record<string, string>): OperationHead | null {
  if (fields["order"] === undefined) return null;
  return {
    ...(JSON.parse(fields["order"]) as OperationOrder),
    status: fields["status"] as Operation["status"],
    because: fields["because"] ?? "",
    startedAt: Number(fields["startedAt"]),
    progress: { ...NO_PROGRESS, ...(JSON.parse(fields["progress"] ?? "{}") as Partial<OperationProgress>) },
  };
}

export async function noteProgress(
  store: Store,
  operation: OperationHead,
  progress: OperationProgress,
): Promise<void> {
  const { redis, keys } = store;
  await run(
    redis,
    NOTE_PROGRESS,
    [keys.operation(operation.id), keys.fleetEvents],
    [JSON.stringify(progress), eventOf(operation, "running")],
  );
}

/** Set once per case: what was decided is not decided again by a sweeper that comes late. */
export async function noteOperationCase(store: Store, id: string, done: OperationCase): Promise<void> {
  const state =
    done.state === "applied"
      ? `applied|${done.spentBefore}`
      : done.state === "refused"
        ? `refused|${done.because}`
        : "waiting";
  await run(store.redis, NOTE_CASE, [store.keys.operationCases(id)], [done.id, state]);
}

/** `person` where one has stopped it; what stops it by itself is no decision of anybody. */
export async function endOperation(
  store: Store,
  operation: OperationHead,
  status: "done" | "stopped",
  because: string,
  person?: Decision,
): Promise<void> {
  const { redis, keys } = store;
  const { id, group } = operation;
  await run(
    redis,
    END,
    [keys.operation(id), keys.operations, keys.fleetEvents, keys.audit],
    [id, status, because, eventOf(operation, status), group, person?.by ?? "", person?.why ?? ""],
  );
}
