/**
 * Admit: one script takes an order or refuses it. Idempotency, the credit hold, the report record, the outbox entry
 * and the first events exist together or not at all, so an acknowledged order cannot be half there.
 *
 * A refused order leaves no trace: it does not use up its idempotency key, and it stores no source.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { DEFAULT_BREAKER, type BreakerSettings, type Opening } from "../domain/breaker.ts";
import type { FleetEvent } from "../domain/events.ts";
import { DEFAULT_PRIORITY, MOST_COUNTED, WEIGHT_OF, type Priority } from "../domain/fairness.ts";
import type { EpochMs, MicroUsd, ReportId } from "../domain/ids.ts";
import { holdIdOf, LEDGER_LUA } from "./credits.ts";
import { BREAKER_LUA } from "./breakers.ts";
import { openingOf } from "./read-breakers.ts";
import { MEMORY_LUA } from "./memory.ts";
import { pack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { run, startingScript, type ScriptArgument } from "./script.ts";
import { SNAPSHOT_LUA } from "./snapshots.ts";

const ADMIT = startingScript(`${LEDGER_LUA}${BREAKER_LUA}${SNAPSHOT_LUA}${MEMORY_LUA}
-- KEYS report source account ledger hold idempotency events fleet_events outbox wakeups index_all index_account index_type open_holds same_order
--      waiting running deliver_by source_readers
-- ARGV id account type type_version credits budget_micros source_hash source_bytes source body_hash('' = no key) wake_after_ms hold_id
--      submitted_event reserved_event breaker when_open again('again' | '') report_key_prefix
--      priority weight most_counted max_waiting('' = no limit) deliver_by('' = none) tags callback('' = none) traceparent('' = none)
local id, account, credits = ARGV[1], ARGV[2], tonumber(ARGV[5])
local turn_before = redis.call('HGET', KEYS[1], 'turn')
if turn_before then return {'admitted', id, turn_before} end
if ARGV[10] ~= '' then
  local known = redis.call('HMGET', KEYS[6], 'body', 'report')
  if known[2] then
    if known[1] == ARGV[10] then return {'repeated', known[2]} end
    return {'conflict', known[2]}
  end
end
local same = redis.call('GET', KEYS[15])
if same and ARGV[17] ~= 'again' then
  local s = redis.call('HMGET', ARGV[18] .. same, 'status', 'sourceHash')
  local open = s[1] and s[1] ~= 'completed' and s[1] ~= 'failed' and s[1] ~= 'cancelled'
  -- Corrected since, it is written from other data than these.
  if open and s[2] == ARGV[7] then
    -- The key is bound all the same: sent again after that report has ended, it must not become a second order.
    if ARGV[10] ~= '' then redis.call('HSET', KEYS[6], 'body', ARGV[10], 'report', same, 'at', now_ms()) end
    return {'open_order', same}
  end
end
local full = memory_stops_orders()
if full then return {'store_full', full} end
local waiting = redis.call('ZCARD', KEYS[16])
if ARGV[22] ~= '' and waiting >= tonumber(ARGV[22]) then return {'too_many', tostring(waiting)} end
if ARGV[23] ~= '' and tonumber(ARGV[23]) <= now_ms() then return {'too_late', ARGV[23]} end
local available = tonumber(redis.call('HGET', KEYS[3], 'available') or '0')
if available < credits then return {'insufficient', tostring(available)} end

local now = now_ms()
local turn = plus(math.min(waiting + redis.call('ZCARD', KEYS[17]) + 1, tonumber(ARGV[21])) * tonumber(ARGV[20]))
local state = breaker_saw(ARGV[15], KEYS[8], now, tonumber(ARGV[4]))
if state == 'open' and ARGV[16] == 'refuse' then
  local why = redis.call('HMGET', ARGV[15], 'opening', 'evidence')
  return {'disabled', why[1], why[2]}
end
redis.call('HSET', KEYS[1], 'v', 1, 'id', id, 'account', account, 'type', ARGV[3], 'typeVersion', ARGV[4],
  'credits', ARGV[5], 'hold', 'reserved', 'holdId', ARGV[12], 'budgetMicros', ARGV[6], 'sourceHash', ARGV[7], 'sourceBytes', ARGV[8],
  'run', 1, 'round', 0, 'running', 0, 'waiting', 0, 'createdAt', now, 'updatedAt', now,
  'priority', ARGV[19], 'turn', turn)
enter_status(KEYS[1], 'pending')
if ARGV[24] ~= '{}' then redis.call('HSET', KEYS[1], 'tags', ARGV[24]) end
if ARGV[25] ~= '' then redis.call('HSET', KEYS[1], 'callback', ARGV[25]) end
if ARGV[26] ~= '' then redis.call('HSET', KEYS[1], 'traceparent', ARGV[26]) end
redis.call('ZADD', KEYS[16], now, id)
if ARGV[23] ~= '' then
  redis.call('HSET', KEYS[1], 'deliverBy', ARGV[23])
  redis.call('ZADD', KEYS[18], now, id)
end
keep_snapshot(KEYS[2], KEYS[19], ARGV[9], id)
reserve_hold(KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[14], ARGV[12], id, account, credits, now, tonumber(ARGV[11]))
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[6], 'body', ARGV[10], 'report', id, 'at', now)
  redis.call('HSET', KEYS[1], 'idempotency', KEYS[6])
end
emit(KEYS[7], KEYS[8], ARGV[13])
emit(KEYS[7], KEYS[8], ARGV[14])
redis.call('SET', KEYS[15], id)
redis.call('ZADD', KEYS[9], now, id)
redis.call('ZADD', KEYS[10], now + tonumber(ARGV[11]), id)
redis.call('ZADD', KEYS[11], now, id)
redis.call('ZADD', KEYS[12], now, id)
redis.call('ZADD', KEYS[13], now, id)
return {'admitted', id, turn}
`);

export interface Order {
  /** Made by the caller, so that a repeat of a lost reply finds its own report. */
  id: ReportId;
  account: string;
  type: string;
  typeVersion: number;
  credits: number;
  budgetMicros: MicroUsd;
  source: { canonical: string; hash: string; bytes: number };
  idempotencyKey: string | null;
  /** Order anew though an equal order of the account is still open. */
  again?: boolean | undefined;
  /** What becomes of it where the type is stopped; refused unless the type says otherwise. */
  whenOpen?: BreakerSettings["whenOpen"];
  priority?: Priority | undefined;
  /** Wanted by then; the fleet says so when it will be later. */
  deliverBy?: EpochMs | null | undefined;
  /** The caller's own words, returned with the report and never read. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** Where the end of this report is told, besides the account's webhook endpoints. */
  callback?: string | undefined;
  /** The trace it was ordered in, as W3C Trace Context writes it; null where nothing is traced. */
  traceparent?: string | null;
  /** How many reports of the account may wait; null is no limit. */
  maxWaiting?: number | null;
}

export type Admission =
  | { outcome: "admitted"; report: ReportId; turn: number }
  /** The same key with the same order came before. */
  | { outcome: "repeated"; report: ReportId }
  /** An equal order of the account is still being written or reviewed. */
  | { outcome: "open_order"; report: ReportId }
  /** The same key came before with another order. */
  | { outcome: "conflict"; report: ReportId }
  | { outcome: "insufficient_credits"; available: number }
  /** As many reports of the account wait as may. */
  | { outcome: "too_many_reports"; waiting: number }
  /** Redis has no room for new work; null where it is too full even to say how much of it is in use. */
  | { outcome: "store_full"; usedPercent: number | null }
  /** It is wanted by a time that has passed. */
  | { outcome: "too_late" }
  /** The type is stopped, and orders for it are not held. */
  | { outcome: "type_disabled"; opening: Opening };

export async function admit(store: Store, order: Order, wakeAfterMs: number): Promise<Admission> {
  const { redis, keys } = store;
  const { id, account, type } = order;
  const hold = holdIdOf(id);
  const events = {
    submitted: {
      event: "report.submitted",
      report: id,
      type,
      typeVersion: order.typeVersion,
      credits: order.credits,
    },
    reserved: { event: "credits", report: id, verb: "reserve", credits: order.credits },
  } satisfies Record<string, FleetEvent>;
  const [word, detail, more] = await runWhileRoom(
    redis,
    [
      keys.report(id),
      keys.source(account, order.source.hash),
      keys.account(account),
      keys.ledger(account),
      keys.hold(hold),
      keys.idempotency(account, sha256(order.idempotencyKey ?? "")),
      keys.events(id),
      keys.fleetEvents,
      keys.outbox,
      keys.wakeups,
      keys.indexAll,
      keys.indexAccount(account),
      keys.indexType(type),
      keys.openHolds,
      keys.sameOrder(account, type, order.source.hash),
      keys.waiting(account),
      keys.running(account),
      keys.deliverBy,
      keys.sourceReaders(account, order.source.hash),
    ],
    [
      id,
      account,
      type,
      order.typeVersion,
      order.credits,
      order.budgetMicros,
      order.source.hash,
      order.source.bytes,
      pack(order.source.canonical),
      order.idempotencyKey === null ? "" : bodyHash(order),
      wakeAfterMs,
      hold,
      JSON.stringify(events.submitted),
      JSON.stringify(events.reserved),
      keys.breaker(type),
      order.whenOpen ?? DEFAULT_BREAKER.whenOpen,
      order.again === true ? "again" : "",
      keys.reportPrefix,
      order.priority ?? DEFAULT_PRIORITY,
      WEIGHT_OF[order.priority ?? DEFAULT_PRIORITY],
      MOST_COUNTED,
      order.maxWaiting ?? "",
      order.deliverBy ?? "",
      JSON.stringify(order.tags ?? {}),
      order.callback ?? "",
      order.traceparent ?? "",
    ],
  );
  switch (word) {
    case "admitted":
      return { outcome: "admitted", report: detail as ReportId, turn: Number(more) };
    case "repeated":
      return { outcome: "repeated", report: detail as ReportId };
    case "open_order":
      return { outcome: "open_order", report: detail as ReportId };
    case "conflict":
      return { outcome: "conflict", report: detail as ReportId };
    case "disabled": {
      const opening = openingOf(detail, more);
      if (opening === null) throw new Error(`The breaker of ${type} is open but does not say why.`);
      return { outcome: "type_disabled", opening };
    }
    case "too_many":
      return { outcome: "too_many_reports", waiting: Number(detail) };
    case "store_full":
      return { outcome: "store_full", usedPercent: detail === "" ? null : Number(detail) };
    case "too_late":
      return { outcome: "too_late" };
    case "insufficient":
      return { outcome: "insufficient_credits", available: Number(detail) };
    default:
      throw new Error(`admit answered ${word}, which no version of this program knows.`);
  }
}

type Reply = [word: string, detail: string, more?: string];

/** With full memory Redis refuses the script before it begins. */
async function runWhileRoom(
  redis: Redis,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<Reply> {
  try {
    return await run<Reply>(redis, ADMIT, keys, args);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("OOM ")) return ["store_full", ""];
    throw error;
  }
}

/** What makes two orders the same order. The version is left out: a deploy between two tries must not turn a repeat into a conflict. */
function bodyHash(order: Order): string {
  return sha256(JSON.stringify([order.type, order.source.hash]));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
