/**
 * Group actions: one decision for every case of a group, kept in the store and carried on by whichever orchestrator
 * sweeps, so that no process has to live through it.
 *
 *     operation         what, who, why, its limits, and how it stands: running ─▶ done | stopped
 *     operation:cases   case → "<position>|waiting", "<position>|applied|<spent before>", "<position>|refused|<why>"
 */
import type { EpochMs, MicroUsd } from "../domain/ids.ts";
import type { Action, Decision, PromptChoice } from "../domain/review.ts";
import { AUDIT_LUA } from "./audit.ts";
import type { Store } from "./redis.ts";
import { run, savingScript, startingScript } from "./script.ts";

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
  cases: OperationCase[];
}

export type OperationCase = { id: string } & (
  | { state: "waiting" }
  | { state: "applied"; spentBefore: MicroUsd }
  | { state: "refused"; because: string }
);

const START = startingScript(`${AUDIT_LUA}
-- KEYS operation cases operations audit   ARGV id order action group by why case...
if redis.call('EXISTS', KEYS[1]) == 1 then return 'started' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'order', ARGV[2], 'status', 'running', 'because', '', 'startedAt', now)
for i = 7, #ARGV do redis.call('HSET', KEYS[2], ARGV[i], (i - 7) .. '|waiting') end
redis.call('ZADD', KEYS[3], now, ARGV[1])
audit(KEYS[4], ARGV[3], '', 'group ' .. ARGV[4], ARGV[5], ARGV[6], '', 'operation ' .. ARGV[1])
return 'started'
`);

const NOTE_CASE = savingScript(`
-- KEYS cases   ARGV case state
local row = redis.call('HGET', KEYS[1], ARGV[1])
if not row or not string.find(row, '|waiting', 1, true) then return 'noted' end
redis.call('HSET', KEYS[1], ARGV[1], string.match(row, '^(%d+)|') .. '|' .. ARGV[2])
return 'noted'
`);

const END = savingScript(`
-- KEYS operation operations   ARGV id status because
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 'ended_before' end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'because', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
return 'ended'
`);

export async function startOperation(
  store: Store,
  order: OperationOrder,
  caseIds: readonly string[],
): Promise<void> {
  const { redis, keys } = store;
  await run(
    redis,
    START,
    [keys.operation(order.id), keys.operationCases(order.id), keys.operations, keys.audit],
    [order.id, JSON.stringify(order), order.action, order.group, order.by, order.why, ...caseIds],
  );
}

export async function listRunningOperations(store: Store): Promise<string[]> {
  return store.redis.zrange(store.keys.operations, 0, "-1");
}

export async function readOperation(store: Store, id: string): Promise<Operation | null> {
  const { redis, keys } = store;
  const fields = await redis.hgetall(keys.operation(id));
  if (fields["order"] === undefined) return null;
  const rows = Object.entries(await redis.hgetall(keys.operationCases(id)))
    .map(([caseId, row]) => ({ caseId, position: Number.parseInt(row, 10), parts: row.split("|") }))
    .sort((a, b) => a.position - b.position);
  return {
    ...(JSON.parse(fields["order"]) as OperationOrder),
    status: fields["status"] as Operation["status"],
    because: fields["because"] ?? "",
    startedAt: Number(fields["startedAt"]),
    cases: rows.map(({ caseId, parts: [, state, ...rest] }): OperationCase => {
      if (state === "applied") return { id: caseId, state, spentBefore: Number(rest[0]) };
      if (state === "refused") return { id: caseId, state, because: rest.join("|") };
      return { id: caseId, state: "waiting" };
    }),
  };
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

export async function endOperation(
  store: Store,
  id: string,
  status: "done" | "stopped",
  because: string,
): Promise<void> {
  const { redis, keys } = store;
  await run(redis, END, [keys.operation(id), keys.operations], [id, status, because]);
}
