/**
 * The checkpoints of every paid answer, and the books of every request that left.
 *
 * Two hashes per report:
 *
 *     calls   <call key>          "<take>:<state>:<micros>"       the current take
 *             <call key>#<take>   the answer, packed, set once
 *             <step key>          a step's result, packed, set once
 *     asks    <ask id>            "<state>|<estimate micros>|<billed micros>|<call key>#<take>"
 *
 * `begin` journals an ask before the request leaves; `record` books what came of it, set once and *not* fenced: a late
 * answer of a worker that lost its section is paid all the same. What the answer is worth (accepted, rejected) travels
 * with the next script of the section, so a call costs two scripts. An answer that is recorded and not yet judged is
 * judged again by whoever comes next, for free.
 *
 * Money on the report: in_flight (estimates of open asks) → pending (recorded) → useful | repaired at delivery,
 * wasted at rejection; unknown where a request may have been billed and no answer came.
 */
import type { Answer } from "../domain/call.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { MicroUsd, ReportId } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import { BREAKER_LUA } from "./breakers.ts";
import { packJson, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { run, runForBytes, savingScript, startingScript, type ScriptArgument } from "./script.ts";
import type { Claim } from "./sections.ts";

/** Settlements travel as five arguments each, from index `from` on. Each is applied once, whoever repeats it. */
export const SETTLE_LUA = `
local function settle(report_key, section_key, calls_key, events, fleet_events, from)
  local status = redis.call('HGET', report_key, 'status')
  -- Once a report has ended, its money has its final outcome; a late judgement is evidence only.
  local over = status == 'completed' or status == 'failed' or status == 'cancelled'
  for i = from, #ARGV, 5 do
    local call_key, take, verdict, print, event = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
    local current = redis.call('HGET', calls_key, call_key) or ''
    local n, state, micros = string.match(current, '^(%d+):(%a+):(%d+)$')
    if n == take and state ~= verdict and state ~= 'accepted' then
      redis.call('HSET', calls_key, call_key, n .. ':' .. verdict .. ':' .. micros)
      if over then
        micros = 0
      end
      if verdict == 'rejected' then
        redis.call('HINCRBY', report_key, 'spend.pending', minus(micros))
        redis.call('HINCRBY', report_key, 'spend.wasted', micros)
        local prints = redis.call('HGET', section_key, 'prints') or ''
        redis.call('HSET', section_key, 'prints', prints .. ' ' .. print)
      else
        if state == 'rejected' then
          redis.call('HINCRBY', report_key, 'spend.wasted', minus(micros))
          redis.call('HINCRBY', report_key, 'spend.pending', micros)
        end
        -- Remembered here, booked as an outcome of its own when the report is delivered.
        if tonumber(n) > 1 then redis.call('HINCRBY', report_key, 'spend.pending_repaired', micros) end
      end
      emit(events, fleet_events, event)
    end
  end
end
`;

const BEGIN = startingScript(`${SETTLE_LUA}${BREAKER_LUA}
-- KEYS report section calls asks route events fleet_events
-- ARGV fence call_key take ask_id estimate_micros begun_event unknown_event settlements...
settle(KEYS[1], KEYS[2], KEYS[3], KEYS[6], KEYS[7], 8)
local call_key, take, ask_id, estimate = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

local current = redis.call('HGET', KEYS[3], call_key)
local n, state = 0, ''
if current then
  local a, b = string.match(current, '^(%d+):(%a+):')
  n, state = tonumber(a), b
  local answer = redis.call('HGET', KEYS[3], call_key .. '#' .. a)
  -- A checkpoint is served to anybody who asks the same, even while the report is stopped: it costs nothing.
  if answer and take <= n then return {'checkpoint', a, state, answer} end
end

local r = redis.call('HMGET', KEYS[1], 'status', 'halted', 'cancel', 'budgetMicros', 'spend.in_flight', 'spend.pending', 'spend.wasted', 'spend.unknown')
local s = redis.call('HMGET', KEYS[2], 'fence', 'claim', 'status')
if s[1] ~= ARGV[1] or s[3] ~= 'running' or not s[2] or s[2] == '' then return {'superseded'} end
if r[1] ~= 'running' and r[1] ~= 'waiting_for_retry' then return {'superseded'} end
if r[2] or r[3] then return {'stopped'} end
local ask = redis.call('HGET', KEYS[4], ask_id)
if ask then return {'go', tostring(math.max(n, take))} end

local now = now_ms()
local closed_until = tonumber(redis.call('HGET', KEYS[5], 'closedUntil') or '0')
if closed_until > now then return {'wait', tostring(closed_until - now)} end

-- An ask of this take that never came back was made under an older fence, or this fence would have concluded it.
local take_key = call_key .. '#' .. math.max(n, take)
local open_id = redis.call('HGET', KEYS[3], take_key .. '@')
local open_estimate = nil
if open_id and open_id ~= ask_id then
  local open_state, open_amount = string.match(redis.call('HGET', KEYS[4], open_id) or '', '^(%a[%a_]*)|(%d+)|')
  if open_state == 'open' then open_estimate = open_amount end
end

local spent = 0
for i = 5, 8 do spent = spent + tonumber(r[i] or '0') end
if spent + estimate > tonumber(r[4]) then return {'over_budget', tostring(spent), r[4]} end

if open_estimate then
  redis.call('HSET', KEYS[4], open_id, 'unknown|' .. open_estimate .. '|' .. open_estimate .. '|' .. take_key)
  redis.call('HINCRBY', KEYS[1], 'spend.in_flight', minus(open_estimate))
  redis.call('HINCRBY', KEYS[1], 'spend.unknown', open_estimate)
  emit(KEYS[6], KEYS[7], ARGV[7])
end
if take > n then redis.call('HSET', KEYS[3], call_key, take .. ':open:0') end
if take > n and take > 1 then redis.call('HINCRBY', KEYS[2], 'repair', 1) end
redis.call('HSET', KEYS[3], take_key .. '@', ask_id)
redis.call('HSET', KEYS[4], ask_id, 'open|' .. ARGV[5] .. '|0|' .. take_key)
redis.call('HINCRBY', KEYS[1], 'spend.in_flight', estimate)
emit(KEYS[6], KEYS[7], ARGV[6])
return {'go', tostring(math.max(n, take))}
`);

const RECORD = savingScript(`
-- KEYS report calls asks events fleet_events   ARGV ask_id call_key take micros answer event duplicate_event
local row = redis.call('HGET', KEYS[3], ARGV[1])
local report_status = redis.call('HGET', KEYS[1], 'status')
if not row or not report_status then return {'erased'} end
local state, estimate = string.match(row, '^(%a[%a_]*)|(%d+)|')
if state == 'answered' then return {'recorded'} end
local take_key = ARGV[2] .. '#' .. ARGV[3]
if state == 'duplicate' then return {'duplicate', redis.call('HGET', KEYS[2], take_key) or ''} end
local micros = ARGV[4]
if state == 'open' then redis.call('HINCRBY', KEYS[1], 'spend.in_flight', minus(estimate)) end
if state == 'unknown' then redis.call('HINCRBY', KEYS[1], 'spend.unknown', minus(estimate)) end

local n, take_state = string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '', '^(%d+):(%a+):')
local wanted = n == ARGV[3] and take_state == 'open' and redis.call('HEXISTS', KEYS[2], take_key) == 0
local over = report_status == 'completed' or report_status == 'failed' or report_status == 'cancelled'
if wanted then
  redis.call('HSET', KEYS[2], take_key, ARGV[5], ARGV[2], n .. ':open:' .. micros)
  redis.call('HDEL', KEYS[2], take_key .. '@')
  redis.call('HSET', KEYS[3], ARGV[1], 'answered|' .. estimate .. '|' .. micros .. '|' .. take_key)
  -- After the end the answer changes the books only: nothing will ever be delivered from it.
  redis.call('HINCRBY', KEYS[1], over and 'spend.wasted' or 'spend.pending', micros)
  emit(KEYS[4], KEYS[5], ARGV[6])
  return {'recorded'}
end
redis.call('HSET', KEYS[3], ARGV[1], 'duplicate|' .. estimate .. '|' .. micros .. '|' .. take_key)
redis.call('HINCRBY', KEYS[1], 'spend.wasted', micros)
emit(KEYS[4], KEYS[5], ARGV[7])
return {'duplicate', redis.call('HGET', KEYS[2], take_key) or ''}
`);

const CONCLUDE = savingScript(`
-- KEYS report asks events fleet_events calls   ARGV ask_id outcome event take_key
local row = redis.call('HGET', KEYS[2], ARGV[1])
if not row then return 'erased' end
local state, estimate = string.match(row, '^(%a[%a_]*)|(%d+)|')
if state ~= 'open' then return 'concluded' end
redis.call('HINCRBY', KEYS[1], 'spend.in_flight', minus(estimate))
local billed = '0'
if ARGV[2] == 'unknown' then
  billed = estimate
  redis.call('HINCRBY', KEYS[1], 'spend.unknown', estimate)
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. '|' .. estimate .. '|' .. billed .. '|' .. ARGV[4])
if redis.call('HGET', KEYS[5], ARGV[4] .. '@') == ARGV[1] then redis.call('HDEL', KEYS[5], ARGV[4] .. '@') end
emit(KEYS[3], KEYS[4], ARGV[3])
return 'concluded'
`);

const SAVE_STEP = savingScript(`
-- KEYS report calls events fleet_events   ARGV step_key result event
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 1 then emit(KEYS[3], KEYS[4], ARGV[3]) end
return redis.call('HGET', KEYS[2], ARGV[1])
`);

/** What became of a take, told by the next script of its section. */
export interface Settlement {
  callKey: string;
  call: string;
  take: number;
  verdict: { accepted: true; salvaged: boolean } | { accepted: false; failure: FailureSummary };
}

export function settlementArguments(
  claim: Pick<Claim, "report" | "section">,
  settlements: readonly Settlement[],
): ScriptArgument[] {
  return settlements.flatMap(({ callKey, call, take, verdict }) => {
    const of = { report: claim.report, section: claim.section, call, take };
    const event: FleetEvent = verdict.accepted
      ? { event: "call.accepted", ...of, salvaged: verdict.salvaged }
      : { event: "call.rejected", ...of, failure: verdict.failure };
    return [
      callKey,
      take,
      verdict.accepted ? "accepted" : "rejected",
      verdict.accepted ? "" : verdict.failure.fingerprint,
      JSON.stringify(event),
    ];
  });
}

export type Begun =
  /** Journalled: the request may leave now, under this take. */
  | { outcome: "go"; take: number }
  /** There is an answer already. `open` = recorded and not judged yet. */
  | { outcome: "checkpoint"; take: number; state: "open" | "accepted" | "rejected"; answer: Answer }
  /** A stored answer failed its hash: treated as missing by nobody, decided by a person. */
  | { outcome: "damaged"; take: number; because: string }
  | { outcome: "wait"; afterMs: number }
  /** The claim is not this worker's any more. */
  | { outcome: "superseded" }
  /** The report halted or is being cancelled: no new call begins. */
  | { outcome: "stopped" }
  /** The report type is stopped. */
  | { outcome: "postponed" }
  | { outcome: "over_budget"; spentMicros: MicroUsd; budgetMicros: MicroUsd };

export interface Asking {
  callKey: string;
  call: string;
  /** 1 for the first; a higher number than the current one opens the next take. */
  take: number;
  /** Random, one per request that may leave. */
  askId: string;
  route: string;
  estimateMicros: MicroUsd;
}

/** One script before a request leaves: everything that could forbid it is asked here, and it is journalled. */
export async function beginCall(
  store: Store,
  claim: Claim,
  asking: Asking,
  settlements: readonly Settlement[],
): Promise<Begun> {
  const { redis, keys } = store;
  const of = { report: claim.report, section: claim.section, call: asking.call, take: asking.take };
  const begun: FleetEvent = {
    event: "call.begun",
    ...of,
    route: asking.route,
    estimateMicros: asking.estimateMicros,
  };
  const unknown: FleetEvent = {
    event: "call.unanswered",
    ...of,
    outcome: "unknown",
    micros: asking.estimateMicros,
    failure: LOST_WITH_ITS_WORKER,
  };
  const reply = await runForBytes(
    redis,
    BEGIN,
    [
      keys.report(claim.report),
      keys.section(claim.report, claim.section),
      keys.calls(claim.report),
      keys.asks(claim.report),
      keys.route(asking.route),
      keys.events(claim.report),
      keys.fleetEvents,
    ],
    [
      claim.fence,
      asking.callKey,
      asking.take,
      asking.askId,
      asking.estimateMicros,
      JSON.stringify(begun),
      JSON.stringify(unknown),
      ...settlementArguments(claim, settlements),
    ],
  );
  const [word, first, second] = reply.map(String);
  switch (word) {
    case "go":
      return { outcome: "go", take: Number(first) };
    case "checkpoint": {
      const unpacked = unpack(reply[3] as Buffer);
      if (!unpacked.ok) return { outcome: "damaged", take: Number(first), because: unpacked.because };
      return {
        outcome: "checkpoint",
        take: Number(first),
        state: second as "open" | "accepted" | "rejected",
        answer: JSON.parse(unpacked.text) as Answer,
      };
    }
    case "wait":
      return { outcome: "wait", afterMs: Number(first) };
    case "superseded":
    case "stopped":
    case "postponed":
      return { outcome: word };
    case "over_budget":
      return { outcome: "over_budget", spentMicros: Number(first), budgetMicros: Number(second) };
    default:
      throw new Error(`begin answered ${String(word)}, which no version of this program knows.`);
  }
}

export type Recorded =
  | { outcome: "recorded" }
  /** Another answer to the same take came first: that one counts, this one is booked as a duplicate. */
  | { outcome: "duplicate"; winner: Answer | null }
  | { outcome: "erased" };

/** Books an answer the moment it is complete, before anybody looks into it. */
export async function recordAnswer(
  store: Store,
  claim: Pick<Claim, "report" | "section">,
  asking: Asking,
  answer: Answer,
): Promise<Recorded> {
  const { redis, keys } = store;
  const event = (duplicate: boolean): FleetEvent => ({
    event: "call.answered",
    report: claim.report,
    section: claim.section,
    call: asking.call,
    take: asking.take,
    route: answer.route,
    model: answer.model,
    inputTokens: answer.tokens?.inputTokens ?? 0,
    outputTokens: answer.tokens?.outputTokens ?? 0,
    micros: answer.micros,
    exact: answer.exact,
    elapsedMs: answer.elapsedMs,
    duplicate,
  });
  const reply = await runForBytes(
    redis,
    RECORD,
    [
      keys.report(claim.report),
      keys.calls(claim.report),
      keys.asks(claim.report),
      keys.events(claim.report),
      keys.fleetEvents,
    ],
    [
      asking.askId,
      asking.callKey,
      asking.take,
      answer.micros,
      packJson(answer),
      JSON.stringify(event(false)),
      JSON.stringify(event(true)),
    ],
  );
  const word = String(reply[0]);
  if (word === "duplicate") {
    const packed = reply[1] as Buffer;
    const unpacked = packed.length === 0 ? null : unpack(packed);
    return { outcome: "duplicate", winner: unpacked?.ok ? (JSON.parse(unpacked.text) as Answer) : null };
  }
  return { outcome: word === "erased" ? "erased" : "recorded" };
}

/** Ends an ask that brought no answer: free where the provider refused, else at the upper estimate, marked unknown. */
export async function concludeUnanswered(
  store: Store,
  claim: Pick<Claim, "report" | "section">,
  asking: Asking,
  billing: "not_billed" | "unknown",
  failure: FailureSummary,
): Promise<void> {
  const { redis, keys } = store;
  const event: FleetEvent = {
    event: "call.unanswered",
    report: claim.report,
    section: claim.section,
    call: asking.call,
    take: asking.take,
    outcome: billing,
    micros: billing === "unknown" ? asking.estimateMicros : 0,
    failure,
  };
  await run(
    redis,
    CONCLUDE,
    [
      keys.report(claim.report),
      keys.asks(claim.report),
      keys.events(claim.report),
      keys.fleetEvents,
      keys.calls(claim.report),
    ],
    [asking.askId, billing, JSON.stringify(event), `${asking.callKey}#${asking.take}`],
  );
}

export type StepRead = { found: true; value: unknown } | { found: false };

/** A step's stored result. A damaged one counts as missing: a step is computed again, not bought again. */
export async function readStep(store: Store, report: ReportId, stepKey: string): Promise<StepRead> {
  const packed = await store.redis.hgetBuffer(store.keys.calls(report), stepKey);
  if (packed === null) return { found: false };
  const unpacked = unpack(packed);
  return unpacked.ok ? { found: true, value: JSON.parse(unpacked.text) } : { found: false };
}

/** Stores a step's result, set once, and answers with the one that counts. */
export async function saveStep(
  store: Store,
  claim: Pick<Claim, "report" | "section">,
  step: { key: string; name: string; elapsedMs: number },
  value: unknown,
): Promise<unknown> {
  const { redis, keys } = store;
  const { report, section } = claim;
  const event: FleetEvent = {
    event: "step.completed",
    report,
    section,
    step: step.name,
    elapsedMs: step.elapsedMs,
  };
  await run(
    redis,
    SAVE_STEP,
    [keys.report(report), keys.calls(report), keys.events(report), keys.fleetEvents],
    [step.key, packJson(value), JSON.stringify(event)],
  );
  const stored = await readStep(store, report, step.key);
  return stored.found ? stored.value : value;
}

/** Until a route's `closedUntil` no call begins on it, on any worker. Only ever moved later. */
const CLOSE_ROUTE = savingScript(`
-- KEYS route   ARGV for_ms
local till = now_ms() + tonumber(ARGV[1])
local current = tonumber(redis.call('HGET', KEYS[1], 'closedUntil') or '0')
if till > current then redis.call('HSET', KEYS[1], 'closedUntil', till) end
return 'closed'
`);

export async function closeRoute(store: Store, route: string, forMs: number): Promise<void> {
  await run(store.redis, CLOSE_ROUTE, [store.keys.route(route)], [forMs]);
}

const LOST_WITH_ITS_WORKER: FailureSummary = {
  kind: "transient",
  code: "worker_died",
  scope: "request",
  message: "The worker died while this request was in flight; the provider may have billed it.",
  fingerprint: "0000000000000000",
  rule: "an open ask under an older fence",
};
