/**
 * The checkpoints of every paid answer, and the books of every request that left.
 *
 * Two hashes per report:
 *
 *     calls   <call key>          "<take>:<state>:<micros>"       the current take
 *             <call key>#<take>   the answer, packed, set once
 *             <call key>!         the take that the last resume begins with
 *             <step key>          a step's result, packed, set once
 *             <call key>#<take>!  the ask that brought it
 *             <call key>#<take>@  the ask that is on its way, and the fence it was made under
 *             <call key>#<take>$  the fence under which it came, or was last taken up again
 *     asks    <ask id>            "<state>|<estimate micros>|<billed micros>|<call key>#<take>"
 *             <ask id>.asked, .answered    facts for the receipt; `.books` says where its spend stands (`books.ts`)
 *
 * `begin` journals an ask before the request leaves; `record` books what came of it, set once and *not* fenced: a late
 * answer of a worker that lost its section is paid all the same. What the answer is worth (accepted, rejected) travels
 * with the next script of the section, so a call costs two scripts. An answer that is recorded and not yet judged is
 * judged again by whoever comes next, for free.
 *
 * Money on the report: in_flight (estimates of open asks) → pending (recorded) → useful | repaired at delivery,
 * wasted at rejection; unknown where a request may have been billed and no answer came.
 */
import type { Answer, TakeState } from "../domain/call.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { RepairRung } from "../domain/failure.ts";
import type { EpochMs, MicroUsd } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import type { RouteLimits, SpendCaps } from "../domain/route.ts";
import { BOOKS_LUA } from "./books.ts";
import { BREAKER_LUA } from "./breakers.ts";
import { labelOf } from "./count.ts";
import { packJson, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { GATE_LUA, served } from "./routes.ts";
import { run, runForBytes, savingScript, startingScript } from "./script.ts";
import type { Claim } from "./sections.ts";
import { SETTLE_LUA, settlementArguments, type Settlement } from "./settlements.ts";
import { SPENDING_LUA } from "./spending.ts";

const LOST_WITH_ITS_WORKER: FailureSummary = {
  kind: "transient",
  code: "worker_died",
  scope: "request",
  message: "The worker died while this request was in flight; the provider may have billed it.",
  fingerprint: "0000000000000000",
  rule: "an open ask under an older fence",
};

const BEGIN = startingScript(`${SETTLE_LUA}${BREAKER_LUA}${GATE_LUA}${SPENDING_LUA}
-- KEYS report section calls asks route slots stop today routes events fleet_events
-- ARGV fence call_key take ask_id estimate_micros begun_event route estimate_tokens rpm tpm concurrency lease_ms
--      fleet_cap account_cap asked rung('' = the first take) settlements...
local events, fleet_events = KEYS[10], KEYS[11]
local r = redis.call('HMGET', KEYS[1], 'status', 'halted', 'type', 'budgetMicros', 'spend.in_flight', 'spend.pending', 'spend.wasted', 'spend.unknown', 'account', 'run',
  'spend.useful', 'spend.repaired')
settle(KEYS[1], KEYS[2], KEYS[3], events, fleet_events, r[1], r[3], 17)
local call_key, take, ask_id, estimate = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

-- A person's resume marks the take to begin with: the rejected ones before it are evidence, and not served again.
local marked, current = unpack(redis.call('HMGET', KEYS[3], call_key .. '!', call_key))
local first = tonumber(marked or '1')
take = math.max(take, first)
local n, state = 0, ''
if current then
  local a, b = string.match(current, '^(%d+):(%a+):')
  n, state = tonumber(a), b
  local answer = redis.call('HGET', KEYS[3], call_key .. '#' .. a)
  -- A checkpoint is served to anybody who asks the same, even while the report is stopped: it costs nothing.
  if answer and take <= n then
    -- Told once for each attempt that finds it: under the fence that brought it, nothing was saved yet.
    local seen = call_key .. '#' .. a .. '$'
    if state ~= 'rejected' and r[1] and redis.call('HGET', KEYS[3], seen) ~= ARGV[1] then
      redis.call('HSET', KEYS[3], seen, ARGV[1])
      local section, call = string.match(call_key, '^([^/]*)/([^/]*)/')
      emit(events, fleet_events, '{"event":"call.reused","report":"' .. select(2, parts_of(KEYS[1])) .. '","section":"' .. section .. '","call":"' .. call
        .. '","take":' .. a .. ',"from":"checkpoint","micros":' .. string.match(current, '(%d+)$') .. '}')
    end
    return {'checkpoint', a, state, answer, tostring(first)}
  end
end

local s = redis.call('HMGET', KEYS[2], 'fence', 'claim', 'status', 'run', 'version')
if s[1] ~= ARGV[1] or s[3] ~= 'running' or not s[2] or s[2] == '' then return {'superseded'} end
if r[1] ~= 'running' and r[1] ~= 'waiting_for_retry' then return {'superseded'} end
-- A newer run has begun: what is in flight is recorded, and nothing more is asked for the older one.
if s[4] and s[4] ~= r[10] then return {'superseded'} end
if r[2] then return {'stopped'} end
-- Without a take there is no request under it either: neither ours, sent again, nor another's.
local take_key = call_key .. '#' .. math.max(n, take)
local ours = current and redis.call('HGET', KEYS[4], ask_id)
if ours then return {'go', tostring(math.max(n, take)), '0', tostring(first)} end

local now = now_ms()
if breaker_stops(KEYS[1], r[3], s[5], fleet_events, now) then return {'postponed'} end
local shut, day_is_open = spending_gate(KEYS[7], KEYS[8], now, r[9], estimate, tonumber(ARGV[13]), tonumber(ARGV[14]))
local seen
if not shut then
  shut, seen = route_gate(KEYS[5], KEYS[6], now, tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]))
end
if shut then return {'wait', tostring(shut[1]), shut[2], shut[3]} end

-- An ask of this take that never came back was made under an older fence, or this fence would have concluded it.
local open_id, open_fence = string.match(current and redis.call('HGET', KEYS[3], take_key .. '@') or '', '^(.*) (%d+)$')
local open_estimate = nil
if open_id and open_id ~= ask_id then
  local open_state, open_amount = string.match(redis.call('HGET', KEYS[4], open_id) or '', '^(%a[%a_]*)|(%d+)|')
  if open_state == 'open' then
    -- Under this very fence it is on its way in this process: the second one waits for its answer.
    if open_fence == ARGV[1] then return {'wait', '500', 'on_its_way', ''} end
    open_estimate = open_amount
  end
end

-- What an earlier delivery in part was written from counts against the budget as well.
local spent = tonumber(r[11] or '0') + tonumber(r[12] or '0')
for i = 5, 8 do spent = spent + tonumber(r[i] or '0') end
if spent + estimate > tonumber(r[4]) then return {'over_budget', tostring(spent), r[4]} end

if open_estimate then
  redis.call('HSET', KEYS[4], open_id, 'unknown|' .. open_estimate .. '|' .. open_estimate .. '|' .. take_key)
  book(KEYS[1], open_id, 'unknown', open_estimate, 'transient')
  local of = string.match(ARGV[6], '^{"event":"call.begun",(.-),"route":')
  emit(events, fleet_events, '{"event":"call.unanswered",' .. of .. ',"outcome":"unknown","micros":' .. open_estimate .. ',"failure":${JSON.stringify(LOST_WITH_ITS_WORKER)}}')
end
if take > n and take > first then
  redis.call('HINCRBY', KEYS[2], 'repair', 1)
  count_attempt(KEYS[1], 'repair')
end
redis.call('HSET', KEYS[3], call_key, take > n and take .. ':open:0' or current, take_key .. '@', ask_id .. ' ' .. ARGV[1])
local model = string.match(ARGV[7], '^[^/]*/(.*)#') or ARGV[7]
redis.call('HSET', KEYS[4], ask_id, 'open|' .. ARGV[5] .. '|0|' .. take_key, ask_id .. '.asked', ARGV[15], ask_id .. '.books', opened_row(estimate, model, now))
redis.call('HINCRBY', KEYS[1], 'spend.in_flight', ARGV[5])
book_today(KEYS[8], now, r[9], ARGV[5], day_is_open)
if not seen.known then redis.call('SADD', KEYS[9], ARGV[7]) end
pass_gate(KEYS[5], KEYS[6], now, tonumber(ARGV[8]), ask_id, tonumber(ARGV[12]), seen)
tell(events, fleet_events, ARGV[6])
if ARGV[16] ~= '' then count_repair(parts_of(KEYS[1]), r[3], ARGV[16]) end
return {'go', tostring(math.max(n, take)), tostring(now), tostring(first)}
`);

const RECORD = savingScript(`${BOOKS_LUA}${GATE_LUA}${SPENDING_LUA}
-- KEYS report calls asks events fleet_events route slots today answered
-- ARGV ask_id call_key take micros answer event process estimate_tokens tokens served answered
--      labels of the answer: served model elapsed_ms input cached output reasoning
local row, books = unpack(redis.call('HMGET', KEYS[3], ARGV[1], ARGV[1] .. '.books'))
local report_status, account, report_type = unpack(redis.call('HMGET', KEYS[1], 'status', 'account', 'type'))
if not row or not books or not report_status then return {'erased'} end
local state, estimate = string.match(row, '^(%a[%a_]*)|(%d+)|')
if state == 'answered' then return {'recorded'} end
local take_key = ARGV[2] .. '#' .. ARGV[3]
if state == 'duplicate' then return {'duplicate', redis.call('HGET', KEYS[2], take_key) or ''} end
local micros = ARGV[4]
local now = now_ms()
local reserved = (state == 'open' or state == 'unknown') and tonumber(estimate) or 0
-- What was set aside yesterday is not in today's sum, so it is not taken from it either.
if not begun_today(books, now) then reserved = 0 end
book_today(KEYS[8], now, account, plus(tonumber(micros) - reserved))
route_answered(KEYS[6], KEYS[7], KEYS[9], now, ARGV[1], begun_at(books) or 0, ARGV[7], ARGV[10], tonumber(ARGV[8]), tonumber(ARGV[9]))

-- An answer and the request that brought it are written together; the latter is the smaller one to look for.
local current, brought_by, on_its_way = unpack(redis.call('HMGET', KEYS[2], ARGV[2], take_key .. '!', take_key .. '@'))
local n, take_state = string.match(current or '', '^(%d+):(%a+):')
local wanted = n == ARGV[3] and take_state == 'open' and not brought_by
local over = report_status == 'completed' or report_status == 'failed' or report_status == 'cancelled'
local outcome, kind = 'wasted', 'duplicate'
-- After the end the answer changes the books only: nothing will ever be delivered from it.
if wanted then outcome, kind = over and 'wasted' or 'pending', over and 'late' or '' end
local moves = no_moves()
local moved = move_row(moves, books, outcome, micros, kind, ARGV[11])
write_moves(moves, KEYS[1], report_type, account)
redis.call('HSET', KEYS[3], ARGV[1], (wanted and 'answered|' or 'duplicate|') .. estimate .. '|' .. micros .. '|' .. take_key,
  ARGV[1] .. '.answered', ARGV[11], ARGV[1] .. '.books', moved or books)
local event = wanted and ARGV[6] or string.gsub(ARGV[6], '"duplicate":false}$', '"duplicate":true}')
tell(KEYS[4], KEYS[5], event)
count_answered(parts_of(KEYS[1]), report_type, wanted and 'answered' or 'duplicate', unpack(ARGV, 12, 18))
if wanted then
  redis.call('HSET', KEYS[2], take_key, ARGV[5], take_key .. '!', ARGV[1], ARGV[2], n .. ':open:' .. micros,
    take_key .. '$', string.match(on_its_way or '', ' (%d+)$') or '')
  redis.call('HDEL', KEYS[2], take_key .. '@')
  return {'recorded'}
end
return {'duplicate', redis.call('HGET', KEYS[2], take_key) or ''}
`);

const CONCLUDE = savingScript(`${BOOKS_LUA}${GATE_LUA}${SPENDING_LUA}
-- KEYS report asks events fleet_events calls slots today route   ARGV ask_id outcome event take_key kind
local row, books = unpack(redis.call('HMGET', KEYS[2], ARGV[1], ARGV[1] .. '.books'))
if not row then return 'erased' end
local state, estimate = string.match(row, '^(%a[%a_]*)|(%d+)|')
if state ~= 'open' then return 'concluded' end
local billed = ARGV[2] == 'unknown' and estimate or '0'
book(KEYS[1], ARGV[1], ARGV[2], billed, ARGV[5])
local now = now_ms()
if ARGV[2] ~= 'unknown' and begun_today(books, now) then
  book_today(KEYS[7], now, redis.call('HGET', KEYS[1], 'account'), minus(estimate))
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. '|' .. estimate .. '|' .. billed .. '|' .. ARGV[4])
route_unanswered(KEYS[8], KEYS[6], ARGV[1])
local open_id = string.match(redis.call('HGET', KEYS[5], ARGV[4] .. '@') or '', '^(.*) %d+$')
if open_id == ARGV[1] then redis.call('HDEL', KEYS[5], ARGV[4] .. '@') end
emit(KEYS[3], KEYS[4], ARGV[3])
return 'concluded'
`);

export type Begun =
  /** Journalled: the request may leave now, under this take. */
  | { outcome: "go"; take: number; first: number; at: EpochMs }
  /** There is an answer already. `open` = recorded and not judged yet. */
  | { outcome: "checkpoint"; take: number; first: number; state: TakeState; answer: Answer }
  /** A stored answer failed its hash: treated as missing by nobody, decided by a person. */
  | { outcome: "damaged"; take: number; because: string }
  /** No capacity, or spending is stopped. `why` is a word of the gates; `detail` what a person said. */
  | { outcome: "wait"; afterMs: number; why: WaitReason; detail: string }
  /** The claim is not this worker's any more. */
  | { outcome: "superseded" }
  /** The report halted: no new call begins. */
  | { outcome: "stopped" }
  /** The report type is stopped. */
  | { outcome: "postponed" }
  | { outcome: "over_budget"; spentMicros: MicroUsd; budgetMicros: MicroUsd };

export type WaitReason =
  | "spending_stopped"
  | "fleet_cap"
  | "account_cap"
  | "closed"
  | "closed_until"
  | "probing"
  | "requests_per_minute"
  | "tokens_per_minute"
  | "concurrency"
  | "on_its_way";

/** What stands between a call and its provider, as configured. */
export interface Gate {
  limits: RouteLimits;
  caps: SpendCaps;
  /** How long a request may hold its slot before it counts as lost. */
  leaseMs: number;
}

export interface Asking {
  callKey: string;
  call: string;
  /** 1 for the first; a higher number than the current one opens the next take. */
  take: number;
  /** Random, one per request that may leave. */
  askId: string;
  route: string;
  estimateMicros: MicroUsd;
  /** Upper bound on input and output together. */
  estimateTokens: number;
  /** For the receipt. */
  promptVersion: string;
  /** Which rung of the salvage ladder a further take is. */
  rung?: RepairRung | undefined;
}

/** What the receipt tells of a request, and of the answer that came back. */
export interface AskedFacts {
  route: string;
  promptVersion: string;
}
export type AnsweredFacts = Pick<Answer, "model" | "tokens" | "exact" | "priceTable" | "elapsedMs">;

function answeredFacts({ model, tokens, exact, priceTable, elapsedMs }: Answer): AnsweredFacts {
  return { model, tokens, exact, priceTable, elapsedMs };
}

/** One script before a request leaves: everything that could forbid it is asked here, and it is journalled. */
export async function beginCall(
  store: Store,
  claim: Claim,
  asking: Asking,
  gate: Gate,
  settlements: readonly Settlement[],
): Promise<Begun> {
  const { redis, keys } = store;
  const of = { report: claim.report, section: claim.section, call: asking.call, take: asking.take };
  const begun: FleetEvent = {
    event: "call.begun",
    ...of,
    route: asking.route,
    estimateMicros: asking.estimateMicros,
    ...(asking.rung === undefined ? {} : { rung: asking.rung }),
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
      keys.routeSlots(asking.route),
      keys.spendingStop,
      keys.spentToday,
      keys.routes,
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
      asking.route,
      asking.estimateTokens,
      gate.limits.requestsPerMinute ?? -1,
      gate.limits.tokensPerMinute ?? -1,
      gate.limits.concurrency ?? -1,
      gate.leaseMs,
      gate.caps.fleetPerDay ?? -1,
      gate.caps.accountPerDay ?? -1,
      JSON.stringify({ route: asking.route, promptVersion: asking.promptVersion } satisfies AskedFacts),
      asking.rung ?? "",
      ...settlementArguments(claim, settlements),
    ],
  );
  const [word, first, second, third] = reply.map(String);
  switch (word) {
    case "go":
      return { outcome: "go", take: Number(first), at: Number(second), first: Number(third) };
    case "checkpoint": {
      const unpacked = unpack(reply[3] as Buffer);
      if (!unpacked.ok) return { outcome: "damaged", take: Number(first), because: unpacked.because };
      return {
        outcome: "checkpoint",
        take: Number(first),
        first: Number(reply[4]),
        state: second as TakeState,
        answer: JSON.parse(unpacked.text) as Answer,
      };
    }
    case "wait":
      return { outcome: "wait", afterMs: Number(first), why: second as WaitReason, detail: third ?? "" };
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
  process: string,
): Promise<Recorded> {
  const { redis, keys } = store;
  const event: Extract<FleetEvent, { event: "call.answered" }> = {
    event: "call.answered",
    report: claim.report,
    section: claim.section,
    call: asking.call,
    take: asking.take,
    route: answer.route,
    model: answer.model,
    inputTokens: answer.tokens?.inputTokens ?? 0,
    cachedInputTokens: answer.tokens?.cachedInputTokens ?? 0,
    outputTokens: answer.tokens?.outputTokens ?? 0,
    reasoningTokens: answer.tokens?.reasoningTokens ?? 0,
    micros: answer.micros,
    exact: answer.exact,
    elapsedMs: answer.elapsedMs,
    // The script knows better, and says so at this very place.
    duplicate: false,
  };
  const reply = await runForBytes(
    redis,
    RECORD,
    [
      keys.report(claim.report),
      keys.calls(claim.report),
      keys.asks(claim.report),
      keys.events(claim.report),
      keys.fleetEvents,
      keys.route(asking.route),
      keys.routeSlots(asking.route),
      keys.spentToday,
      keys.answered,
    ],
    [
      asking.askId,
      asking.callKey,
      asking.take,
      answer.micros,
      packJson(answer),
      JSON.stringify(event),
      process,
      asking.estimateTokens,
      answer.tokens === null ? asking.estimateTokens : answer.tokens.inputTokens + answer.tokens.outputTokens,
      served(asking.route),
      JSON.stringify(answeredFacts(answer)),
      labelOf(served(answer.route)),
      labelOf(answer.model),
      answer.elapsedMs,
      event.inputTokens,
      event.cachedInputTokens,
      event.outputTokens,
      event.reasoningTokens,
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
  elapsedMs: number,
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
    route: asking.route,
    elapsedMs,
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
      keys.routeSlots(asking.route),
      keys.spentToday,
      keys.route(asking.route),
    ],
    [asking.askId, billing, JSON.stringify(event), `${asking.callKey}#${asking.take}`, failure.kind],
  );
}
