/**
 * What the fleet has counted since it began, in one hash: the source of every counter on `/metrics` that is about
 * reports, money or credits. A count moves in the script that makes its fact true, together with the event that tells
 * it or with the row of the books, so it survives every crash and is exact whoever looks.
 *
 *     counts    <metric>|<label values…>                 a counter; it never goes down (but `fleet_review_open`, a gauge)
 *               <metric>|<label values…>|le:<bound>      how many fell below a bound and above the one before, `le:inf` above all
 *               <metric>|<label values…>|sum             what they add up to
 *               -<metric>|<label values…>                taken back from a counter and not yet made up for
 *
 * Spend changes its mind: waste becomes useful where a report is completed later, an unknown request turns out cheaper.
 * A counter may not follow downwards, or whoever reads it takes it for a restart and counts everything again. So what is
 * taken back is kept beside it, and the next additions pay it off first: the counter less what it owes is the books.
 */
import { BOUNDS } from "../domain/measures.ts";

const LUA_BOUNDS = Object.entries(BOUNDS)
  .map(([name, bounds]) => `if metric == '${name}' then return {${bounds.join(", ")}} end`)
  .join("\n  ");

/** A model's own name for itself is a provider's text: so many are told apart, and the rest are `other`. */
const MOST_MODELS = 40;

/** As the scripts label: what a caller or a provider chose becomes part of a field's name. */
export function labelOf(text: string): string {
  return text.slice(0, 80).replace(/[^\w.\-/:@]/g, "_");
}

/**
 * What an event tells is counted exactly as often as it is told: `count_event` is called by `emit`, and the functions
 * before it by the scripts that tell what there is one of for each call or section. JSON of ours is read with patterns: a
 * quote inside a text is escaped, so `"key":"` can only be a key.
 */
export const COUNT_LUA = `
-- Made when they are asked for, and no others: a table costs as much as a command.
local function bounds_of(metric)
  ${LUA_BOUNDS}
end
local function count(root, field, by)
  redis.call('HINCRBY', root .. ':counts', field, by and plus(by) or '1')
end
-- What most answers have none of is not counted up by nothing.
local function count_some(root, field, by)
  if by ~= '0' then count(root, field, by) end
end
local function count_revised(root, field, by)
  local counts, debt_field = root .. ':counts', '-' .. field
  if by > 0 then
    local debt = tonumber(redis.call('HGET', counts, debt_field) or '0')
    if debt > 0 then
      local pays = math.min(debt, by)
      by = by - pays
      if pays == debt then redis.call('HDEL', counts, debt_field) else redis.call('HINCRBY', counts, debt_field, minus(pays)) end
    end
    if by > 0 then redis.call('HINCRBY', counts, field, plus(by)) end
  elseif by < 0 then
    redis.call('HINCRBY', counts, debt_field, minus(by))
  end
end
local function observe(root, metric, labels, value)
  local counts, field, le = root .. ':counts', metric .. labels, 'inf'
  value = math.max(0, value)
  for _, bound in ipairs(bounds_of(metric)) do
    if value <= bound then
      le = plus(bound)
      break
    end
  end
  redis.call('HINCRBY', counts, field .. '|le:' .. le, 1)
  redis.call('HINCRBY', counts, field .. '|sum', plus(value))
end
local function label(text)
  return (string.gsub(string.sub(text or '', 1, 80), '[^%w%.%-_/:@]', '_'))
end
local function model_label(root, name)
  local models = root .. ':counted-models'
  if redis.call('SISMEMBER', models, name) == 1 then return name end
  if redis.call('SCARD', models) >= ${MOST_MODELS} then return 'other' end
  redis.call('SADD', models, name)
  return name
end
local function count_attempt(report_key, cause, by)
  local type = redis.call('HGET', report_key, 'type')
  if type then count(parts_of(report_key), 'fleet_section_attempts_total|' .. type .. '|' .. cause, by) end
end
local function count_repair(root, type, rung)
  count(root, 'fleet_repairs_total|' .. type .. '|' .. rung)
end
-- 'served' is host and model without the key, and 'model' what the answer called itself; both are labels already.
local function count_answered(root, type, outcome, served, model, elapsed_ms, input, cached, output, reasoning)
  count(root, 'fleet_calls_total|' .. type .. '|' .. outcome)
  local who = served .. '|' .. model_label(root, model)
  observe(root, 'gen_ai_client_operation_duration_seconds', '|' .. who .. '|', tonumber(elapsed_ms))
  count(root, 'gen_ai_client_inference_usage_input_tokens_total|' .. who, input)
  count_some(root, 'gen_ai_client_inference_usage_cache_read_input_tokens_total|' .. who, cached)
  count(root, 'gen_ai_client_inference_usage_output_tokens_total|' .. who, output)
  count_some(root, 'gen_ai_client_inference_usage_reasoning_output_tokens_total|' .. who, reasoning)
end
local function count_judged(root, type, verdict, event)
  if verdict == 'accepted' and string.find(event, '"salvaged":true', 1, true) then count_repair(root, type, 'salvage') end
  count(root, 'fleet_answers_judged_total|' .. type .. '|' .. verdict)
end
-- 'started' is nil where a person has written it, or nobody is known to have begun it.
local function count_completed(root, type, outcome, started, now)
  if started then observe(root, 'fleet_section_duration_seconds', '|' .. type, now - tonumber(started)) end
  count(root, 'fleet_sections_settled_total|' .. type .. '|' .. outcome)
end
-- As above: made for the few events that are counted by their name alone.
local function counted_as(name)
  return ({
  ['intake.rejected'] = {'fleet_intake_rejected_total', 'code'},
  ['report.submitted'] = {'fleet_reports_submitted_total', 'type'},
  ['report.deadline_missed'] = {'fleet_report_deadlines_missed_total', 'type'},
  ['route.closed'] = {'fleet_route_closures_total'},
  ['spending.capped'] = {'fleet_spend_caps_reached_total', 'scope'},
  ['webhook.disabled'] = {'fleet_webhook_endpoints_disabled_total'},
  ['credit_review.opened'] = {'fleet_credit_reviews_opened_total'},
  ['breaker'] = {'fleet_breaker_transitions_total', 'type', 'to'}
  })[name]
end
local function count_event(stream, root, name, event)
  local function word(key)
    return label(string.match(event, '"' .. key .. '":"([^"]*)"') or '')
  end
  local function number(key)
    return tonumber(string.match(event, '"' .. key .. '":(%d+)') or '0')
  end
  local of_section = name == 'section.status' or string.sub(name, 1, 5) == 'call.'
  local plain = not of_section and counted_as(name)
  if plain then
    local field = plain[1]
    for i = 2, #plain do field = field .. '|' .. word(plain[i]) end
    count(root, field)
    return
  end
  -- A report that is gone has no stream, and nothing is left to say whose it was.
  local report_key = string.match(stream, '^(.*):events$')
  if not report_key then return end

  if name == 'report.status' then
    local status, type = word('status'), word('type')
    -- By how it ended first: what a person has completed later was delivered before.
    if (status == 'completed' or status == 'failed' or status == 'cancelled') and redis.call('EXISTS', report_key) == 1 and redis.call('HSETNX', report_key, 'ended', status) == 1 then
      local r = redis.call('HMGET', report_key, 'delivery', 'createdAt', 'spend.useful', 'spend.repaired', 'spend.wasted', 'spend.unknown')
      local outcome = status == 'completed' and (r[1] == 'partial' and 'delivered_partial' or 'delivered') or status
      count(root, 'fleet_reports_finished_total|' .. type .. '|' .. outcome)
      if status == 'completed' then observe(root, 'fleet_report_duration_seconds', '|' .. type, now_ms() - tonumber(r[2] or now_ms())) end
      local spent = 0
      for i = 3, 6 do spent = spent + tonumber(r[i] or '0') end
      observe(root, 'fleet_report_spend_usd', '|' .. type, spent)
    end
  elseif name == 'section.status' then
    local status, type = word('status'), word('type')
    -- Here a person completes it, and by a worker it is counted where it is finished.
    if status == 'completed' then count_completed(root, type, 'edited', nil) end
    if status == 'needs_review' or status == 'skipped' then count(root, 'fleet_sections_settled_total|' .. type .. '|' .. status) end
    local kind = word('kind')
    if kind ~= '' and (status == 'needs_review' or status == 'waiting_for_retry') then
      count(root, 'fleet_section_failures_total|' .. type .. '|' .. kind .. '|' .. (status == 'needs_review' and 'review' or 'retry'))
    end
  elseif string.sub(name, 1, 5) == 'call.' or name == 'section.went_without' then
    local type = redis.call('HGET', report_key, 'type')
    if not type then return end
    if name == 'section.went_without' then
      count(root, 'fleet_section_failures_total|' .. type .. '|' .. word('kind') .. '|went_without')
    elseif name == 'call.reused' then
      count(root, 'fleet_checkpoint_hits_total|' .. type .. '|' .. word('from'))
      count(root, 'fleet_spend_avoided_usd_total|' .. type, number('micros'))
    elseif name == 'call.unanswered' then
      count(root, 'fleet_calls_total|' .. type .. '|' .. word('outcome'))
      local served = string.match(event, '"route":"([^"#]*)')
      if served and string.find(event, '"elapsedMs":', 1, true) then
        observe(root, 'gen_ai_client_operation_duration_seconds', '|' .. label(served) .. '||' .. word('code'), number('elapsedMs'))
      end
    end
  end
end
`;
