/** Stop everything: while spending is stopped, no call begins anywhere; reports wait and nothing is lost. */
import type { EpochMs } from "../domain/ids.ts";
import { AUDIT_LUA } from "./audit.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

/**
 * `spending_gate` answers nil when a call may be paid (and whether today's sums were begun), else {wait_ms, why}. Today's
 * sums hold estimates of calls in flight, so parallel workers cannot pass a cap together. A cap of -1 is none; days are UTC.
 */
export const SPENDING_LUA = `
local function today(key, now)
  local day = tostring(math.floor(now / 86400000))
  if redis.call('HGET', key, 'day') ~= day then
    redis.call('DEL', key)
    redis.call('HSET', key, 'day', day, 'total', 0)
  end
end
-- A cap is told once a day. The mark lies with the day's sums and goes with them.
local function tell_cap(today_key, now, scope, account)
  today(today_key, now)
  if redis.call('HSETNX', today_key, 'told:' .. scope .. ':' .. account, now) == 0 then return end
  local root = string.match(today_key, '^(.-):')
  local event = '{"event":"spending.capped","scope":"' .. scope .. '"}'
  emit('', root .. ':events', event)
  announce(root, account, '', '', event)
end
local function spending_gate(stop_key, today_key, now, account, estimate, fleet_cap, account_cap)
  local reason = redis.call('HGET', stop_key, 'reason')
  if reason then return {2000, 'spending_stopped', reason} end
  local t = redis.call('HMGET', today_key, 'day', 'total', 'account:' .. account)
  local is_today = t[1] == tostring(math.floor(now / 86400000))
  local total, own = is_today and tonumber(t[2] or '0') or 0, is_today and tonumber(t[3] or '0') or 0
  local tomorrow = (math.floor(now / 86400000) + 1) * 86400000 - now
  if fleet_cap >= 0 and total + estimate > fleet_cap then
    tell_cap(today_key, now, 'fleet', '')
    return {math.min(tomorrow, 60000), 'fleet_cap', ''}
  end
  if account_cap >= 0 and own + estimate > account_cap then
    tell_cap(today_key, now, 'account', account)
    return {math.min(tomorrow, 60000), 'account_cap', ''}
  end
  return nil, is_today
end
-- The books know when a request left: '<outcome>|<micros>|<kind>|<begun at>|<model>'.
local function begun_at(row)
  return tonumber(string.match(row or '', '^[^|]*|[^|]*|[^|]*|(%d+)|') or '')
end
local function begun_today(row, now)
  local begun = begun_at(row)
  return begun and math.floor(begun / 86400000) == math.floor(now / 86400000)
end
local function book_today(today_key, now, account, micros, day_is_open)
  if not day_is_open then today(today_key, now) end
  redis.call('HINCRBY', today_key, 'total', micros)
  redis.call('HINCRBY', today_key, 'account:' .. account, micros)
end
`;

const STOP = savingScript(`${AUDIT_LUA}
-- KEYS stop fleet_events audit   ARGV reason by event
if redis.call('HSETNX', KEYS[1], 'reason', ARGV[1]) == 0 then return 'stopped_before' end
redis.call('HSET', KEYS[1], 'by', ARGV[2], 'at', now_ms())
emit('', KEYS[2], ARGV[3])
audit(KEYS[3], 'stop_spending', '', '', ARGV[2], ARGV[1], 'spending', 'stopped')
return 'stopped'
`);

const START = savingScript(`${AUDIT_LUA}
-- KEYS stop fleet_events audit   ARGV event by why
local reason = redis.call('HGET', KEYS[1], 'reason')
if redis.call('DEL', KEYS[1]) == 0 then return 'not_stopped' end
emit('', KEYS[2], ARGV[1])
audit(KEYS[3], 'start_spending', '', '', ARGV[2], ARGV[3], 'stopped: ' .. (reason or ''), 'spending')
return 'started'
`);

export interface SpendingStop {
  reason: string;
  by: string;
  at: EpochMs;
}

export async function stopSpending(
  store: Store,
  reason: string,
  by: string,
): Promise<"stopped" | "stopped_before"> {
  const event = JSON.stringify({ event: "spending.stopped", reason, by });
  const { redis, keys } = store;
  return run(redis, STOP, [keys.spendingStop, keys.fleetEvents, keys.audit], [reason, by, event]);
}

export async function startSpending(store: Store, by: string, why = ""): Promise<"started" | "not_stopped"> {
  const { redis, keys } = store;
  const event = JSON.stringify({ event: "spending.started", by });
  return run(redis, START, [keys.spendingStop, keys.fleetEvents, keys.audit], [event, by, why]);
}

export async function readSpendingStop(store: Store): Promise<SpendingStop | null> {
  const { reason, by, at } = await store.redis.hgetall(store.keys.spendingStop);
  return reason === undefined ? null : { reason, by: by ?? "", at: Number(at) };
}
