/**
 * What a person decides about parked sections, carried out in one script: the case is closed, the sections move, the
 * decision is audited, and the report is put into the outbox, so that a crash right after loses nothing.
 *
 *     report at needs_review    the next run begins: run + 1, round 0
 *     report still running      the sections join its run as a further round
 *
 * A decision names the version it has seen (of its case, or the report's count of decisions) and an operation id. The
 * same operation again is answered as done; another one on an older version is refused, so that of two people who click
 * at once only one decides.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Edited, ReportStatus, SectionStatus } from "../domain/report.ts";
import type { Action, Decision } from "../domain/review.ts";
import { AUDIT_LUA } from "./audit.ts";
import { caseNames, CLOSE_CASES_LUA } from "./cases.ts";
import { pack } from "./packed.ts";
import { PLACES_LUA } from "./places.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";
import { MOVE_LUA } from "./sections.ts";
import { SNAPSHOT_LUA } from "./snapshots.ts";

/**
 * Ends the review of a report: the next run begins, and the outbox sees to it that somebody rings it. Within a run the
 * halt of a section that is still parked stays.
 */
const GO_ON_LUA = `${PLACES_LUA}
local function standing_halt(names, run)
  for _, id in ipairs(redis.call('ZRANGE', names.casesOf, 0, -1)) do
    local c = redis.call('HMGET', names.case .. id, 'status', 'halts', 'run', 'failure')
    if c[1] == 'open' and c[2] == '1' and c[3] == run then return c[4] end
  end
  return nil
end
local function go_on(report_key, id, next_run, names, wakeups, outbox, wake_after_ms, now)
  redis.call('HINCRBY', report_key, 'decisions', 1)
  if next_run then
    redis.call('HINCRBY', report_key, 'run', 1)
    enter_status(report_key, 'running')
    redis.call('HSET', report_key, 'round', 0)
    redis.call('HDEL', report_key, 'failure')
    redis.call('ZREM', names.deadlines, id)
    stand_in_line(report_key, id, now)
  end
  local halt = not next_run and standing_halt(names, redis.call('HGET', report_key, 'run'))
  if halt then redis.call('HSET', report_key, 'halted', halt) else redis.call('HDEL', report_key, 'halted') end
  redis.call('HSET', report_key, 'updatedAt', now)
  redis.call('ZADD', wakeups, now + tonumber(wake_after_ms), id)
  redis.call('ZADD', outbox, now, id)
end
local function may(list, status)
  return string.find(' ' .. list .. ' ', ' ' .. status .. ' ', 1, true) ~= nil
end
`;

const DECIDE = savingScript(`${MOVE_LUA}${CLOSE_CASES_LUA}${AUDIT_LUA}${GO_ON_LUA}
-- KEYS report calls wakeups outbox events fleet_events audit sections...
-- ARGV id case version operation action by why statuses names wake_after_ms to pin call_key next_take output output_hash edited
--      status_event resolved_event, then for each section its name and its event
local id, case_id, operation, action, by, why = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local names, to = cjson.decode(ARGV[9]), ARGV[11]
local r = redis.call('HMGET', KEYS[1], 'status', 'decisions', 'operation', 'run')
if not r[1] then return {'gone'} end
if case_id ~= '' then
  local c = redis.call('HMGET', names.case .. case_id, 'status', 'version', 'operation', 'action')
  if not c[1] then return {'gone'} end
  if c[1] ~= 'open' then
    if c[3] == operation then return {'done', r[4]} end
    return {'resolved', c[4]}
  end
  if c[2] ~= ARGV[3] then return {'stale', c[2]} end
else
  if r[3] == operation then return {'done', r[4]} end
  if (r[2] or '0') ~= ARGV[3] then return {'stale', r[2] or '0'} end
end
if not may(ARGV[8], r[1]) then return {'refused', r[1]} end
-- The section of a case leaves needs_review only by a decision; anything else means the case is out of date.
if case_id ~= '' and #KEYS > 7 then
  local status = redis.call('HGET', KEYS[8], 'status')
  if status ~= 'needs_review' and status ~= 'failed' then return {'stale', ''} end
end

local now = now_ms()
local affected = {}
for i = 8, #KEYS do
  local at = 20 + (i - 8) * 2
  local status = redis.call('HGET', KEYS[i], 'status') or 'pending'
  if status ~= 'completed' and status ~= to then
    affected[ARGV[at]] = true
    local s = redis.call('HMGET', KEYS[i], 'transient', 'repair', 'crash', 'history')
    redis.call('HSET', KEYS[i], 'claim', '', 'history', (s[4] or '') .. ' ' .. (s[1] or '0') .. '/' .. (s[2] or '0') .. '/' .. (s[3] or '0'))
    redis.call('HINCRBY', KEYS[i], 'fence', 1)
    redis.call('HDEL', KEYS[i], 'transient', 'repair', 'crash', 'prints', 'failure', 'retryAt', 'because', 'startedAt', 'pin', 'edited')
    if to == 'pending' and ARGV[12] ~= '' then redis.call('HSET', KEYS[i], 'pin', ARGV[12]) end
    if to == 'skipped' then redis.call('HSET', KEYS[i], 'because', why) end
    if to == 'completed' then
      redis.call('HSET', KEYS[i], 'output', ARGV[15], 'outputHash', ARGV[16], 'edited', ARGV[17], 'unreviewed', '')
    end
    move_section(KEYS[i], KEYS[1], status, to, KEYS[5], KEYS[6])
    emit(KEYS[5], KEYS[6], ARGV[at + 1])
  end
end
if ARGV[13] ~= '' then
  local take, state = string.match(redis.call('HGET', KEYS[2], ARGV[13]) or '', '^(%d+):(%a+):')
  if ARGV[14] == '1' and state == 'rejected' then redis.call('HSET', KEYS[2], ARGV[13] .. '!', tonumber(take) + 1) end
  if ARGV[14] ~= '1' then redis.call('HDEL', KEYS[2], ARGV[13] .. '!') end
end

local next_run = r[1] == 'needs_review'
for _, one in ipairs(redis.call('ZRANGE', names.casesOf, 0, -1)) do
  local section = redis.call('HGET', names.case .. one, 'section')
  if one == case_id or affected[section] or (section == '' and next_run) then close_case(names, one, action, by, why, operation, now) end
end
redis.call('HSET', KEYS[1], 'operation', operation, 'decidedBy', by, 'decidedWhy', why)
go_on(KEYS[1], id, next_run, names, KEYS[3], KEYS[4], ARGV[10], now)
audit(KEYS[7], action, id, case_id, by, why, r[1], next_run and 'running' or r[1])
emit(KEYS[5], KEYS[6], ARGV[19])
if next_run then emit(KEYS[5], KEYS[6], ARGV[18]) end
return {'done', redis.call('HGET', KEYS[1], 'run')}
`);

export interface DecisionOnSections extends Decision {
  report: { id: ReportId; type: string };
  action: Action;
  /** Null for a decision about the report as a whole. */
  caseId: string | null;
  /** Of the case; of a decision about the report, its count of decisions. */
  version: number;
  /** The same operation twice is done once. */
  operation: string;
  /** In which statuses of the report this is allowed, by the table in the domain. */
  statuses: readonly ReportStatus[];
  /** The case's own section first. */
  sections: readonly string[];
  effect: SectionEffect;
}

export type SectionEffect =
  /** Written again; `nextTake` asks the failed call again instead of judging its rejected answer once more. */
  | { to: "pending"; callKey: string | null; nextTake: boolean; pinnedCase: string | null }
  | { to: "completed"; output: string; outputHash: string; edited: Edited }
  | { to: "skipped" };

export type Decided =
  | { outcome: "done"; run: number }
  /** The case was closed by another decision. */
  | { outcome: "resolved"; action: string }
  | { outcome: "stale" }
  | { outcome: "refused"; status: ReportStatus }
  | { outcome: "gone" };

export async function decideSections(
  store: Store,
  decision: DecisionOnSections,
  wakeAfterMs: number,
): Promise<Decided> {
  const { redis, keys } = store;
  const { id, type } = decision.report;
  const { effect, action, by, why, sections } = decision;
  const sectionEvent = (section: string): FleetEvent => ({
    event: "section.status",
    report: id,
    section,
    type,
    status: effect.to satisfies SectionStatus,
    because: `${action} by ${by}: ${why}`,
  });
  const resolved: FleetEvent = {
    event: "review.resolved",
    report: id,
    case: decision.caseId ?? "",
    action,
    by,
  };
  const reply = await run<string[]>(
    redis,
    DECIDE,
    [
      keys.report(id),
      keys.calls(id),
      keys.wakeups,
      keys.outbox,
      keys.events(id),
      keys.fleetEvents,
      keys.audit,
      ...sections.map((section) => keys.section(id, section)),
    ],
    [
      id,
      decision.caseId ?? "",
      decision.version,
      decision.operation,
      action,
      by,
      why,
      decision.statuses.join(" "),
      JSON.stringify(caseNames(store, id)),
      wakeAfterMs,
      effect.to,
      effect.to === "pending" ? (effect.pinnedCase ?? "") : "",
      effect.to === "pending" ? (effect.callKey ?? "") : "",
      effect.to === "pending" && effect.nextTake ? 1 : 0,
      effect.to === "completed" ? pack(effect.output) : "",
      effect.to === "completed" ? effect.outputHash : "",
      effect.to === "completed" ? JSON.stringify(effect.edited) : "",
      JSON.stringify(resumedEvent(id, type, action)),
      JSON.stringify(resolved),
      ...sections.flatMap((section) => [section, JSON.stringify(sectionEvent(section))]),
    ],
  );
  return decided(reply);
}

const CORRECT = savingScript(`${MOVE_LUA}${CLOSE_CASES_LUA}${AUDIT_LUA}${GO_ON_LUA}${SNAPSHOT_LUA}
-- KEYS report source wakeups outbox events fleet_events audit source_readers sections...
-- ARGV id version operation by why statuses names wake_after_ms hash bytes source plan('seen' | 'again' | 'none') status_event resolved_event, then section events
local id, operation, by, why = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local names = cjson.decode(ARGV[7])
local r = redis.call('HMGET', KEYS[1], 'status', 'decisions', 'operation', 'run', 'sourceHash', 'earlierSources', 'earlierSections')
if not r[1] then return {'gone'} end
if r[3] == operation then return {'done', r[4]} end
if (r[2] or '0') ~= ARGV[2] then return {'stale', r[2] or '0'} end
if not may(ARGV[6], r[1]) then return {'refused', r[1]} end
-- A plan that came meanwhile brings sections that nobody compared with the new data.
if ARGV[12] == 'none' and redis.call('HEXISTS', KEYS[1], 'plan') == 1 then return {'stale', r[2] or '0'} end

local now = now_ms()
keep_snapshot(KEYS[2], KEYS[8], ARGV[11], id)
redis.call('HSET', KEYS[1], 'sourceHash', ARGV[9], 'sourceBytes', ARGV[10], 'operation', operation, 'decidedBy', by, 'decidedWhy', why)
-- Erasing the report erases what was sent before as well.
redis.call('HSET', KEYS[1], 'earlierSources', (r[6] or '') .. ' ' .. r[5])
local replaced = r[7] or ''
for i = 9, #KEYS do
  if ARGV[12] == 'again' then replaced = replaced .. ' ' .. string.match(KEYS[i], ':section:(.*)$') end
  local s = redis.call('HMGET', KEYS[i], 'status', 'claim', 'transient', 'repair', 'crash', 'history')
  local status = s[1] or 'pending'
  -- Whoever writes it now lets go of it at the next call, because its run is over; until then the new run waits for it.
  if not (status == 'running' and s[2] and s[2] ~= '') then
    redis.call('HSET', KEYS[i], 'claim', '', 'history', (s[6] or '') .. ' ' .. (s[3] or '0') .. '/' .. (s[4] or '0') .. '/' .. (s[5] or '0'))
    redis.call('HINCRBY', KEYS[i], 'fence', 1)
    move_section(KEYS[i], KEYS[1], status, 'pending', KEYS[5], KEYS[6])
    emit(KEYS[5], KEYS[6], ARGV[15 + i - 9])
  end
  redis.call('HDEL', KEYS[i], 'transient', 'repair', 'crash', 'prints', 'failure', 'retryAt', 'because', 'startedAt', 'pin', 'edited', 'output', 'outputHash', 'unreviewed')
end
if ARGV[12] == 'again' then
  -- Their records stay, for whoever still writes one, and are found again when the report goes.
  redis.call('HDEL', KEYS[1], 'plan')
  redis.call('HSET', KEYS[1], 'earlierSections', replaced)
end
close_cases(names, 'correct_source', by, why, operation, now)
go_on(KEYS[1], id, true, names, KEYS[3], KEYS[4], ARGV[8], now)
audit(KEYS[7], 'correct_source', id, '', by, why, r[5], ARGV[9])
emit(KEYS[5], KEYS[6], ARGV[14])
emit(KEYS[5], KEYS[6], ARGV[13])
return {'done', redis.call('HGET', KEYS[1], 'run')}
`);

export interface Correction extends Decision {
  report: { id: ReportId; type: string; account: string };
  version: number;
  operation: string;
  statuses: readonly ReportStatus[];
  source: { canonical: string; hash: string; bytes: number };
  /** Sections to be walked again; their unchanged calls are read from their checkpoints. */
  sections: readonly string[];
  /** As it was seen: it stays, it was itself made from what has changed, or there was none yet. */
  plan: "seen" | "again" | "none";
}

/** A new snapshot of the same report, and the next run, whatever the report is doing. */
export async function replaceSource(
  store: Store,
  correction: Correction,
  wakeAfterMs: number,
): Promise<Decided> {
  const { redis, keys } = store;
  const { id, type, account } = correction.report;
  const { by, why, source, sections } = correction;
  const sectionEvent = (section: string): FleetEvent => ({
    event: "section.status",
    report: id,
    section,
    type,
    status: "pending",
    because: `correct_source by ${by}: ${why}`,
  });
  const resolved: FleetEvent = {
    event: "review.resolved",
    report: id,
    case: "",
    action: "correct_source",
    by,
  };
  const reply = await run<string[]>(
    redis,
    CORRECT,
    [
      keys.report(id),
      keys.source(account, source.hash),
      keys.wakeups,
      keys.outbox,
      keys.events(id),
      keys.fleetEvents,
      keys.audit,
      keys.sourceReaders(account, source.hash),
      ...sections.map((section) => keys.section(id, section)),
    ],
    [
      id,
      correction.version,
      correction.operation,
      by,
      why,
      correction.statuses.join(" "),
      JSON.stringify(caseNames(store, id)),
      wakeAfterMs,
      source.hash,
      source.bytes,
      pack(source.canonical),
      correction.plan,
      JSON.stringify(resumedEvent(id, type, "correct_source")),
      JSON.stringify(resolved),
      ...sections.map((section) => JSON.stringify(sectionEvent(section))),
    ],
  );
  return decided(reply);
}

function resumedEvent(id: ReportId, type: string, action: Action): FleetEvent {
  return {
    event: "report.status",
    report: id,
    type,
    status: "running",
    because: `a person decided: ${action}`,
  };
}

function decided(reply: readonly string[]): Decided {
  const [word, detail] = reply;
  switch (word) {
    case "done":
      return { outcome: "done", run: Number(detail) };
    case "resolved":
      return { outcome: "resolved", action: detail ?? "" };
    case "refused":
      return { outcome: "refused", status: detail as ReportStatus };
    case "stale":
    case "gone":
      return { outcome: word };
    default:
      throw new Error(`A decision was answered ${String(word)}, which no version of this program knows.`);
  }
}
