/**
 * How a report moves on until its end: it gets its plan, its sections begin, and it waits for a person where they cannot
 * go on. Its order is in `admit.ts`, its end in `deliver.ts` and `end-report.ts`.
 */
import type { FailureLimits } from "../domain/credits.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { FailureSummary, PlannedSection, Report } from "../domain/report.ts";
import { BREAKER_LUA, ballotArgument, type BallotPaper } from "./breakers.ts";
import { caseNames, OPEN_CASE_LUA, openingArguments } from "./cases.ts";
import { CREDIT_REVIEW_LUA, limitsArgument } from "./credit-review.ts";
import { PLACES_LUA } from "./places.ts";
import type { Store } from "./redis.ts";
import type { StoredReport } from "./reports.ts";
import { run, savingScript } from "./script.ts";
const PLAN = savingScript(`
-- KEYS report events fleet_events deliver_by   ARGV plan event run id
-- A plan made from a source that was corrected since is nobody's plan.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[3] then return {'gone', ''} end
if redis.call('HSETNX', KEYS[1], 'plan', ARGV[1]) == 1 then
  -- Now it can be foreseen whether it will be late.
  redis.call('ZADD', KEYS[4], 'XX', now_ms(), ARGV[4])
  emit(KEYS[2], KEYS[3], ARGV[2])
  return {'planned', ARGV[1]}
end
return {'planned', redis.call('HGET', KEYS[1], 'plan')}
`);

const START_ROUND = savingScript(`${BREAKER_LUA}${PLACES_LUA}
-- KEYS report wakeups events fleet_events   ARGV run round wake_after_ms id started_event status_event postponed_event max_running('' = no limit)
-- A repeat with the round that is already current is the answer to a lost reply, not a second round.
local status, run, round = unpack(redis.call('HMGET', KEYS[1], 'status', 'run', 'round'))
if not status or run ~= ARGV[1] then return 'superseded' end
if status ~= 'pending' and status ~= 'running' and status ~= 'waiting_for_retry' then return 'superseded' end
if round == ARGV[2] then return 'started' end
if tonumber(round) + 1 ~= tonumber(ARGV[2]) then return 'superseded' end
local now = now_ms()
local breaker = breaker_of(KEYS[1])
if breaker_word(breaker, KEYS[4], now, ARGV[4], nil) == 'open' then
  breaker_postpone(breaker, now, ARGV[4])
  -- The closing of the breaker rings it; the wake-up is there for the day that is missed.
  redis.call('ZADD', KEYS[2], now + 30 * tonumber(ARGV[3]), ARGV[4])
  local told = redis.call('HSETNX', KEYS[1], 'postponed', now) == 0 and status == 'waiting_for_retry'
  enter_status(KEYS[1], 'waiting_for_retry')
  redis.call('HSET', KEYS[1], 'updatedAt', now)
  if not told then emit(KEYS[3], KEYS[4], ARGV[7]) end
  leave_places(KEYS[1], ARGV[4])
  return 'postponed'
end
if not place_is_free(KEYS[1], ARGV[4], ARGV[8]) then
  wait_for_place(KEYS[1], ARGV[4], now)
  -- The sweeper rings it when a place is free; as above for the day that is missed.
  redis.call('ZADD', KEYS[2], now + 30 * tonumber(ARGV[3]), ARGV[4])
  return 'capped'
end
take_place(KEYS[1], ARGV[4], now)
redis.call('ZREM', breaker .. ':waiting', ARGV[4])
redis.call('HDEL', KEYS[1], 'postponed')
enter_status(KEYS[1], 'running')
redis.call('HSET', KEYS[1], 'round', ARGV[2], 'updatedAt', now)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[4])
if status == 'pending' then emit(KEYS[3], KEYS[4], ARGV[6]) end
emit(KEYS[3], KEYS[4], ARGV[5])
return 'started'
`);

const PARK = savingScript(`${OPEN_CASE_LUA}${CREDIT_REVIEW_LUA}${BREAKER_LUA}${PLACES_LUA}
-- KEYS report wakeups events fleet_events deadlines   ARGV run id failure event decisions deadline_ms case ballot failure_limits case_names sections...
local status, run, decisions = unpack(redis.call('HMGET', KEYS[1], 'status', 'run', 'decisions'))
if status == 'needs_review' and run == ARGV[1] then return 'parked' end
if run ~= ARGV[1] or (status ~= 'pending' and status ~= 'running' and status ~= 'waiting_for_retry') then return 'superseded' end
-- A person decided about a section since the caller looked: there may be something to write again.
if (decisions or '0') ~= ARGV[5] then return 'moved' end
-- A primary that took over may have forgotten that they failed: nobody would have a case to decide about.
for i = 11, #ARGV do
  local section = redis.call('HGET', KEYS[1] .. ':section:' .. ARGV[i], 'status')
  if section ~= 'needs_review' and section ~= 'failed' then return 'moved' end
end
local parked, ballot, limits, names = parked_case(ARGV[7]), cjson.decode(ARGV[8]), cjson.decode(ARGV[9]), cjson.decode(ARGV[10])
local now = now_ms()
enter_status(KEYS[1], 'needs_review')
redis.call('HSET', KEYS[1], 'failure', ARGV[3], 'updatedAt', now)
redis.call('ZREM', KEYS[2], ARGV[2])
leave_lines(KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[5], now + tonumber(ARGV[6]), ARGV[2])
emit(KEYS[3], KEYS[4], ARGV[4])
open_case(parked, '', KEYS[1], '', '', KEYS[3], KEYS[4], now)
recount_cases(names, KEYS[1])
note_failed_report(KEYS[1], now, KEYS[3], KEYS[4], limits)
breaker_ballot(KEYS[1], KEYS[3], KEYS[4], now, ballot, false)
return 'parked'
`);

/** Binds the plan to the report, once; a second planner adopts the first plan. */
export async function savePlan(
  store: Store,
  { id, run: runNumber }: Pick<Report, "id" | "run">,
  plan: readonly PlannedSection[],
): Promise<PlannedSection[] | null> {
  const { redis, keys } = store;
  const event: FleetEvent = { event: "report.planned", report: id, sections: plan.length };
  const [word, stored] = await run<[string, string]>(
    redis,
    PLAN,
    [keys.report(id), keys.events(id), keys.fleetEvents, keys.deliverBy],
    [JSON.stringify(plan), JSON.stringify(event), runNumber, id],
  );
  return word === "gone" ? null : (JSON.parse(stored) as PlannedSection[]);
}

export async function startRound(
  store: Store,
  report: Pick<Report, "id" | "type" | "run">,
  round: number,
  sections: readonly string[],
  wakeAfterMs: number,
  maxRunning: number | null = null,
): Promise<"started" | "superseded" | "postponed" | "capped"> {
  const { redis, keys } = store;
  const { id, type, run: runNumber } = report;
  const started: FleetEvent = { event: "run.started", report: id, run: runNumber, round, sections };
  const status: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "running",
    because: "its sections are being written",
  };
  const postponed: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "waiting_for_retry",
    because: `the report type ${type} is stopped until it is repaired`,
  };
  return run(
    redis,
    START_ROUND,
    [keys.report(id), keys.wakeups, keys.events(id), keys.fleetEvents],
    [
      runNumber,
      round,
      wakeAfterMs,
      id,
      JSON.stringify(started),
      JSON.stringify(status),
      JSON.stringify(postponed),
      maxRunning ?? "",
    ],
  );
}

/** The run ends, a person decides. Completed sections stay readable, the credits stay held. */
export async function parkReport(
  store: Store,
  stored: Pick<StoredReport, "report" | "decisions">,
  parking: {
    failure: FailureSummary;
    /** Keys of the sections it waits for, whose cases say it already; null where the report itself is what failed. */
    sections: readonly string[] | null;
    /** After this without a decision the report fails and the credits go back. */
    deadlineMs: number;
    /** Of the code that came to this end, and whether it says something about the type. */
    version: number;
    ballot: readonly BallotPaper[];
    /** How often paid work may fail before a person looks at the account. */
    failureLimits: FailureLimits;
  },
): Promise<"parked" | "superseded" | "moved"> {
  const { redis, keys } = store;
  const { id, type, run: runNumber } = stored.report;
  const { failure } = parking;
  const ownCase = parking.sections === null ? { report: id, type, section: null, failure } : null;
  const event: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "needs_review",
    because: failure.message,
  };
  return run(
    redis,
    PARK,
    [keys.report(id), keys.wakeups, keys.events(id), keys.fleetEvents, keys.reviewDeadlines],
    [
      runNumber,
      id,
      JSON.stringify(failure),
      JSON.stringify(event),
      stored.decisions,
      parking.deadlineMs,
      openingArguments(store, ownCase)[0],
      ballotArgument({ report: id, section: "(report)", version: parking.version }, parking.ballot),
      limitsArgument(parking.failureLimits),
      JSON.stringify(caseNames(store, id)),
      ...(parking.sections ?? []),
    ],
  );
}
