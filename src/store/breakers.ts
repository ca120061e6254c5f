/**
 * The breakers of the report types, authoritative: admit, claim, begin and the start of a round ask here, inside their
 * own scripts, so nothing passes between the question and the act. `src/domain/breaker.ts` draws the states.
 *
 *     breaker:<type>            state, newest version seen, the settings of that version, why it opened
 *     breaker:<type>:votes      voter → vote, while it is closed
 *     breaker:<type>:probes     canary report → end of its lease, while it is half open
 *     breaker:<type>:waiting    reports to ring once it closes
 *     breaker:<type>:history    every turn, append only
 *
 * The settings lie in the store and not in the arguments, because whoever decides may run older code than the newest.
 * The scripts name the first key and derive the others: the hash tag keeps them on one shard.
 */
import type { BreakerSettings, BreakerState, VoteWeight } from "../domain/breaker.ts";
import { AUDIT_LUA } from "./audit.ts";
import { DEFAULT_BREAKER } from "../domain/breaker.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

/** Where nothing was announced yet; a process announces the types it knows before it works on them. */
const FALLBACK = { ...DEFAULT_BREAKER, probeLeaseMs: 15 * 60_000 };

/**
 * `breaker_word` answers closed, probe, open or older, and takes the canary's place if it is free. A version of nil only
 * asks for the report, whoever will write it.
 */
export const BREAKER_LUA = `
local function breaker_turn(key, fleet_events, now, turn)
  local told = '{"event":"breaker","type":"' .. string.match(key, ':breaker:(.+)$') .. '","from":"' .. turn.from .. '","to":"' .. turn.to
    .. '","version":' .. plus(turn.version) .. ',"cause":"' .. turn.cause .. '","by":' .. (turn.by or 'null')
    .. ',"reason":' .. (turn.reason or 'null') .. ',"votes":' .. (turn.count or #(turn.votes or {})) .. ',"burntMicros":' .. plus(turn.burnt or 0) .. '}'
  redis.call('HSET', key, 'state', turn.to, 'since', now, 'delivered', 0)
  redis.call('DEL', key .. ':probes', key .. ':votes')
  redis.call('SADD', string.gsub(key, ':breaker:.+$', ':breakers'), string.match(key, ':breaker:(.+)$'))
  redis.call('XADD', key .. ':history', '*', 'e', told, 'votes', '[' .. table.concat(turn.votes or {}, ',') .. ']')
  emit('', fleet_events, told)
end
local function breaker_open(key, fleet_events, now, turn)
  turn.to = 'open'
  redis.call('HSET', key, 'cause', turn.cause, 'evidence', '[' .. table.concat(turn.votes, ',') .. ']',
    'opening', '{"at":' .. plus(now) .. ',"cause":"' .. turn.cause .. '","by":' .. (turn.by or 'null') .. ',"reason":' .. (turn.reason or 'null')
    .. ',"version":' .. plus(turn.version) .. ',"burntMicros":' .. plus(turn.burnt or 0) .. '}')
  breaker_turn(key, fleet_events, now, turn)
end
local function breaker_close(key, fleet_events, now, turn)
  turn.to = 'closed'
  redis.call('HDEL', key, 'cause', 'evidence', 'opening')
  breaker_turn(key, fleet_events, now, turn)
end
local function breaker_saw(key, fleet_events, now, version)
  local b = redis.call('HMGET', key, 'state', 'version', 'cause', 'carefulStart')
  local state, known = b[1] or 'closed', tonumber(b[2] or '0')
  if version <= known then return state, known end
  redis.call('HSET', key, 'version', version)
  redis.call('DEL', key .. ':votes')
  local cause = 'new_version'
  if state == 'closed' then
    if b[4] ~= '1' then return state, version end
    cause = 'careful_start'
  elseif state == 'open' and b[3] == 'person' then
    return state, version
  end
  breaker_turn(key, fleet_events, now, {from = state, to = 'half_open', version = version, cause = cause})
  return 'half_open', version
end
local function breaker_word(key, fleet_events, now, report, version)
  local state, known
  if version then
    state, known = breaker_saw(key, fleet_events, now, version)
  else
    state = redis.call('HGET', key, 'state') or 'closed'
  end
  if state ~= 'half_open' then return state end
  if version and version < known then return 'older' end
  local b = redis.call('HMGET', key, 'probes', 'delivered', 'probeLeaseMs')
  local probes = key .. ':probes'
  redis.call('ZREMRANGEBYSCORE', probes, '-inf', now)
  local mine = redis.call('ZSCORE', probes, report)
  if not mine and redis.call('ZCARD', probes) + tonumber(b[2] or '0') >= tonumber(b[1] or '${FALLBACK.probes}') then return 'open' end
  redis.call('ZADD', probes, now + tonumber(b[3] or '${FALLBACK.probeLeaseMs}'), report)
  return 'probe'
end
local function breaker_postpone(key, now, report)
  redis.call('ZADD', key .. ':waiting', 'NX', now, report)
end
local function breaker_vote(key, fleet_events, now, report_prefix, version, at_once, voter, vote)
  local state, known = breaker_saw(key, fleet_events, now, version)
  if version < known or state == 'open' then return end
  local cast = '{"at":' .. plus(now) .. ',"voter":"' .. voter .. '",' .. string.sub(vote, 2)
  local cause = 'canary_failed'
  local votes = {cast}
  if state == 'closed' then
    local b = redis.call('HMGET', key, 'threshold', 'windowMs')
    local since = now - tonumber(b[2] or '${FALLBACK.windowMs}')
    local known_votes = redis.call('HGETALL', key .. ':votes')
    votes = {}
    for i = 1, #known_votes, 2 do
      if tonumber(string.match(known_votes[i + 1], '^{"at":(%d+)')) <= since then
        redis.call('HDEL', key .. ':votes', known_votes[i])
      elseif known_votes[i] ~= voter then
        votes[#votes + 1] = known_votes[i + 1]
      else
        cast = known_votes[i + 1]
      end
    end
    votes[#votes + 1] = cast
    redis.call('HSET', key .. ':votes', voter, cast)
    if not at_once and #votes < tonumber(b[1] or '${FALLBACK.threshold}') then return end
    cause = at_once and 'at_once' or 'votes'
  end
  local burnt, counted = 0, {}
  for _, one in ipairs(votes) do
    local report = string.match(one, '"report":"([^"]+)"')
    if not counted[report] then
      counted[report] = true
      local spend = redis.call('HMGET', report_prefix .. report, 'spend.wasted', 'spend.unknown')
      burnt = burnt + tonumber(spend[1] or '0') + tonumber(spend[2] or '0')
    end
  end
  breaker_open(key, fleet_events, now, {from = state, version = known, cause = cause, votes = votes, burnt = burnt})
end
local function breaker_success(key, section, version)
  local b = redis.call('HMGET', key, 'state', 'version', 'successResets')
  if (b[1] or 'closed') ~= 'closed' or b[3] == '0' or version < tonumber(b[2] or '0') then return end
  for _, voter in ipairs(redis.call('HKEYS', key .. ':votes')) do
    if string.match(voter, '/([^/]+)$') == section then redis.call('HDEL', key .. ':votes', voter) end
  end
end
-- The pieces that other scripts take know a report by its key; its type and its breaker follow from that.
local function breaker_of(report_key, report_type)
  return parts_of(report_key) .. ':breaker:' .. (report_type or redis.call('HGET', report_key, 'type') or '')
end
local function breaker_stops(report_key, report_type, version, fleet_events, now)
  local root, report = parts_of(report_key)
  local word = breaker_word(root .. ':breaker:' .. report_type, fleet_events, now, report, tonumber(version or ''))
  return word == 'open' or word == 'older'
end
-- Failures that nothing healed: each is an event, and a vote if it is structural. Without one, a finished section is a success.
-- 'b' is the ballot, decoded before the script's first write.
local function breaker_ballot(report_key, events, fleet_events, now, b, finished, report_type)
  local key = breaker_of(report_key, report_type)
  local root, report = parts_of(report_key)
  local prefix = root .. ':report:'
  local structural = false
  for _, paper in ipairs(b.papers) do
    emit(events, fleet_events, paper.event)
    if paper.weight ~= 'none' then
      structural = true
      local who = paper.weight == 'counts_per_account' and redis.call('HGET', report_key, 'account') or report
      breaker_vote(key, fleet_events, now, prefix, b.version, paper.weight == 'opens_at_once', who .. '/' .. b.section, paper.vote)
    end
  end
  if finished and not structural then breaker_success(key, b.section, b.version) end
end
`;

/** A failure that ended something for good, and what it weighs. */
export interface BallotPaper {
  failure: FailureSummary;
  weight: VoteWeight;
  /** The section went on without what failed. */
  givenUp: boolean;
}

/** As one argument, decoded by the script for `breaker_ballot`. */
export function ballotArgument(
  of: { report: ReportId; section: string; version: number },
  papers: readonly BallotPaper[],
): string {
  const { report, section, version } = of;
  return JSON.stringify({
    section,
    version,
    papers: papers.map(({ failure, weight, givenUp }) => {
      const event: FleetEvent = { event: "section.went_without", report, section, failure };
      return {
        weight,
        // Parsed by nobody in between: what was cast is what is shown.
        vote: JSON.stringify({ report, section, version, failure }),
        event: givenUp ? JSON.stringify(event) : "",
      };
    }),
  });
}

const ANNOUNCE = savingScript(`${BREAKER_LUA}
-- KEYS breaker fleet_events breakers   ARGV type version settings...
redis.call('SADD', KEYS[3], ARGV[1])
local version = tonumber(ARGV[2])
-- An old process that starts late must not bring the old settings back.
if version < tonumber(redis.call('HGET', KEYS[1], 'version') or '0') then return 'older' end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
breaker_saw(KEYS[1], KEYS[2], now_ms(), version)
return 'announced'
`);

const TURN = savingScript(`${BREAKER_LUA}${AUDIT_LUA}
-- KEYS breaker fleet_events audit   ARGV to by reason type
local b = redis.call('HMGET', KEYS[1], 'state', 'version', 'cause', 'evidence', 'opening')
local from, to = b[1] or 'closed', ARGV[1]
if from == to and (to ~= 'open' or b[3] == 'person') then return 'already' end
if to == 'half_open' and from == 'closed' then return 'already' end
local now = now_ms()
local turn = {from = from, version = tonumber(b[2] or '0'), cause = 'person', by = ARGV[2], reason = ARGV[3]}
if to == 'open' then
  -- What the failures have shown stays with the record, also when a person takes over.
  if b[4] and b[4] ~= '[]' then turn.votes, turn.count = {string.sub(b[4], 2, -2)}, #cjson.decode(b[4]) else turn.votes = redis.call('HVALS', KEYS[1] .. ':votes') end
  turn.burnt = tonumber(string.match(b[5] or '', '"burntMicros":(%d+)') or '0')
  breaker_open(KEYS[1], KEYS[2], now, turn)
elseif to == 'closed' then
  breaker_close(KEYS[1], KEYS[2], now, turn)
else
  turn.to = to
  breaker_turn(KEYS[1], KEYS[2], now, turn)
end
-- The breaker's own lines take words as JSON; the audit takes them as they are.
audit(KEYS[3], 'turn_breaker', '', '', cjson.decode(ARGV[2]), cjson.decode(ARGV[3]), ARGV[4] .. ': ' .. from, ARGV[4] .. ': ' .. to)
return 'turned'
`);

const SETTLE_PROBE = savingScript(`${BREAKER_LUA}
-- KEYS breaker fleet_events report   ARGV report
local b = redis.call('HMGET', KEYS[1], 'state', 'version', 'probes', 'delivered')
if b[1] ~= 'half_open' or not redis.call('ZSCORE', KEYS[1] .. ':probes', ARGV[1]) then return 'no_probe' end
local status = redis.call('HGET', KEYS[3], 'status')
if status == 'pending' or status == 'running' or status == 'waiting_for_retry' then return 'open' end
redis.call('ZREM', KEYS[1] .. ':probes', ARGV[1])
-- A canary that a customer's own mistake has stopped shows nothing; another one goes.
if status ~= 'completed' then return 'vacated' end
local delivered = redis.call('HINCRBY', KEYS[1], 'delivered', 1)
if delivered >= tonumber(b[3] or '${FALLBACK.probes}') then
  breaker_close(KEYS[1], KEYS[2], now_ms(), {from = 'half_open', version = tonumber(b[2] or '0'), cause = 'canary_delivered'})
end
return 'delivered'
`);

/** Said by every process that starts, for each type it knows: which version it is, and how careful it wants to be. */
export async function announceType(
  store: Store,
  type: { type: string; version: number; breaker: BreakerSettings },
  probeLeaseMs: number,
): Promise<void> {
  const { redis, keys } = store;
  const { threshold, windowMs, successResets, probes, whenOpen, carefulStart } = type.breaker;
  const settings = {
    threshold,
    windowMs,
    successResets: successResets ? 1 : 0,
    probes,
    whenOpen,
    carefulStart: carefulStart ? 1 : 0,
    probeLeaseMs,
  };
  await run(
    redis,
    ANNOUNCE,
    [keys.breaker(type.type), keys.fleetEvents, keys.breakers],
    [type.type, type.version, ...Object.entries(settings).flat()],
  );
}

/** A named person's decision; `already` where there is nothing to turn. `half_open` lets canaries go first. */
export async function turnBreaker(
  store: Store,
  type: string,
  turn: { to: BreakerState; by: string; reason: string },
): Promise<"turned" | "already"> {
  const { redis, keys } = store;
  return run(
    redis,
    TURN,
    [keys.breaker(type), keys.fleetEvents, keys.audit],
    [turn.to, JSON.stringify(turn.by), JSON.stringify(turn.reason), type],
  );
}

/** Reads from the report itself whether a canary has shown what it should; safe to repeat, whoever asks. */
export async function settleProbe(store: Store, type: string, report: ReportId): Promise<void> {
  const { redis, keys } = store;
  await run(redis, SETTLE_PROBE, [keys.breaker(type), keys.fleetEvents, keys.report(report)], [report]);
}

export async function dropPostponed(store: Store, type: string, report: ReportId): Promise<void> {
  await store.redis.zrem(`${store.keys.breaker(type)}:waiting`, report);
}
