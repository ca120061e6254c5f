/**
 * Finds reports for a person who looks for some: the newest first, by any of their marks at once.
 *
 * The narrowest index is walked, and the rest is compared inside Redis, so nothing but what is found comes over. A walk
 * looks at a bounded number of reports and then says where it stopped: a search that finds little among very many costs
 * several short walks and never one long one, since Redis serves nobody else meanwhile.
 */
import type { FailureKind } from "../domain/failure.ts";
import type { EpochMs, MicroUsd, ReportId } from "../domain/ids.ts";
import { REPORT_STATUSES, type ReportStatus } from "../domain/report.ts";
import type { Store } from "./redis.ts";
import { readReport, readReports, type StoredReport } from "./reports.ts";
import { run, savingScript } from "./script.ts";

const MOST_LOOKED_AT = 1_000;

const FIND = savingScript(`
-- KEYS index   ARGV report_key_prefix limit most place_at('' = the newest) place_id account type status kind tag text over_micros
local limit, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local first = 0
if ARGV[4] ~= '' then
  -- Behind this one, wherever newer orders have moved it meanwhile; gone since, behind its time.
  local rank = redis.call('ZREVRANK', KEYS[1], ARGV[5])
  first = rank and rank + 1 or redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[4], '+inf')
end
local account, type, status, kind, tag, text = ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local over = tonumber(ARGV[12])
local needs_more = kind ~= '' or tag ~= '' or text ~= ''
local function holds(id, key)
  local r = redis.call('HMGET', key, 'account', 'type', 'status')
  if not r[1] then return false end
  if account ~= '' and r[1] ~= account or type ~= '' and r[2] ~= type or status ~= '' and r[3] ~= status then return false end
  if needs_more then
    local m = redis.call('HMGET', key, 'failure', 'tags', 'because')
    if kind ~= '' and (r[3] ~= 'needs_review' or not string.find(m[1] or '', '"kind":"' .. kind .. '"', 1, true)) then return false end
    if tag ~= '' and not string.find(m[2] or '', tag, 1, true) then return false end
    if text ~= '' then
      local words = string.lower(table.concat({id, r[1], r[2], m[1] or '', m[2] or '', m[3] or ''}, ' '))
      if not string.find(words, text, 1, true) then return false end
    end
  end
  if over > 0 then
    local sum = 0
    for _, part in ipairs(redis.call('HMGET', key, 'spend.pending', 'spend.useful', 'spend.repaired', 'spend.wasted', 'spend.unknown')) do sum = sum + tonumber(part or '0') end
    if sum <= over then return false end
  end
  return true
end
local found, looked, last = {}, 0, ''
while looked < most do
  local ids = redis.call('ZREVRANGE', KEYS[1], first + looked, first + math.min(looked + 200, most) - 1)
  if #ids == 0 then return {found, '', tostring(looked)} end
  for _, id in ipairs(ids) do
    looked = looked + 1
    last = id
    if holds(id, ARGV[1] .. id) then
      found[#found + 1] = id
      if #found == limit then return {found, last, tostring(looked)} end
    end
  end
end
return {found, last, tostring(looked)}
`);

export interface Sought {
  account?: string | undefined;
  type?: string | undefined;
  status?: ReportStatus | undefined;
  /** Of the failure that a report waits for a person with. */
  kind?: FailureKind | undefined;
  tag?: { name: string; value: string } | undefined;
  /** Anywhere in id, account, type, tags and reason, in any case. */
  text?: string | undefined;
  /** Spent more than this. */
  overMicros?: MicroUsd | undefined;
}

/** Where a list goes on. */
export interface Place {
  createdAt: EpochMs;
  id: ReportId;
}

export interface Found {
  reports: StoredReport[];
  /** Behind it there may be more; null at the end. */
  next: Place | null;
  lookedAt: number;
}

export async function findReports(
  store: Store,
  sought: Sought,
  { limit, after }: { limit: number; after?: Place | undefined },
): Promise<Found> {
  const { redis, keys } = store;
  const index = await narrowestIndex(store, sought);
  const [ids, last, lookedAt] = await run<[ReportId[], ReportId | "", string]>(
    redis,
    FIND,
    [index],
    [
      keys.reportPrefix,
      limit,
      MOST_LOOKED_AT,
      after?.createdAt ?? "",
      after?.id ?? "",
      sought.account ?? "",
      sought.type ?? "",
      sought.status ?? "",
      sought.kind ?? "",
      sought.tag === undefined
        ? ""
        : `${JSON.stringify(sought.tag.name)}:${JSON.stringify(sought.tag.value)}`,
      (sought.text ?? "").toLowerCase(),
      sought.overMicros ?? 0,
    ],
  );
  const reports = await readReports(store, ids);
  return {
    reports,
    next: last === "" ? null : await placeOf(store, index, last),
    lookedAt: Number(lookedAt),
  };
}

async function placeOf(store: Store, index: string, id: ReportId): Promise<Place | null> {
  const score = await store.redis.zscore(index, id);
  if (score !== null) return { id, createdAt: Number(score) };
  // It has moved out of this very index since; its own record knows when it was ordered.
  const createdAt = (await readReport(store, id))?.report.createdAt;
  return createdAt === undefined ? null : { id, createdAt };
}

async function narrowestIndex({ redis, keys }: Store, sought: Sought): Promise<string> {
  const candidates = [
    ...(sought.account === undefined ? [] : [keys.indexAccount(sought.account)]),
    ...(sought.type === undefined ? [] : [keys.indexType(sought.type)]),
    ...(sought.status === undefined ? [] : [keys.indexStatus(sought.status)]),
    ...(sought.kind === undefined ? [] : [keys.indexStatus("needs_review")]),
  ];
  const sizes = await Promise.all(candidates.map((key) => redis.zcard(key)));
  const smallest = Math.min(...sizes);
  return candidates[sizes.indexOf(smallest)] ?? keys.indexAll;
}

export interface StatusCount {
  status: ReportStatus;
  count: number;
  /** When the oldest of them was ordered; null where there is none. */
  oldestAt: EpochMs | null;
}

export async function countByStatus({ redis, keys }: Store): Promise<StatusCount[]> {
  const pipeline = redis.pipeline();
  for (const status of REPORT_STATUSES) {
    pipeline.zcard(keys.indexStatus(status));
    pipeline.zrange(keys.indexStatus(status), "0", "0", "WITHSCORES");
  }
  const replies = (await pipeline.exec()) ?? [];
  return REPORT_STATUSES.map((status, index) => {
    const [, count] = replies[2 * index] ?? [null, 0];
    const [, oldest] = replies[2 * index + 1] ?? [null, []];
    const at = (oldest as string[])[1];
    return { status, count: Number(count), oldestAt: at === undefined ? null : Number(at) };
  });
}
