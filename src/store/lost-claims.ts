/** Claims whose holder does not end them itself: its process died, or the store has lost what it was told. */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import { OPEN_CASE_LUA, openingArguments } from "./cases.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";
import { MOVE_LUA, RUN_LUA } from "./sections.ts";

const BREAK = savingScript(`${MOVE_LUA}${RUN_LUA}${OPEN_CASE_LUA}
-- KEYS report section events fleet_events   ARGV process crash_budget id section_name type failure case
-- A dead process leaves its claims behind. Each costs the section one crash attempt; the last one goes to a person.
local s = redis.call('HMGET', KEYS[2], 'status', 'claim', 'process', 'crash', 'run')
local run, report_status = unpack(redis.call('HMGET', KEYS[1], 'run', 'status'))
if s[1] ~= 'running' or s[3] ~= ARGV[1] or not s[2] or s[2] == '' then return 'left' end
local parked = parked_case(ARGV[7])
local crashes = tonumber(s[4] or '0') + 1
redis.call('HSET', KEYS[2], 'claim', '', 'crash', crashes)
count_attempt(KEYS[1], 'crash')
local to = 'pending'
if crashes > tonumber(ARGV[2]) and not of_older_run(s[5], run, report_status) then
  to = 'needs_review'
  redis.call('HSET', KEYS[2], 'failure', ARGV[6])
end
move_section(KEYS[2], KEYS[1], s[1], to, KEYS[3], KEYS[4])
emit(KEYS[3], KEYS[4], '{"event":"section.status","report":"' .. ARGV[3] .. '","section":"' .. ARGV[4] .. '","type":"' .. ARGV[5] .. '","status":"' .. to .. '","because":"its worker died"'
  .. (to == 'needs_review' and ',"failure":' .. ARGV[6] or '') .. '}')
if to == 'needs_review' then open_case(parked, '', KEYS[1], KEYS[2], '', KEYS[3], KEYS[4], now_ms()) end
return 'broken'
`);

const RELEASE = savingScript(`${MOVE_LUA}
-- KEYS report section events fleet_events   ARGV process token event
-- The job that claimed it is the only one that may be said to be gone.
local s = redis.call('HMGET', KEYS[2], 'status', 'claim', 'process')
if s[1] ~= 'running' or s[3] ~= ARGV[1] or string.sub(s[2] or '', 1, #ARGV[2] + 1) ~= ARGV[2] .. '/' then return 'left' end
redis.call('HSET', KEYS[2], 'claim', '')
move_section(KEYS[2], KEYS[1], s[1], 'pending', KEYS[3], KEYS[4])
emit(KEYS[3], KEYS[4], ARGV[3])
return 'released'
`);

/** What a dead process's claim costs: a crash attempt, and after `crashBudget` of them a person's decision. */
export async function breakClaim(
  store: Store,
  held: { report: ReportId; section: string; type: string; process: string },
  crashBudget: number,
  failure: FailureSummary,
): Promise<"broken" | "left"> {
  const { redis, keys } = store;
  return run(
    redis,
    BREAK,
    [
      keys.report(held.report),
      keys.section(held.report, held.section),
      keys.events(held.report),
      keys.fleetEvents,
    ],
    [
      held.process,
      crashBudget,
      held.report,
      held.section,
      held.type,
      JSON.stringify(failure),
      openingArguments(store, { ...held, failure })[0],
    ],
  );
}

/** Ends the claim of a job that its process is done with, where the store has lost what it was told. Costs no attempt. */
export async function releaseClaim(
  store: Store,
  held: { report: ReportId; section: string; type: string; process: string; token: string },
): Promise<"released" | "left"> {
  const { redis, keys } = store;
  const { report, section, type } = held;
  const event: FleetEvent = {
    event: "section.status",
    report,
    section,
    type,
    status: "pending",
    because: "the store had lost what its worker told it",
  };
  return run(
    redis,
    RELEASE,
    [keys.report(report), keys.section(report, section), keys.events(report), keys.fleetEvents],
    [held.process, held.token, JSON.stringify(event)],
  );
}
