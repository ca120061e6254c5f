/**
 * The checkpoints of every paid answer, the books of every request that left, and whether the next one may leave.
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
 * `begin` (here) journals an ask before the request leaves; `record` (`call-outcomes.ts`) books what came of it, set once
 * and *not* fenced. What the answer is worth (accepted, rejected) travels with the next script of the section, so a call
 * costs two scripts. An answer that is recorded and not yet judged is judged again by whoever comes next, for free.
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
import { BREAKER_LUA } from "./breakers.ts";
import { unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { GATE_LUA } from "./routes.ts";
import { runForBytes, startingScript } from "./script.ts";
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

/** What the receipt tells of a request. */
export interface AskedFacts {
  route: string;
  promptVersion: string;
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
