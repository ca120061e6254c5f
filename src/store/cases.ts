/**
 * Review cases: opened by the very script that parks, so that nothing waits for a person without saying why, and closed
 * by the script that carries out a decision or ends the report.
 *
 * The scripts that open and close cases lie in other files (`sections.ts`, `reports.ts`, `resume.ts`, …); they take the
 * pieces below. Those find their keys by names that travel with their arguments, made by `caseNames`.
 */
import {
  groupOf,
  type Action,
  type CaseEvidence,
  type CaseState,
  type ReviewCase,
} from "../domain/review.ts";
import type { Message, ModelConfig } from "../domain/call.ts";
import type { EpochMs, ReportId } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import { packJson, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { isKnownForm } from "./version.ts";
import { run, savingScript } from "./script.ts";

/**
 * What waits for a person in a group is kept as sums beside it, and the groups stand in an index for each order they are
 * read in: a group of ten thousand cases is shown as fast as one of two. A case keeps what it has added, so that closing
 * it takes away the same. What its report goes on to spend is added once the report itself stops (`recount_cases`).
 */
export const STAKES_LUA = `
local function spent_on(report_key)
  local spent, r = 0, redis.call('HMGET', report_key, 'spend.wasted', 'spend.pending', 'spend.useful', 'spend.repaired', 'spend.unknown')
  for i = 1, 5 do spent = spent + tonumber(r[i] or '0') end
  return spent, tonumber(r[1] or '0')
end
local function at_stake(names, group, micros, wasted, credits)
  redis.call('HINCRBY', names.group .. group, 'spent', micros)
  redis.call('HINCRBY', names.group .. group, 'wasted', wasted)
  redis.call('HINCRBY', names.group .. group, 'credits', credits)
  local open = redis.call('ZCARD', names.groupCases .. group)
  if open == 0 then
    for _, index in ipairs({names.groups, names.groupsByAge, names.groupsBySize, names.groupsByCredits}) do redis.call('ZREM', index, group) end
    return
  end
  redis.call('ZADD', names.groupsByAge, redis.call('ZRANGE', names.groupCases .. group, 0, 0, 'WITHSCORES')[2], group)
  redis.call('ZADD', names.groupsBySize, open, group)
  redis.call('ZADD', names.groupsByCredits, redis.call('HGET', names.group .. group, 'credits'), group)
end
local function recount_cases(names, report_key)
  local spent, wasted = spent_on(report_key)
  for _, id in ipairs(redis.call('ZRANGE', names.casesOf, 0, -1)) do
    local c = redis.call('HMGET', names.case .. id, 'status', 'group', 'spent', 'wasted')
    if c[1] == 'open' then
      redis.call('HSET', names.case .. id, 'spent', plus(spent), 'wasted', plus(wasted))
      at_stake(names, c[2], plus(spent - tonumber(c[3] or '0')), plus(wasted - tonumber(c[4] or '0')), '0')
    end
  end
end
`;

/**
 * Opens a case, once per fence (or run, for a case of the report itself). `c` is what `parked_case` read before the
 * script's first write, nil where nothing is parked.
 */
export const OPEN_CASE_LUA = `${STAKES_LUA}
local function parked_case(doc)
  if doc == '' then return nil end
  return cjson.decode(doc)
end
local function open_case(c, prompt, report_key, section_key, calls_key, events, fleet_events, now)
  if not c then return end
  local r = redis.call('HMGET', report_key, 'account', 'typeVersion', 'run', 'hold', 'credits', 'committed')
  local spent, wasted = spent_on(report_key)
  -- What a delivery in part has committed is not held again while the rest is written.
  local credits = plus(r[4] == 'reserved' and tonumber(r[5]) - tonumber(r[6] or '0') or 0)
  local s, take, id = {}, '', c.report .. '.r' .. r[3]
  if c.section ~= '' then
    s = redis.call('HMGET', section_key, 'transient', 'repair', 'crash', 'fence')
    id = c.report .. '.' .. c.section .. '.' .. (s[4] or '0')
    if c.callKey ~= '' then take = string.match(redis.call('HGET', calls_key, c.callKey) or '', '^(%d+):') or '' end
  end
  if redis.call('EXISTS', c.names.case .. id) == 1 then return end
  redis.call('HSET', c.names.case .. id, 'v', 1, 'id', id, 'version', 1, 'status', 'open', 'report', c.report, 'account', r[1], 'type', c.type,
    'typeVersion', r[2], 'section', c.section, 'run', r[3], 'failure', c.failure, 'group', c.group, 'openedAt', now,
    'transient', s[1] or '0', 'repair', s[2] or '0', 'crash', s[3] or '0', 'spent', plus(spent), 'wasted', plus(wasted), 'credits', credits,
    'call', c.call, 'callKey', c.callKey, 'take', take, 'promptVersion', c.promptVersion, 'model', c.model, 'path', c.path, 'halts', c.halts or '')
  if prompt ~= '' then redis.call('HSET', c.names.case .. id, 'prompt', prompt) end
  redis.call('ZADD', c.names.cases, now, id)
  redis.call('ZADD', c.names.casesOf, now, id)
  redis.call('ZADD', c.names.groups, now, c.group)
  redis.call('ZADD', c.names.groupCases .. c.group, now, id)
  redis.call('HSETNX', c.names.group .. c.group, 'firstSeen', now)
  redis.call('HSET', c.names.group .. c.group, 'type', c.type, 'section', c.section, 'failure', c.failure, 'lastSeen', now)
  redis.call('HINCRBY', c.names.group .. c.group, 'seen', 1)
  local root, what = string.match(report_key, '^(.-}):'), '|' .. c.type .. '|' .. string.match(c.failure, '"kind":"(%a+)"')
  count(root, 'fleet_review_opened_total' .. what)
  count(root, 'fleet_review_open' .. what)
  at_stake(c.names, c.group, plus(spent), plus(wasted), credits)
  emit(events, fleet_events, cjson.encode({event = 'review.opened', report = c.report, type = c.type, section = c.section, case = id, group = c.group}))
end
`;

/** Resolves one case, or every open case of a report. `names` is what `caseNames` made, decoded. */
export const CLOSE_CASES_LUA = `${STAKES_LUA}
local function close_case(names, id, action, by, why, operation, now)
  local case_key = names.case .. id
  local c = redis.call('HMGET', case_key, 'status', 'group', 'type', 'failure', 'openedAt', 'spent', 'wasted', 'credits')
  if c[1] ~= 'open' then return end
  local root = string.match(case_key, '^(.-}):')
  count(root, 'fleet_review_open|' .. c[3] .. '|' .. string.match(c[4], '"kind":"(%a+)"'), -1)
  count(root, 'fleet_review_resolved_total|' .. action)
  observe(root, 'fleet_review_wait_seconds', '', now - tonumber(c[5]))
  redis.call('HINCRBY', case_key, 'version', 1)
  redis.call('HSET', case_key, 'status', 'resolved', 'action', action, 'by', by, 'why', why, 'operation', operation, 'resolvedAt', now)
  redis.call('ZREM', names.cases, id)
  redis.call('ZREM', names.groupCases .. c[2], id)
  redis.call('ZADD', names.decided, now, id)
  redis.call('ZREMRANGEBYRANK', names.decided, 0, -1001)
  redis.call('ZREM', names.claims, id)
  redis.call('HDEL', names.claimers, id)
  at_stake(names, c[2], minus(tonumber(c[6] or '0')), minus(tonumber(c[7] or '0')), minus(tonumber(c[8] or '0')))
end
local function close_cases(names, action, by, why, operation, now)
  for _, id in ipairs(redis.call('ZRANGE', names.casesOf, 0, -1)) do close_case(names, id, action, by, why, operation, now) end
  redis.call('ZREM', names.deadlines, names.report)
end
`;

/** Key names for the pieces above. */
export function caseNames(store: Store, report: ReportId) {
  const { keys } = store;
  return {
    report,
    case: keys.case(""),
    cases: keys.cases,
    casesOf: keys.casesOf(report),
    groups: keys.groups,
    group: keys.group(""),
    groupCases: keys.groupCases(""),
    groupsByAge: keys.groupsByAge,
    groupsBySize: keys.groupsBySize,
    groupsByCredits: keys.groupsByCredits,
    decided: keys.decidedCases,
    claims: keys.caseClaims,
    claimers: keys.caseClaimers,
    deadlines: keys.reviewDeadlines,
  };
}

/** The question that failed, as it was rendered; kept with the case and nowhere else. */
export interface AskedQuestion {
  call: string;
  callKey: string;
  promptVersion: string;
  messages: readonly Message[];
  model: ModelConfig;
}

export interface Parked {
  report: ReportId;
  type: string;
  /** Null for a case of the report itself. */
  section: string | null;
  failure: FailureSummary;
  question?: AskedQuestion | undefined;
  /** Where the output breaks its schema. */
  path?: string | undefined;
  /** The report's other sections stop for it too. */
  halts?: boolean | undefined;
}

/** The two arguments a script that opens a case takes: what was parked, and the prompt, packed. */
export function openingArguments(store: Store, parked: Parked | null): [string, Buffer | string] {
  if (parked === null) return ["", ""];
  const { report, type, section, failure, question } = parked;
  const doc = {
    names: caseNames(store, report),
    report,
    type,
    section: section ?? "",
    failure: JSON.stringify(failure),
    group: groupOf(type, section, failure.fingerprint),
    call: question?.call ?? "",
    callKey: question?.callKey ?? "",
    promptVersion: question?.promptVersion ?? "",
    model: question?.model.model ?? "",
    path: parked.path ?? "",
    halts: parked.halts === true ? "1" : "",
  };
  return [JSON.stringify(doc), question === undefined ? "" : packJson(question)];
}

export async function readCase(store: Store, id: string): Promise<ReviewCase | null> {
  const [found = null] = await readCases(store, [id]);
  return found;
}

/** The question of a case as it was asked, or null where none failed. */
export async function readQuestion(store: Store, id: string): Promise<AskedQuestion | null> {
  const packed = await store.redis.hgetBuffer(store.keys.case(id), "prompt");
  const unpacked = packed === null ? null : unpack(packed);
  return unpacked?.ok ? (JSON.parse(unpacked.text) as AskedQuestion) : null;
}

export interface CaseFilter {
  /** Cases of this report, resolved ones too; else only open ones. */
  report?: ReportId | undefined;
  group?: string | undefined;
  account?: string | undefined;
  limit: number;
  /** How many to pass over; pages are stable as long as nothing is resolved meanwhile. */
  offset?: number | undefined;
}

/** Oldest first: whoever waited longest is seen first. */
export async function listCases(store: Store, filter: CaseFilter): Promise<ReviewCase[]> {
  const { keys, redis } = store;
  const index =
    filter.report !== undefined
      ? keys.casesOf(filter.report)
      : filter.group !== undefined
        ? keys.groupCases(filter.group)
        : keys.cases;
  const found: ReviewCase[] = [];
  const pageSize = 200;
  for (let start = filter.offset ?? 0; found.length < filter.limit; start += pageSize) {
    const ids = await redis.zrange(index, start, String(start + pageSize - 1));
    if (ids.length === 0) break;
    for (const one of await readCases(store, ids)) {
      if (filter.account !== undefined && one.account !== filter.account) continue;
      found.push(one);
      if (found.length === filter.limit) break;
    }
  }
  return found;
}

/** All but the question, which is as large as its source and is read for itself. */
const CASE_FIELDS = (
  "v id version status report account type typeVersion section run failure group openedAt transient repair crash " +
  "spent wasted credits call callKey take promptVersion model path action by why resolvedAt"
).split(" ");

/** In the order of the ids; what is gone meanwhile is left out. */
export async function readCases(store: Store, ids: readonly string[]): Promise<ReviewCase[]> {
  if (ids.length === 0) return [];
  const pipeline = store.redis.pipeline();
  for (const id of ids) pipeline.hmget(store.keys.case(id), ...CASE_FIELDS);
  return ((await pipeline.exec()) ?? []).flatMap(([error, row]) => {
    if (error) throw error;
    const values = row as (string | null)[];
    const fields = Object.fromEntries(
      CASE_FIELDS.flatMap((name, index) =>
        typeof values[index] === "string" ? [[name, values[index]]] : [],
      ),
    ) as Record<string, string>;
    return fields["id"] === undefined || !isKnownForm(fields["v"]) ? [] : [parseCase(fields)];
  });
}

/** Of each group the cases that wait longest, the oldest first. */
export async function oldestCasesOf(
  store: Store,
  groups: readonly string[],
  each: number,
): Promise<Map<string, ReviewCase[]>> {
  const pipeline = store.redis.pipeline();
  for (const group of groups) pipeline.zrange(store.keys.groupCases(group), 0, String(each - 1));
  const replies = groups.length === 0 ? [] : ((await pipeline.exec()) ?? []);
  const ids = replies.flatMap(([error, reply]) => {
    if (error) throw error;
    return reply as string[];
  });
  return Map.groupBy(await readCases(store, ids), ({ group }) => group);
}

/** The cases that were decided last, the newest first; a bounded number of them is remembered. */
export async function listDecidedCases(store: Store, limit: number): Promise<ReviewCase[]> {
  return readCases(store, await store.redis.zrevrange(store.keys.decidedCases, 0, limit - 1));
}

/** The cases before and after this one in its group, by age; null at either end. */
export async function readNeighbours(
  { redis, keys }: Store,
  { id, group, openedAt }: ReviewCase,
): Promise<{ previous: string | null; next: string | null }> {
  const index = keys.groupCases(group);
  const rank = await redis.zrank(index, id);
  // A decided case has left the index; those that are younger stand where it stood.
  const at = rank ?? (await redis.zcount(index, "-inf", `(${openedAt}`));
  const next = at + (rank === null ? 0 : 1);
  const [before, after] = await Promise.all([
    at === 0 ? [] : redis.zrange(index, at - 1, String(at - 1)),
    redis.zrange(index, next, String(next)),
  ]);
  return { previous: before[0] ?? null, next: after[0] ?? null };
}

export interface Note {
  at: EpochMs;
  by: string;
  text: string;
}

const MOST_NOTES = 100;

const NOTE = savingScript(`
-- KEYS case notes   ARGV by text most
if redis.call('EXISTS', KEYS[1]) == 0 then return 'missing' end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[3]) then return 'full' end
redis.call('RPUSH', KEYS[2], cjson.encode({at = now_ms(), by = ARGV[1], text = ARGV[2]}))
return 'noted'
`);

export async function addNote(
  store: Store,
  id: string,
  note: { by: string; text: string },
): Promise<"noted" | "missing" | "full"> {
  const { keys, redis } = store;
  return run(redis, NOTE, [keys.case(id), keys.caseNotes(id)], [note.by, note.text, MOST_NOTES]);
}

export async function readNotes(store: Store, id: string): Promise<Note[]> {
  return (await store.redis.lrange(store.keys.caseNotes(id), 0, -1)).map((row) => JSON.parse(row) as Note);
}

function parseCase(fields: Record<string, string>): ReviewCase {
  const number = (name: string) => Number(fields[name] ?? 0);
  const orNull = (name: string) => fields[name] || null;
  const take = orNull("take");
  const evidence: CaseEvidence = {
    call: orNull("call"),
    callKey: orNull("callKey"),
    take: take === null ? null : Number(take),
    promptVersion: orNull("promptVersion"),
    model: orNull("model"),
    path: orNull("path"),
  };
  const state: CaseState =
    fields["status"] === "resolved"
      ? {
          status: "resolved",
          action: (fields["action"] ?? "ended") as Action | "ended",
          by: fields["by"] ?? "",
          why: fields["why"] ?? "",
          at: number("resolvedAt"),
        }
      : { status: "open" };
  return {
    id: fields["id"] ?? "",
    version: number("version"),
    report: fields["report"] as ReportId,
    account: fields["account"] ?? "",
    type: fields["type"] ?? "",
    typeVersion: number("typeVersion"),
    section: orNull("section"),
    run: number("run"),
    failure: JSON.parse(fields["failure"] ?? "{}") as FailureSummary,
    group: fields["group"] ?? "",
    openedAt: number("openedAt"),
    attempts: { transient: number("transient"), repair: number("repair"), crash: number("crash") },
    spentMicros: number("spent"),
    wastedMicros: number("wasted"),
    creditsHeld: number("credits"),
    evidence,
    state,
  };
}
