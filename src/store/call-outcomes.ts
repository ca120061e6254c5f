/**
 * What came of a request that left: its answer, booked before anybody looks into it, or none. Neither is fenced: a late
 * answer of a worker that lost its section is paid all the same. `calls.ts` says where both lie.
 */
import type { Answer } from "../domain/call.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { FailureSummary } from "../domain/report.ts";
import { BOOKS_LUA } from "./books.ts";
import type { Asking } from "./calls.ts";
import { labelOf } from "./count.ts";
import { packJson, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { GATE_LUA, served } from "./routes.ts";
import { run, runForBytes, savingScript } from "./script.ts";
import type { Claim } from "./sections.ts";
import { SPENDING_LUA } from "./spending.ts";

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
-- KEYS report asks events fleet_events calls slots today route   ARGV ask_id outcome event take_key kind stay_away_ms
local now = now_ms()
-- Whoever has given this request up meanwhile: the provider has spoken now.
stay_away(KEYS[8], now, tonumber(ARGV[6]))
local row, books = unpack(redis.call('HMGET', KEYS[2], ARGV[1], ARGV[1] .. '.books'))
if not row then return 'erased' end
local state, estimate = string.match(row, '^(%a[%a_]*)|(%d+)|')
if state ~= 'open' then return 'concluded' end
local billed = ARGV[2] == 'unknown' and estimate or '0'
book(KEYS[1], ARGV[1], ARGV[2], billed, ARGV[5])
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

/** What the receipt tells of an answer. */
export type AnsweredFacts = Pick<Answer, "model" | "tokens" | "exact" | "priceTable" | "elapsedMs">;

function answeredFacts({ model, tokens, exact, priceTable, elapsedMs }: Answer): AnsweredFacts {
  return { model, tokens, exact, priceTable, elapsedMs };
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

export interface Unanswered {
  billing: "not_billed" | "unknown";
  failure: FailureSummary;
  elapsedMs: number;
  /** How long the provider told us to stay away from the route; 0 where it named no wait. */
  stayAwayMs: number;
}

/**
 * Ends an ask that brought no answer: free where the provider refused, else at the upper estimate, marked unknown. A wait
 * that the provider named holds for every worker from this very script on, so nobody who dies next can keep it to himself.
 */
export async function concludeUnanswered(
  store: Store,
  claim: Pick<Claim, "report" | "section">,
  asking: Asking,
  { billing, failure, elapsedMs, stayAwayMs }: Unanswered,
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
    [
      asking.askId,
      billing,
      JSON.stringify(event),
      `${asking.callKey}#${asking.take}`,
      failure.kind,
      Math.ceil(stayAwayMs),
    ],
  );
}
