/**
 * Where an account's reports stand: waiting for their first section, or taking one of its running places.
 *
 *     waiting ──start of a round──▶ running ──delivered, ended, parked, postponed──▶ (neither)
 *        └──no place free──▶ waiting and capped ──the sweeper rings it once a place is free──▶ running
 *
 * Sets and not counters: a script that runs twice, or a report that ends twice, cannot count wrong. A capped report has
 * no job and costs nothing; its status stays what it was.
 */
import type { ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";

export const PLACES_LUA = `
local function places_of(report_key)
  local account, report_type = unpack(redis.call('HMGET', report_key, 'account', 'type'))
  local root = string.match(report_key, '^(.-):report:')
  account = account or ''
  return {root = root, account = account, waiting = root .. ':waiting:' .. account, running = root .. ':running:' .. account,
    capped = root .. ':capped:' .. account, capped_accounts = root .. ':capped', stopped = root .. ':breaker:' .. (report_type or '') .. ':waiting'}
end
local function forget_capped(p, id)
  if redis.call('ZREM', p.capped, id) == 1 and redis.call('EXISTS', p.capped) == 0 then redis.call('SREM', p.capped_accounts, p.account) end
end
local function stand_in_line(report_key, id, now)
  local p = places_of(report_key)
  if not redis.call('ZSCORE', p.running, id) then redis.call('ZADD', p.waiting, 'NX', now, id) end
end
local function place_is_free(report_key, id, limit)
  if limit == '' then return true end
  local p = places_of(report_key)
  return redis.call('ZSCORE', p.running, id) ~= false or redis.call('ZCARD', p.running) < tonumber(limit)
end
local function take_place(report_key, id, now)
  local p = places_of(report_key)
  redis.call('ZADD', p.running, 'NX', now, id)
  redis.call('ZREM', p.waiting, id)
  forget_capped(p, id)
end
local function wait_for_place(report_key, id, now)
  local p = places_of(report_key)
  -- It stands in one line at a time, or the line of its type's breaker would have it rung in vain on every sweep.
  redis.call('ZREM', p.stopped, id)
  redis.call('ZADD', p.waiting, 'NX', now, id)
  redis.call('ZADD', p.capped, 'NX', now, id)
  redis.call('SADD', p.capped_accounts, p.account)
end
local function leave_places(report_key, id)
  local p = places_of(report_key)
  redis.call('ZREM', p.waiting, id)
  redis.call('ZREM', p.running, id)
  forget_capped(p, id)
  return p
end
-- Nobody works on it any more: no line has a use for it, its type's breaker's neither.
local function leave_lines(report_key, id)
  redis.call('ZREM', leave_places(report_key, id).stopped, id)
end
`;

export interface Places {
  waiting: number;
  running: number;
}

export async function countPlaces(store: Store, account: string): Promise<Places> {
  const { redis, keys } = store;
  const [waiting, running] = await Promise.all([
    redis.zcard(keys.waiting(account)),
    redis.zcard(keys.running(account)),
  ]);
  return { waiting, running };
}

/** Accounts with reports that wait for a running place. */
export async function listCappedAccounts(store: Store): Promise<string[]> {
  return store.redis.smembers(store.keys.cappedAccounts);
}

/** Those that wait longest first. */
export async function listCapped(store: Store, account: string, limit: number): Promise<ReportId[]> {
  return (await store.redis.zrange(store.keys.capped(account), "0", String(limit - 1))) as ReportId[];
}
