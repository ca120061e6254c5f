/**
 * Sums and lists that are derived from the records, for data that was written before there were any.
 *
 * Each release keeps them up to date with its own scripts, and an earlier release knew nothing of the newer ones. So they are
 * built anew from the records, each in one script, where the layout in the store is older than ours; and again while a
 * process of an older layout still writes. Counters (`count.ts`) are not: they count from the first version that counts.
 */
import { REPORT_STATUSES } from "../domain/report.ts";
import { caseNames, STAKES_LUA } from "./cases.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

/** Rises with each release that derives something new from what older ones have written. */
export const LAYOUT = 3;

/** Between two rebuilds while older processes live. */
const AGAIN_AFTER_MS = 60_000;
const AT_ONCE = 200;

const LIST_STATUS = savingScript(`
-- KEYS reports...   ARGV status_list_prefix statuses
for _, key in ipairs(KEYS) do
  local r = redis.call('HMGET', key, 'status', 'createdAt', 'id')
  if r[3] then
    for status in string.gmatch(ARGV[2], '%S+') do
      if status ~= r[1] then redis.call('ZREM', ARGV[1] .. status, r[3]) end
    end
    redis.call('ZADD', ARGV[1] .. r[1], r[2] or '0', r[3])
  end
end
return 'listed'
`);

const SUM_CREDITS = savingScript(`
-- KEYS totals accounts   ARGV account_key_prefix
local sums = {available = 0, held = 0, committed = 0, deposits = 0}
for _, account in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local b = redis.call('HMGET', ARGV[1] .. account, 'available', 'held', 'committed', 'deposits')
  for i, part in ipairs({'available', 'held', 'committed', 'deposits'}) do sums[part] = sums[part] + tonumber(b[i] or '0') end
end
for part, sum in pairs(sums) do redis.call('HSET', KEYS[1], part, plus(sum)) end
return 'summed'
`);

const SUM_DAY = savingScript(`
-- KEYS day sums
local sums, lines = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #lines, 2 do
  local outcome = string.match(lines[i], '^micros|[^|]*|[^|]*|([^|]*)|')
  if outcome then sums[outcome] = (sums[outcome] or 0) + tonumber(lines[i + 1]) end
end
redis.call('DEL', KEYS[2])
for outcome, sum in pairs(sums) do redis.call('HSET', KEYS[2], outcome, plus(sum)) end
return 'summed'
`);

const COUNT_OPEN_CASES = savingScript(`
-- KEYS cases counts   ARGV case_key_prefix
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.match(field, '^fleet_review_open|') then redis.call('HDEL', KEYS[2], field) end
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local c = redis.call('HMGET', ARGV[1] .. id, 'status', 'type', 'failure')
  local kind = c[3] and string.match(c[3], '"kind":"(%a+)"')
  if c[1] == 'open' and kind then redis.call('HINCRBY', KEYS[2], 'fleet_review_open|' .. c[2] .. '|' .. kind, 1) end
end
return 'counted'
`);

const WEIGH_GROUP = savingScript(`${STAKES_LUA}
-- KEYS group group_cases   ARGV group names report_key_prefix
local names, spent, wasted, credits = cjson.decode(ARGV[2]), 0, 0, 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local report = redis.call('HGET', names.case .. id, 'report')
  if report then
    local s, w = spent_on(ARGV[3] .. report)
    local r = redis.call('HMGET', ARGV[3] .. report, 'hold', 'credits', 'committed')
    local held = r[1] == 'reserved' and tonumber(r[2]) - tonumber(r[3] or '0') or 0
    redis.call('HSET', names.case .. id, 'spent', plus(s), 'wasted', plus(w), 'credits', plus(held))
    spent, wasted, credits = spent + s, wasted + w, credits + held
  end
end
redis.call('HDEL', KEYS[1], 'spent', 'wasted', 'credits')
at_stake(names, ARGV[1], plus(spent), plus(wasted), plus(credits))
return 'weighed'
`);

const SINCE = savingScript(`
-- KEYS open_holds   ARGV hold_key_prefix
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local at = redis.call('HGET', ARGV[1] .. id, 'at')
  if at then redis.call('ZADD', KEYS[1] .. ':since', at, id) end
end
return 'listed'
`);

/** When this process has built them last. */
const builtAt = new WeakMap<Store, number>();

export async function keepLayout(store: Store): Promise<void> {
  const { redis, keys } = store;
  if (Number((await redis.get(keys.layout)) ?? "0") >= LAYOUT) return;
  const isRolling = await hasOlderProcess(store);
  const sinceMs = performance.now() - (builtAt.get(store) ?? Number.NEGATIVE_INFINITY);
  if (isRolling && sinceMs < AGAIN_AFTER_MS) return;
  builtAt.set(store, performance.now());
  await buildDerived(store);
  if (!isRolling) await redis.set(keys.layout, String(LAYOUT));
}

/** One that would not find what this release has written otherwise. */
export async function hasOlderProcess({ redis, keys }: Store): Promise<boolean> {
  const ids = await redis.smembers(keys.processes);
  const layouts = await Promise.all(ids.map((id) => redis.hget(keys.process(id), "layout")));
  return layouts.some((layout) => Number(layout ?? "1") < LAYOUT);
}

async function buildDerived(store: Store): Promise<void> {
  const { redis, keys } = store;
  const statusLists = keys.indexStatus("pending").slice(0, -"pending".length);
  for (let from = 0; ; from += AT_ONCE) {
    const ids = (await redis.zrange(
      keys.indexAll,
      String(from),
      String(from + AT_ONCE - 1),
    )) as `rp-${string}`[];
    if (ids.length === 0) break;
    await run(
      redis,
      LIST_STATUS,
      ids.map((id) => keys.report(id)),
      [statusLists, REPORT_STATUSES.join(" ")],
    );
  }
  await run(redis, SUM_CREDITS, [keys.creditTotals, keys.accounts], [keys.account("")]);
  const today = Math.floor(Number((await redis.time())[0]) / 86_400);
  // The books keep a year and a bit; a day without lines costs one look.
  for (let day = today - 400; day <= today; day++)
    if ((await redis.exists(keys.spendOfDay(day))) === 1)
      await run(redis, SUM_DAY, [keys.spendOfDay(day), keys.spendSums(day)], []);
  await run(redis, SINCE, [keys.openHolds], [keys.hold("")]);
  const names = JSON.stringify(caseNames(store, "rp-none"));
  for (const group of await redis.zrange(keys.groups, "0", "-1"))
    await run(
      redis,
      WEIGH_GROUP,
      [keys.group(group), keys.groupCases(group)],
      [group, names, keys.reportPrefix],
    );
  await run(redis, COUNT_OPEN_CASES, [keys.cases, keys.counts], [keys.case("")]);
}
