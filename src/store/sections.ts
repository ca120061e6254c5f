/**
 * A section's claim, its fence, and its way out of `running`.
 *
 * A claim gives one process the right to move the section, and a fence number that rises with every claim. Every write
 * of state brings its fence; an older one changes nothing, so a worker that wakes up late cannot overwrite anything.
 * A claim is never stolen: it ends when its holder leaves or comes for it anew, or when the sweeper has declared the
 * holder dead.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { Attempts } from "../domain/failure.ts";
import type { ReportId } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import { BREAKER_LUA, ballotArgument, type BallotPaper } from "./breakers.ts";
import { OPEN_CASE_LUA, openingArguments, type AskedQuestion } from "./cases.ts";
import { MEMORY_LUA } from "./memory.ts";
import { pack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";
import { SETTLE_LUA, settlementArguments, type Settlement } from "./settlements.ts";

/** Moves a section and lets the report's own status follow: it runs while any section runs, and waits when all that is left waits. */
export const MOVE_LUA = `
-- 'r' is the report as it was before: its status, how many of its sections run and wait, and its type.
local function follow_section(report_key, from, to, events, fleet_events, r)
  local running, waiting = tonumber(r.running or '0'), tonumber(r.waiting or '0')
  local function add(field, by) return redis.call('HINCRBY', report_key, field, by) end
  if from == 'running' then running = add('running', '-1') elseif to == 'running' then running = add('running', '1') end
  if from == 'waiting_for_retry' then waiting = add('waiting', '-1') elseif to == 'waiting_for_retry' then waiting = add('waiting', '1') end
  if r.status ~= 'running' and r.status ~= 'waiting_for_retry' then return end
  local follows = 'running'
  local because = 'its sections are being written'
  if running <= 0 and waiting > 0 then follows = 'waiting_for_retry'; because = 'its open sections wait to be tried again' end
  if follows == r.status then return end
  enter_status(report_key, follows)
  redis.call('HSET', report_key, 'updatedAt', now_ms())
  emit(events, fleet_events, '{"event":"report.status","report":"' .. select(2, parts_of(report_key)) .. '","type":"' .. r.type .. '","status":"' .. follows .. '","because":"' .. because .. '"}')
end
local function move_section(section_key, report_key, from, to, events, fleet_events)
  redis.call('HSET', section_key, 'status', to)
  if from == to then return end
  local r = redis.call('HMGET', report_key, 'status', 'running', 'waiting', 'type')
  follow_section(report_key, from, to, events, fleet_events, {status = r[1], running = r[2], waiting = r[3], type = r[4]})
end
`;

/** A newer run has begun, or the report is over: what an older claim brings is evidence and money, never state. */
export const RUN_LUA = `
local function of_older_run(claimed_in, run, status)
  return (claimed_in and claimed_in ~= run) or status == 'completed' or status == 'failed' or status == 'cancelled'
end
local function let_go(section_key, report_key, status, events, fleet_events)
  redis.call('HSET', section_key, 'claim', '')
  move_section(section_key, report_key, status, 'pending', events, fleet_events)
  local r = redis.call('HMGET', report_key, 'id', 'type')
  local section = string.match(section_key, ':section:(.*)$')
  emit(events, fleet_events, '{"event":"section.status","report":"' .. r[1] .. '","section":"' .. section .. '","type":"' .. r[2] .. '","status":"pending","because":"its run is over"}')
end
`;

const CLAIM = savingScript(`${MOVE_LUA}${BREAKER_LUA}${MEMORY_LUA}
-- KEYS report section events fleet_events wakeups
-- ARGV id run claim process process_key_prefix wake_after_ms event version ask_again_ms full_event full_failure
local report = redis.call('HMGET', KEYS[1], 'status', 'run', 'halted', 'running', 'waiting', 'type')
if not report[1] or report[2] ~= ARGV[2] then return {'superseded'} end
if report[1] ~= 'running' and report[1] ~= 'waiting_for_retry' then return {'superseded'} end
if report[3] then return {'stopped'} end
local s = redis.call('HMGET', KEYS[2], 'status', 'claim', 'process', 'retryAt', 'fence', 'transient', 'repair', 'crash', 'prints', 'pin', 'startedAt', 'because', 'failure')
local status = s[1] or 'pending'
if status ~= 'pending' and status ~= 'running' and status ~= 'waiting_for_retry' then return {'finished'} end
local now = now_ms()
if s[2] == ARGV[3] then return {'claimed', s[5], s[6] or '0', s[7] or '0', s[8] or '0', s[9] or '', s[10] or ''} end
-- A process writes a section once at a time: a claim of its own is of an attempt that is over, and the store has lost its end.
if s[2] and s[2] ~= '' and s[3] ~= ARGV[4] and redis.call('EXISTS', ARGV[5] .. s[3]) == 1 then return {'wait', '1000'} end
if s[4] and tonumber(s[4]) > now then return {'wait', tostring(tonumber(s[4]) - now)} end
if memory_stops_sections() then
  -- Begun is only what can be finished. It is shown as waiting, and no attempt is counted.
  redis.call('HSET', KEYS[2], 'claim', '', 'retryAt', now + tonumber(ARGV[9]), 'because', 'Redis has no room for more', 'failure', ARGV[11])
  move_section(KEYS[2], KEYS[1], status, 'waiting_for_retry', KEYS[3], KEYS[4])
  if status ~= 'waiting_for_retry' then emit(KEYS[3], KEYS[4], ARGV[10]) end
  redis.call('ZADD', KEYS[5], now + tonumber(ARGV[9]) + tonumber(ARGV[6]), ARGV[1])
  return {'wait', ARGV[9]}
end
local breaker = breaker_of(KEYS[1], report[6])
local word = breaker_word(breaker, KEYS[4], now, ARGV[1], tonumber(ARGV[8]))
if word == 'older' then return {'older'} end
if word == 'open' then
  breaker_postpone(breaker, now, ARGV[1])
  return {'postponed'}
end
local fence = plus((s[5] or 0) + 1)
redis.call('HSET', KEYS[2], 'status', 'running', 'fence', fence, 'claim', ARGV[3], 'process', ARGV[4], 'run', ARGV[2], 'version', ARGV[8],
  'startedAt', s[11] or now)
if not s[11] then count_attempt(KEYS[1], 'first') end
if s[4] or s[12] or s[13] then redis.call('HDEL', KEYS[2], 'retryAt', 'because', 'failure') end
redis.call('ZADD', KEYS[5], now + ARGV[6], ARGV[1])
if status ~= 'running' then
  follow_section(KEYS[1], status, 'running', KEYS[3], KEYS[4], {status = report[1], running = report[4], waiting = report[5], type = report[6]})
  -- That a section runs is counted by nobody.
  tell(KEYS[3], KEYS[4], ARGV[7])
end
return {'claimed', fence, s[6] or '0', s[7] or '0', s[8] or '0', s[9] or '', s[10] or ''}
`);

const FINISH = savingScript(`${MOVE_LUA}${RUN_LUA}${SETTLE_LUA}${BREAKER_LUA}
-- KEYS report section calls events fleet_events wakeups durations
-- ARGV fence id wake_after_ms output output_hash unreviewed event ballot used settlements...
local fence, status, claimed_in, started, pin, edited = unpack(redis.call('HMGET', KEYS[2], 'fence', 'status', 'run', 'startedAt', 'pin', 'edited'))
if fence ~= ARGV[1] then return 'superseded' end
if status == 'completed' then return 'completed' end
if status ~= 'running' then return 'superseded' end
local run, report_status, running, waiting, type = unpack(redis.call('HMGET', KEYS[1], 'run', 'status', 'running', 'waiting', 'type'))
local ballot = cjson.decode(ARGV[8])
settle(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], report_status, type, 10)
if of_older_run(claimed_in, run, report_status) then
  let_go(KEYS[2], KEYS[1], status, KEYS[4], KEYS[5])
  return 'superseded'
end
if pin or edited then redis.call('HDEL', KEYS[2], 'pin', 'edited') end
local written = {'status', 'completed', 'output', ARGV[4], 'outputHash', ARGV[5], 'unreviewed', ARGV[6], 'claim', ''}
if ARGV[9] ~= '' then written[11], written[12] = 'used', ARGV[9] end
redis.call('HSET', KEYS[2], unpack(written))
follow_section(KEYS[1], status, 'completed', KEYS[4], KEYS[5], {status = report_status, running = running, waiting = waiting, type = type})
local now = now_ms()
if started then
  redis.call('LPUSH', KEYS[7], plus(now - tonumber(started)))
  redis.call('LTRIM', KEYS[7], 0, 49)
end
redis.call('ZADD', KEYS[6], now + ARGV[3], ARGV[2])
tell(KEYS[4], KEYS[5], ARGV[7])
count_completed(parts_of(KEYS[1]), type, ARGV[6] == '' and 'completed' or 'unreviewed', started, now)
breaker_ballot(KEYS[1], KEYS[4], KEYS[5], now, ballot, true, type)
return 'completed'
`);

const LEAVE = savingScript(`${MOVE_LUA}${RUN_LUA}${SETTLE_LUA}${OPEN_CASE_LUA}${BREAKER_LUA}
-- KEYS report section calls events fleet_events wakeups
-- ARGV fence id wake_after_ms to retry_after_ms because failure transient halts event case prompt ballot settlements...
local s = redis.call('HMGET', KEYS[2], 'status', 'claim', 'transient', 'fence', 'run')
if s[4] ~= ARGV[1] then return 'superseded' end
if s[1] ~= 'running' or s[2] == '' then return 'left' end
local run, report_status, type = unpack(redis.call('HMGET', KEYS[1], 'run', 'status', 'type'))
local parked, ballot = parked_case(ARGV[11]), cjson.decode(ARGV[13])
settle(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], report_status, type, 14)
local now = now_ms()
if of_older_run(s[5], run, report_status) then
  let_go(KEYS[2], KEYS[1], s[1], KEYS[4], KEYS[5])
  return 'superseded'
end
redis.call('HSET', KEYS[2], 'claim', '', 'transient', ARGV[8])
local used = tonumber(ARGV[8]) - tonumber(s[3] or '0')
if used > 0 then count_attempt(KEYS[1], 'transient', used) end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[2], 'failure', ARGV[7]) end
if ARGV[4] == 'waiting_for_retry' then redis.call('HSET', KEYS[2], 'retryAt', now + tonumber(ARGV[5]), 'because', ARGV[6]) end
if ARGV[9] == '1' then redis.call('HSETNX', KEYS[1], 'halted', ARGV[7]) end
move_section(KEYS[2], KEYS[1], s[1], ARGV[4], KEYS[4], KEYS[5])
redis.call('ZADD', KEYS[6], now + tonumber(ARGV[5]) + tonumber(ARGV[3]), ARGV[2])
emit(KEYS[4], KEYS[5], ARGV[10])
open_case(parked, ARGV[12], KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], now)
breaker_ballot(KEYS[1], KEYS[4], KEYS[5], now, ballot, false)
return 'left'
`);

const ASK_AGAIN_MS = 5_000;

const STORE_FULL: FailureSummary = {
  kind: "persistence",
  code: "store_full",
  scope: "request",
  message:
    "Redis has used 85 % of the memory it may use, so no section is begun until there is room. Raise maxmemory, or remove old reports.",
  fingerprint: "0000000000000002",
  rule: "memory budget",
};

/** The right to write one section; every write brings `fence`. */
export interface Claim {
  report: ReportId;
  type: string;
  section: string;
  /** Of the code that writes it; a vote is about this version. */
  version: number;
  fence: string;
  attempts: Attempts;
  /** Fingerprints of contract failures this section has seen, oldest first. */
  prints: string[];
  /** The case whose stored question is asked instead of today's, where a person chose so. */
  pinnedCase: string | null;
}

export type ClaimOutcome =
  | { outcome: "claimed"; claim: Claim }
  /** The claim is another live process's, or its cooldown is not over. */
  | { outcome: "wait"; afterMs: number }
  /** A newer run, a finished report, or none at all. */
  | { outcome: "superseded" }
  /** The section needs no more work. */
  | { outcome: "finished" }
  /** The report halted. */
  | { outcome: "stopped" }
  /** The report type is stopped: the report is rung again once it is not. */
  | { outcome: "postponed" }
  /** A newer version of the type is on trial; its workers take this. */
  | { outcome: "older" };

/** Asked by a process that has no attempt at this section under way: what it held of it before is over. */
export async function claimSection(
  store: Store,
  wanted: {
    report: ReportId;
    type: string;
    section: string;
    version: number;
    run: number;
    claimId: string;
    process: string;
    /** How long a section waits that is not begun because Redis is nearly full. */
    askAgainMs?: number;
  },
  wakeAfterMs: number,
): Promise<ClaimOutcome> {
  const { redis, keys } = store;
  const { report, type, section } = wanted;
  const event: FleetEvent = { event: "section.status", report, section, type, status: "running" };
  const full: FleetEvent = { ...event, status: "waiting_for_retry", because: STORE_FULL.message };
  const reply = await run<string[]>(
    redis,
    CLAIM,
    [keys.report(report), keys.section(report, section), keys.events(report), keys.fleetEvents, keys.wakeups],
    [
      report,
      wanted.run,
      wanted.claimId,
      wanted.process,
      keys.process(""),
      wakeAfterMs,
      JSON.stringify(event),
      wanted.version,
      wanted.askAgainMs ?? ASK_AGAIN_MS,
      JSON.stringify(full),
      JSON.stringify(STORE_FULL),
    ],
  );
  switch (reply[0]) {
    case "claimed":
      return {
        outcome: "claimed",
        claim: {
          report,
          type,
          section,
          version: wanted.version,
          fence: reply[1] ?? "",
          attempts: { transient: Number(reply[2]), repair: Number(reply[3]), crash: Number(reply[4]) },
          prints: (reply[5] ?? "").split(" ").filter((print) => print !== ""),
          pinnedCase: reply[6] || null,
        },
      };
    case "wait":
      return { outcome: "wait", afterMs: Number(reply[1]) };
    case "superseded":
    case "finished":
    case "stopped":
    case "postponed":
    case "older":
      return { outcome: reply[0] };
    default:
      throw new Error(`claim answered ${String(reply[0])}, which no version of this program knows.`);
  }
}

export interface SectionOutput {
  /** JSON of what the section returned. */
  output: string;
  hash: string;
  unreviewed: string | null;
  /** Keys of the calls it was written from; what else was paid for the section is not in it. */
  used?: readonly string[];
}

/** The section is written: its output is stored, its last answers are accepted, its claim ends. */
export async function finishSection(
  store: Store,
  claim: Claim,
  written: SectionOutput,
  settlements: readonly Settlement[],
  wakeAfterMs: number,
  ballot: readonly BallotPaper[],
): Promise<"completed" | "superseded"> {
  const event: FleetEvent = {
    event: "section.status",
    report: claim.report,
    section: claim.section,
    type: claim.type,
    status: "completed",
    ...(written.unreviewed === null ? {} : { because: `unreviewed: ${written.unreviewed}` }),
  };
  const keys = [...claimKeys(store, claim), store.keys.durations(claim.type, claim.section)];
  return run(store.redis, FINISH, keys, [
    claim.fence,
    claim.report,
    wakeAfterMs,
    pack(written.output),
    written.hash,
    written.unreviewed ?? "",
    JSON.stringify(event),
    ballotArgument(claim, ballot),
    written.used?.join(" ") ?? "",
    ...settlementArguments(claim, settlements),
  ]);
}

export type Leaving =
  /** Handed on, as if never claimed. */
  | { to: "pending"; because: string }
  | {
      to: "waiting_for_retry";
      afterMs: number;
      because: string;
      failure: FailureSummary | null;
      transientAttempts: number;
    }
  | {
      to: "needs_review";
      failure: FailureSummary;
      halts: boolean;
      /** The call that failed, for the review case. */
      question?: AskedQuestion | undefined;
      path?: string | undefined;
    };

/** Ends the claim without an output; what was paid so far stays checkpointed. */
export async function leaveSection(
  store: Store,
  claim: Claim,
  leaving: Leaving,
  settlements: readonly Settlement[],
  wakeAfterMs: number,
  ballot: readonly BallotPaper[],
): Promise<"left" | "superseded"> {
  const failure = leaving.to === "pending" ? null : leaving.failure;
  const event: FleetEvent = {
    event: "section.status",
    report: claim.report,
    section: claim.section,
    type: claim.type,
    status: leaving.to,
    because: leaving.to === "needs_review" ? leaving.failure.message : leaving.because,
    ...(failure === null ? {} : { failure }),
    ...(leaving.to === "waiting_for_retry" ? { retryInMs: leaving.afterMs } : {}),
  };
  return run(store.redis, LEAVE, claimKeys(store, claim), [
    claim.fence,
    claim.report,
    wakeAfterMs,
    leaving.to,
    leaving.to === "waiting_for_retry" ? leaving.afterMs : 0,
    leaving.to === "needs_review" ? "" : leaving.because,
    failure === null ? "" : JSON.stringify(failure),
    leaving.to === "waiting_for_retry" ? leaving.transientAttempts : claim.attempts.transient,
    leaving.to === "needs_review" && leaving.halts ? 1 : 0,
    JSON.stringify(event),
    ...openingArguments(store, leaving.to === "needs_review" ? { ...claim, ...leaving } : null),
    ballotArgument(claim, ballot),
    ...settlementArguments(claim, settlements),
  ]);
}

function claimKeys(store: Store, claim: Claim): string[] {
  const { keys } = store;
  return [
    keys.report(claim.report),
    keys.section(claim.report, claim.section),
    keys.calls(claim.report),
    keys.events(claim.report),
    keys.fleetEvents,
    keys.wakeups,
  ];
}
