/**
 * The books of spend: where every micro-USD of every request stands.
 *
 *     in_flight ─▶ pending ─▶ useful | repaired      in what was delivered; repaired = by a further take
 *         │           └─────▶ wasted ◀─▶ pending     rejected; and back, where a mended parser accepts it after all
 *         ├─────▶ unknown ─▶ pending | wasted        no answer came; and on, where it comes late
 *         └─────▶ not_billed                         the provider refused before it generated anything
 *
 * One row per request says where it stands, and `book` is the only thing that moves it: the row, the sums on the report
 * and the fleet's sums of the day move together or not at all. So no sum is ever computed twice in two ways, and each
 * is the sum of its rows, exactly.
 *
 * The fleet's sums keep the day on which the request left, whenever it is judged: a day is comparable with the
 * provider's invoice for that day, and only its split into outcomes changes after midnight.
 */
import { FAILURE_KINDS, NO_SPEND, totalSpend, type Spend, type SpendOutcome } from "../domain/failure.ts";
import type { MicroUsd } from "../domain/ids.ts";
import type { Store } from "./redis.ts";

/**
 * Row, in the report's asks: `<ask id>.books` → `<outcome>|<micros>|<kind>|<begun at>|<model>`.
 * Day, a hash: `calls|` and `micros|` + `<type>|<account>|<outcome>|<kind>|<model>`; and the same summed by outcome alone,
 * so that whoever watches a day need not read every account's lines.
 */
export const BOOKS_LUA = `
local function move_line(report_key, begun_at, model, outcome, kind, calls, micros)
  if outcome == 'in_flight' or outcome == 'not_billed' then return end
  local r = redis.call('HMGET', report_key, 'type', 'account')
  local day = string.match(report_key, '^(.-}:)') .. 'spend:' .. math.floor(tonumber(begun_at) / 86400000)
  local line = table.concat({r[1], r[2], outcome, kind, model}, '|')
  redis.call('HINCRBY', (string.gsub(day, 'spend:(%d+)$', 'spend-sums:%1')), outcome, micros)
  if redis.call('HINCRBY', day, 'calls|' .. line, calls) == 0 then
    redis.call('HDEL', day, 'calls|' .. line, 'micros|' .. line)
  else
    redis.call('HINCRBY', day, 'micros|' .. line, micros)
  end
end
local function open_books(report_key, ask_id, micros, model, now)
  redis.call('HSET', report_key .. ':asks', ask_id .. '.books', 'in_flight|' .. plus(micros) .. '||' .. now .. '|' .. model)
  redis.call('HINCRBY', report_key, 'spend.in_flight', plus(micros))
end
-- The fleet's counters follow the row as the day's sums do. In flight nothing is spent yet.
local FINAL = {useful = true, repaired = true, wasted = true, unknown = true}
local function count_spend(report_key, ask_id, model, from, before, was, to, after, kind)
  local root, type = string.match(report_key, '^(.-}):'), redis.call('HGET', report_key, 'type')
  local line = type .. '|' .. label(model)
  local function spent(outcome, micros) return (FINAL[outcome] or outcome == 'pending') and micros or 0 end
  count_revised(root, 'fleet_spend_usd_total|' .. line, spent(to, after) - spent(from, before))
  local input, output
  -- What is unknown has brought no answer, so there is nothing to count its tokens by.
  if to ~= 'unknown' then
    local facts = redis.call('HGET', report_key .. ':asks', ask_id .. '.answered') or ''
    input, output = tonumber(string.match(facts, '"inputTokens":(%d+)') or '0'), tonumber(string.match(facts, '"outputTokens":(%d+)') or '0')
  end
  local function settle_line(outcome, micros, lost_to, sign)
    if not FINAL[outcome] then return end
    count_revised(root, 'fleet_settled_spend_usd_total|' .. line .. '|' .. outcome, sign * micros)
    if outcome == 'wasted' then count_revised(root, 'fleet_wasted_spend_usd_total|' .. type .. '|' .. lost_to, sign * micros) end
    if outcome ~= 'unknown' and input then
      count_revised(root, 'fleet_settled_tokens_total|' .. line .. '|' .. outcome .. '|input', sign * input)
      count_revised(root, 'fleet_settled_tokens_total|' .. line .. '|' .. outcome .. '|output', sign * output)
    end
  end
  settle_line(from, before, was, -1)
  settle_line(to, after, kind, 1)
end
-- 'micros' nil leaves the amount as it stands. Booking what is booked already changes nothing.
local function book(report_key, ask_id, outcome, micros, kind)
  local row = redis.call('HGET', report_key .. ':asks', ask_id .. '.books')
  if not row or redis.call('HEXISTS', report_key, 'account') == 0 then return end
  local from, before, was, begun_at, model = string.match(row, '^([%a_]*)|(%d+)|([%a_]*)|(%d+)|(.*)$')
  local after = micros and plus(tonumber(micros)) or before
  if from == outcome and before == after and was == kind then return end
  move_line(report_key, begun_at, model, from, was, -1, minus(before))
  move_line(report_key, begun_at, model, outcome, kind, 1, after)
  if from ~= 'not_billed' then redis.call('HINCRBY', report_key, 'spend.' .. from, minus(before)) end
  if outcome ~= 'not_billed' then redis.call('HINCRBY', report_key, 'spend.' .. outcome, after) end
  redis.call('HSET', report_key .. ':asks', ask_id .. '.books', table.concat({outcome, after, kind, begun_at, model}, '|'))
  count_spend(report_key, ask_id, model, from, tonumber(before), was, outcome, tonumber(after), kind)
end
-- The report ends. 'delivered' holds the keys of the sections that were delivered, or is nil where nothing was. A request
-- still in flight is unknown from here on; should its answer arrive, that changes the books and nothing else.
local function close_books(report_key, delivered)
  local asks_key, calls_key = report_key .. ':asks', report_key .. ':calls'
  local flat = redis.call('HGETALL', asks_key)
  for i = 1, #flat, 2 do
    local ask_id = string.match(flat[i], '^(.*)%.books$')
    if ask_id then
      local outcome, kind = string.match(flat[i + 1], '^([%a_]*)|%d+|([%a_]*)|')
      if outcome == 'in_flight' then
        book(report_key, ask_id, 'unknown', nil, 'transient')
      elseif outcome == 'pending' or kind == 'unused' or kind == 'ended' or kind == 'late' then
        -- No waste of an earlier end is final: a report delivered in part may be completed later, at the second try as
        -- well, with what it had paid before.
        local call_key, take = string.match(redis.call('HGET', asks_key, ask_id) or '', '^[^|]*|[^|]*|[^|]*|([^|]*)#(%d+)')
        local n, state = string.match(call_key and redis.call('HGET', calls_key, call_key) or '', '^(%d+):(%a+)')
        local section = call_key and string.match(call_key, '^([^/]*)/')
        -- A question asked otherwise since (another prompt, corrected data) has an answer that is in nothing delivered.
        local used = section and redis.call('HGET', report_key .. ':section:' .. section, 'used')
        local is_used = not used or string.find(' ' .. used .. ' ', ' ' .. call_key .. ' ', 1, true)
        if delivered and section and delivered[section] and is_used and n == take and state == 'accepted' then
          book(report_key, ask_id, tonumber(n) > 1 and 'repaired' or 'useful', nil, '')
        else
          book(report_key, ask_id, 'wasted', nil, delivered and 'unused' or 'ended')
        end
      end
    end
  end
end
`;

/** Why spend brought nothing, where no failure kind says it. */
export const WASTE_WORDS = [
  /** A second answer to a take that had one. */
  "duplicate",
  /** It came after the report had ended. */
  "late",
  /** Accepted, and not part of what was delivered. */
  "unused",
  /** The report ended without a delivery. */
  "ended",
] as const;

/** What a line of the books was lost to; `none` for spend that is not lost. */
export const SPEND_KINDS = ["none", ...FAILURE_KINDS, ...WASTE_WORDS] as const;

/** One line of a day: everything spent with these properties in common. */
export interface SpendLine {
  /** UTC, `2026-01-31`: the day on which the requests left. */
  day: string;
  type: string;
  account: string;
  model: string;
  outcome: SpendOutcome;
  /** One of SPEND_KINDS. */
  kind: string;
  calls: number;
  micros: MicroUsd;
}

const DAY_MS = 86_400_000;
const LINES_AT_ONCE = 1_000;

/** The lines of one UTC day, in no order. */
export async function readSpendOfDay(store: Store, day: string): Promise<SpendLine[]> {
  const { redis, keys } = store;
  const lines = new Map<string, SpendLine>();
  const fields = redis.hscanStream(keys.spendOfDay(dayNumber(day)), { count: LINES_AT_ONCE });
  for await (const flat of fields) {
    const batch = flat as string[];
    for (let i = 0; i + 1 < batch.length; i += 2) {
      const [field, value] = [batch[i] as string, Number(batch[i + 1])];
      const [what = "", type = "", account = "", outcome = "", kind = "", ...model] = field.split("|");
      const key = field.slice(what.length);
      const line = lines.get(key) ?? {
        day,
        type,
        account,
        model: model.join("|"),
        outcome: outcome as SpendOutcome,
        kind: kind === "" ? "none" : kind,
        calls: 0,
        micros: 0,
      };
      // Assigned, not added: a scan may show a field twice.
      if (what === "calls") line.calls = value;
      else line.micros = value;
      lines.set(key, line);
    }
  }
  return [...lines.values()];
}

/** What was spent on each of the days, by outcome, oldest first: as the lines of the day add up. */
export async function readSpendSums(
  store: Store,
  from: string,
  to: string,
): Promise<{ day: string; spend: Spend; totalMicros: MicroUsd }[]> {
  const days: string[] = [];
  for (let day = dayNumber(from); day <= dayNumber(to); day++) days.push(dayName(day));
  const pipeline = store.redis.pipeline();
  for (const day of days) pipeline.hgetall(store.keys.spendSums(dayNumber(day)));
  const replies = (await pipeline.exec()) ?? [];
  return days.map((day, index) => {
    const [error, row] = replies[index] ?? [null, {}];
    if (error) throw error;
    const sums = Object.entries(row as Record<string, string>).map(([outcome, micros]) => [
      outcome,
      Number(micros),
    ]);
    const spend: Spend = { ...NO_SPEND, ...Object.fromEntries(sums) };
    return { day, spend, totalMicros: totalSpend(spend) };
  });
}

/** Every day from `from` to `to`, both included. */
export async function readSpend(store: Store, from: string, to: string): Promise<SpendLine[]> {
  const lines: SpendLine[] = [];
  for (let day = dayNumber(from); day <= dayNumber(to); day++)
    lines.push(...(await readSpendOfDay(store, dayName(day))));
  return lines;
}

export function dayNumber(day: string): number {
  return Math.floor(Date.parse(`${day}T00:00:00Z`) / DAY_MS);
}

export function dayName(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}
