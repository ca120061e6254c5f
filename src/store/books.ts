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
 * provider's invoice for that day, and only its split into outcomes changes after midnight. Beside the days, the hours and
 * minutes of the last two days are summed the same way: they say when today something went wrong, and then they go.
 */
import {
  FAILURE_KINDS,
  NO_SPEND,
  SPEND_OUTCOMES,
  totalSpend,
  type Spend,
  type SpendOutcome,
} from "../domain/failure.ts";
import type { EpochMs, MicroUsd } from "../domain/ids.ts";
import type { Store } from "./redis.ts";

const HOUR_MS = 3_600_000;
/** Enough for the last 24 hours at any time, and for looking at them again the next day. */
const KEEP_HOURS_MS = 48 * HOUR_MS;

/**
 * Row, in the report's asks: `<ask id>.books` → `<outcome>|<micros>|<kind>|<begun at>|<model>`.
 * Day, a hash: `calls|` and `micros|` + `<type>|<account>|<outcome>|<kind>|<model>`; and the same summed by outcome alone,
 * so that whoever watches a day need not read every account's lines.
 * Hour, a hash that expires: `<outcome>`, and `<minute>|<outcome>` for its minutes.
 */
export const BOOKS_LUA = `
-- Moves are gathered and written together: a report that ends moves all its rows at once, along few lines.
local function no_moves()
  return {lines = {}, moments = {}, sums = {}, counts = {}, labels = {}}
end
local function add_to_line(moves, begun_at, model, outcome, kind, calls, micros)
  if outcome == 'in_flight' or outcome == 'not_billed' then return end
  local minute = math.floor(begun_at / 60000)
  local moment = moves.moments[minute .. outcome]
  if not moment then
    moment = {minute = minute, outcome = outcome, micros = 0}
    moves.moments[minute .. outcome] = moment
  end
  moment.micros = moment.micros + micros
  local day, of = math.floor(begun_at / 86400000), outcome .. '|' .. kind .. '|' .. model
  local name = day .. '|' .. of
  local line = moves.lines[name]
  if not line then
    line = {day = day, outcome = outcome, of = of, calls = 0, micros = 0}
    moves.lines[name] = line
  end
  line.calls, line.micros = line.calls + calls, line.micros + micros
end
-- The fleet's counters follow the row as the day's sums do. In flight nothing is spent yet. 'facts' are those of the
-- answer; what is unknown has brought none, so there is nothing to count its tokens by.
local function is_final(outcome)
  return outcome == 'useful' or outcome == 'repaired' or outcome == 'wasted' or outcome == 'unknown'
end
local function count_later(moves, field, of, by)
  local name = field .. of
  local counted = moves.counts[name]
  if not counted then
    counted = {field = field, of = of, by = 0}
    moves.counts[name] = counted
  end
  counted.by = counted.by + by
end
local function settle_line(moves, line, outcome, micros, lost_to, facts, sign)
  local of = line .. '|' .. outcome
  count_later(moves, 'fleet_settled_spend_usd_total', of, sign * micros)
  if outcome == 'wasted' then count_later(moves, 'fleet_wasted_spend_usd_total', lost_to, sign * micros) end
  if facts then
    local input, output = string.match(facts, '"inputTokens":(%d+)'), string.match(facts, '"outputTokens":(%d+)')
    count_later(moves, 'fleet_settled_tokens_total', of .. '|input', sign * tonumber(input or '0'))
    count_later(moves, 'fleet_settled_tokens_total', of .. '|output', sign * tonumber(output or '0'))
  end
end
local function count_moved(moves, model, from, before, was, to, after, kind, facts)
  local line = moves.labels[model]
  if not line then
    line = label(model)
    moves.labels[model] = line
  end
  local was_final, now_final = is_final(from), is_final(to)
  local spent = (now_final or to == 'pending') and after or 0
  if was_final or from == 'pending' then spent = spent - before end
  if spent ~= 0 then count_later(moves, 'fleet_spend_usd_total', line, spent) end
  if was_final then settle_line(moves, line, from, before, was, from ~= 'unknown' and to ~= 'unknown' and (facts or ''), -1) end
  if now_final then settle_line(moves, line, to, after, kind, to ~= 'unknown' and (facts or ''), 1) end
end
-- Answers the row as it is from here on, or nil where it stands so already. 'micros' nil leaves the amount as it is.
local function move_row(moves, row, outcome, micros, kind, facts)
  local from, before, was, begun_at, model = string.match(row, '^([%a_]*)|(%d+)|([%a_]*)|(%d+)|(.*)$')
  local after = micros and plus(micros) or before
  if from == outcome and before == after and was == kind then return nil end
  local less, more = tonumber(before), tonumber(after)
  add_to_line(moves, begun_at, model, from, was, -1, -less)
  add_to_line(moves, begun_at, model, outcome, kind, 1, more)
  moves.sums[from] = (moves.sums[from] or 0) - less
  moves.sums[outcome] = (moves.sums[outcome] or 0) + more
  count_moved(moves, model, from, less, was, outcome, more, kind, facts)
  return outcome .. '|' .. after .. '|' .. kind .. '|' .. begun_at .. '|' .. model
end
local function write_moves(moves, report_key, report_type, account)
  local root = parts_of(report_key)
  for _, line in pairs(moves.lines) do
    local day_key, of = root .. ':spend:' .. line.day, report_type .. '|' .. account .. '|' .. line.of
    if line.micros ~= 0 then redis.call('HINCRBY', root .. ':spend-sums:' .. line.day, line.outcome, plus(line.micros)) end
    if line.calls ~= 0 and redis.call('HINCRBY', day_key, 'calls|' .. of, plus(line.calls)) == 0 then
      redis.call('HDEL', day_key, 'calls|' .. of, 'micros|' .. of)
    elseif line.micros ~= 0 then
      redis.call('HINCRBY', day_key, 'micros|' .. of, plus(line.micros))
    end
  end
  for _, moment in pairs(moves.moments) do
    local hour = math.floor(moment.minute / 60)
    local key, micros = root .. ':spend-hour:' .. hour, moment.micros
    if micros ~= 0 then
      local sum = redis.call('HINCRBY', key, moment.outcome, plus(micros))
      redis.call('HINCRBY', key, (moment.minute % 60) .. '|' .. moment.outcome, plus(micros))
      -- As for every hour that was not there. One that is gone goes again at once: what is judged later would leave the difference alone.
      if sum == micros then redis.call('PEXPIREAT', key, plus((hour + 1) * ${HOUR_MS} + ${KEEP_HOURS_MS})) end
    end
  end
  for outcome, micros in pairs(moves.sums) do
    if outcome ~= 'not_billed' and micros ~= 0 then redis.call('HINCRBY', report_key, 'spend.' .. outcome, plus(micros)) end
  end
  for _, counted in pairs(moves.counts) do
    if counted.by ~= 0 then count_revised(root, counted.field .. '|' .. report_type .. '|' .. counted.of, counted.by) end
  end
end
local function opened_row(micros, model, now)
  return 'in_flight|' .. plus(micros) .. '||' .. now .. '|' .. model
end
-- Booking what is booked already changes nothing.
local function book(report_key, ask_id, outcome, micros, kind)
  local of = redis.call('HMGET', report_key, 'type', 'account')
  if not of[2] then return end
  local row, facts = unpack(redis.call('HMGET', report_key .. ':asks', ask_id .. '.books', ask_id .. '.answered'))
  if not row then return end
  local moves = no_moves()
  local moved = move_row(moves, row, outcome, micros, kind, facts)
  if not moved then return end
  write_moves(moves, report_key, of[1], of[2])
  redis.call('HSET', report_key .. ':asks', ask_id .. '.books', moved)
end
-- Fields of a hash, however many: a list that is too long for one command is read in pieces.
local function read_fields(key, names)
  local values = {}
  for first = 1, #names, 500 do
    local last = math.min(first + 499, #names)
    for i, value in ipairs(redis.call('HMGET', key, unpack(names, first, last))) do values[names[first + i - 1]] = value end
  end
  return values
end
-- The report ends. 'delivered' holds the keys of the sections that were delivered, or is nil where nothing was. A request
-- still in flight is unknown from here on; should its answer arrive, that changes the books and nothing else.
local function close_books(report_key, delivered)
  local of = redis.call('HMGET', report_key, 'type', 'account')
  if not of[2] then return end
  local asks_key = report_key .. ':asks'
  local flat, ask, asked = redis.call('HGETALL', asks_key), {}, {}
  for i = 1, #flat, 2 do
    ask[flat[i]] = flat[i + 1]
    if string.sub(flat[i], -6) == '.books' then asked[#asked + 1] = string.sub(flat[i], 1, -7) end
  end
  local moves, moved, ending, call_keys = no_moves(), {}, {}, {}
  local function move(ask_id, outcome, kind)
    local row = move_row(moves, ask[ask_id .. '.books'], outcome, nil, kind, ask[ask_id .. '.answered'])
    if row then moved[#moved + 1], moved[#moved + 2] = ask_id .. '.books', row end
  end
  for _, ask_id in ipairs(asked) do
    local outcome, kind = string.match(ask[ask_id .. '.books'], '^([%a_]*)|%d+|([%a_]*)|')
    if outcome == 'in_flight' then
      move(ask_id, 'unknown', 'transient')
    elseif outcome == 'pending' or kind == 'unused' or kind == 'ended' or kind == 'late' then
      -- No waste of an earlier end is final: a report delivered in part may be completed later, at the second try as
      -- well, with what it had paid before.
      local section, call, take = string.match(ask[ask_id] or '', '^[^|]*|[^|]*|[^|]*|([^|/]*)(/[^|#]*)#(%d+)')
      local call_key = section and section .. call
      ending[#ending + 1] = {ask_id = ask_id, section = section, call_key = call_key, take = take}
      call_keys[#call_keys + 1] = call_key
    end
  end
  local current, used_by = read_fields(report_key .. ':calls', call_keys), {}
  for _, of_take in ipairs(ending) do
    local section, call_key = of_take.section, of_take.call_key
    local n, state = string.match(call_key and current[call_key] or '', '^(%d+):(%a+)')
    if section and used_by[section] == nil then
      local used = redis.call('HGET', report_key .. ':section:' .. section, 'used')
      used_by[section] = used and ' ' .. used .. ' '
    end
    -- A question asked otherwise since (another prompt, corrected data) has an answer that is in nothing delivered.
    local used = section and used_by[section]
    local is_used = not used or string.find(used, ' ' .. call_key .. ' ', 1, true)
    if delivered and section and delivered[section] and is_used and n == of_take.take and state == 'accepted' then
      move(of_take.ask_id, n == '1' and 'useful' or 'repaired', '')
    else
      move(of_take.ask_id, 'wasted', delivered and 'unused' or 'ended')
    end
  end
  write_moves(moves, report_key, of[1], of[2])
  for first = 1, #moved, 1000 do redis.call('HSET', asks_key, unpack(moved, first, math.min(first + 999, #moved))) end
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
const MINUTE_MS = 60_000;
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
  const days = daysBetween(from, to);
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

/** What left within one hour or minute, by what became of it. */
export interface SpendMoment {
  at: EpochMs;
  spend: Spend;
}

/** The last 24 hours, oldest first; the hour that is not over yet is the last. */
export async function readSpendOfHours(store: Store, now: EpochMs): Promise<SpendMoment[]> {
  const last = Math.floor(now / HOUR_MS);
  const hours = Array.from({ length: 24 }, (_, nth) => last - 23 + nth);
  const pipeline = store.redis.pipeline();
  for (const hour of hours) pipeline.hmget(store.keys.spendOfHour(hour), ...SPEND_OUTCOMES);
  const replies = (await pipeline.exec()) ?? [];
  return hours.map((hour, index) => {
    const [error, row] = replies[index] ?? [null, []];
    if (error) throw error;
    return { at: hour * HOUR_MS, spend: spendOf(row as (string | null)[]) };
  });
}

/** The last 60 minutes, oldest first; they lie in two hours. */
export async function readSpendOfMinutes(store: Store, now: EpochMs): Promise<SpendMoment[]> {
  const last = Math.floor(now / MINUTE_MS);
  const minutes = Array.from({ length: 60 }, (_, nth) => last - 59 + nth);
  const hour = Math.floor(last / 60);
  const [before, current] = await Promise.all(
    [hour - 1, hour].map((one) => store.redis.hgetall(store.keys.spendOfHour(one))),
  );
  return minutes.map((minute) => {
    const row = (minute < hour * 60 ? before : current) ?? {};
    const micros = SPEND_OUTCOMES.map((outcome) => row[`${minute % 60}|${outcome}`] ?? null);
    return { at: minute * MINUTE_MS, spend: spendOf(micros) };
  });
}

/**
 * In the order of SPEND_OUTCOMES, as they lie in a hash. What a release booked that knew no hours is missing in them; where
 * it is judged by one that does, less than nothing would be left of its first outcome.
 */
function spendOf(micros: readonly (string | null)[]): Spend {
  const parts = SPEND_OUTCOMES.map((outcome, nth) => [outcome, Math.max(0, Number(micros[nth] ?? 0))]);
  return { ...NO_SPEND, ...Object.fromEntries(parts) };
}

/** Every day from `from` to `to`, both included. */
export async function readSpend(store: Store, from: string, to: string): Promise<SpendLine[]> {
  const days = daysBetween(from, to).map((day) => readSpendOfDay(store, day));
  return (await Promise.all(days)).flat();
}

function daysBetween(from: string, to: string): string[] {
  const days: string[] = [];
  for (let day = dayNumber(from); day <= dayNumber(to); day++) days.push(dayName(day));
  return days;
}

export function dayNumber(day: string): number {
  return Math.floor(Date.parse(`${day}T00:00:00Z`) / DAY_MS);
}

export function dayName(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}
