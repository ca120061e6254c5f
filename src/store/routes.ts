/**
 * The gate of a route (provider + account + model), fleet-wide: what one worker learns about it, all obey.
 *
 *     open ──a named wait, or nobody gets an answer──▶ closed until ──▶ one probe ──answer──▶ open
 *       │                                                  ▲               │
 *       │                                                  └───no answer───┘  (longer each time)
 *       └──wrong key, model or endpoint; out of money──▶ closed until a person opens it or the configuration changes
 *
 * Limits per minute reserve a call's estimate when it begins and are trued up when it is recorded, so nothing has to be
 * given back. A slot is an open ask with a lease; leases that ran out are pruned by the same script that needs a slot.
 *
 * Whose fault is it when a request fails without an answer? Its own, if one that left after it was answered, or one that left
 * after the same call had failed before: an attempt is spent. Else, if nobody was answered since it left, the route's: the
 * route closes and nobody's attempts are touched. In between lies the first minute of an outage, when answers to earlier
 * requests still arrive: the call is tried again, and its next failure says whose fault it was.
 */
import type { EpochMs, ReportId } from "../domain/ids.ts";
import { routeStateOf, type RouteGate, type RouteState } from "../domain/route.ts";
import { AUDIT_LUA } from "./audit.ts";
import { redisNow, type Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

/**
 * `route_gate` answers nil and what it has seen when a request may leave, else {wait_ms, why}. It only reads; `pass_gate`
 * books the request, from what was seen.
 * Limits travel as numbers, -1 for none.
 */
export const GATE_LUA = `
local function route_gate(route, slots, now, tokens, rpm, tpm, concurrency)
  local r = redis.call('HMGET', route, 'closed', 'closedUntil', 'troubleSince', 'probeUntil', 'minute', 'requests', 'tokens')
  if r[1] then return {60000, 'closed', r[1]} end
  local till = tonumber(r[2] or '0')
  if till > now then return {till - now, 'closed_until', ''} end
  local probe = tonumber(r[4] or '0')
  if r[3] and probe > now then return {math.min(probe - now, 2000), 'probing', ''} end
  local minute = math.floor(now / 60000)
  local requests, used = 0, 0
  if r[5] == tostring(minute) then requests, used = tonumber(r[6] or '0'), tonumber(r[7] or '0') end
  local next_minute = (minute + 1) * 60000 - now
  if rpm >= 0 and requests + 1 > rpm then return {next_minute, 'requests_per_minute', ''} end
  -- A call larger than the whole allowance may pass alone, or it would wait for ever.
  if tpm >= 0 and used > 0 and used + tokens > tpm then return {next_minute, 'tokens_per_minute', ''} end
  if concurrency >= 0 then
    if redis.call('ZCOUNT', slots, '(' .. now, '+inf') >= concurrency then return {500, 'concurrency', ''} end
  end
  return nil, {requests = requests, tokens = used, trouble = r[3], known = r[5]}
end
local function pass_gate(route, slots, now, tokens, ask_id, lease_ms, seen)
  redis.call('HSET', route, 'minute', math.floor(now / 60000), 'requests', seen.requests + 1, 'tokens', plus(seen.tokens + tokens))
  -- A probe whose worker dies holds up the others for a minute at most.
  if seen.trouble then redis.call('HSET', route, 'probeUntil', now + math.min(lease_ms, 60000), 'probeBy', ask_id) end
  -- Leases that ran out count nowhere; once a minute is often enough to forget them.
  if seen.requests == 0 then redis.call('ZREMRANGEBYSCORE', slots, '-inf', now) end
  redis.call('ZADD', slots, now + lease_ms, ask_id)
end
-- A request ended without an answer: its slot is free, and if it was the probe, the next one may try.
local function route_unanswered(route, slots, ask_id)
  redis.call('ZREM', slots, ask_id)
  if redis.call('HGET', route, 'probeBy') == ask_id then redis.call('HDEL', route, 'probeUntil', 'probeBy') end
end
-- The provider named a wait: no request leaves earlier, on any worker. A short wait does not shorten a long one.
local function stay_away(route, now, for_ms)
  if for_ms == 0 then return end
  local till = now + for_ms
  if till > tonumber(redis.call('HGET', route, 'closedUntil') or '0') then redis.call('HSET', route, 'closedUntil', till) end
end
-- An answer came: whatever trouble there was is over, and the minute's tokens are what was really used.
local function route_answered(route, slots, answered, now, ask_id, began_at, process, served, estimated_tokens, tokens)
  redis.call('ZREM', slots, ask_id)
  local r = redis.call('HMGET', route, 'minute', 'tokens', 'troubleSince', 'answeredAt', 'answeredTo', 'answeredFrom')
  if r[3] then redis.call('HDEL', route, 'troubleSince', 'troubleCount', 'probeUntil') end
  local used = tonumber(r[2] or '0')
  if r[1] == tostring(math.floor(now / 60000)) then used = used + tokens - estimated_tokens end
  local from = tonumber(r[6] or '0')
  redis.call('HSET', route, 'answeredAt', now, 'answeredTo', process, 'tokens', plus(used), 'answeredFrom', began_at > from and began_at or r[6] or 0)
  -- Asked with a precision of seconds, and for all keys of the same host and model.
  if r[5] ~= process or now - tonumber(r[4] or '0') > 1000 then redis.call('HSET', answered, served, now .. ' ' .. process) end
end
`;

const TROUBLE = savingScript(`
-- KEYS route section   ARGV began_at free_for_ms longest_ms random first_ms call_key
-- Answers whose fault an unanswered request is, and for a route's how long it now stays closed.
local r = redis.call('HMGET', KEYS[1], 'answeredAt', 'troubleSince', 'troubleCount', 'closedUntil', 'answeredFrom')
local now, began_at = now_ms(), tonumber(ARGV[1])
local failed_at, failed_call = string.match(redis.call('HGET', KEYS[2], 'unanswered') or '', '^(%d+) (.*)$')
local earliest = failed_call == ARGV[6] and math.min(began_at, tonumber(failed_at)) or began_at
-- A section that was erased meanwhile is not made anew.
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('HSET', KEYS[2], 'unanswered', now .. ' ' .. ARGV[6]) end
if tonumber(r[5] or '0') > earliest then return {'request', '0'} end
if tonumber(r[1] or '0') > began_at then return {'unclear', '0'} end
local since = tonumber(r[2] or now)
local count = tonumber(r[3] or '0')
local till = tonumber(r[4] or '0')
-- Requests that were in flight together fail together; that is one trouble, not many.
if now >= till then
  count = count + 1
  local ceiling = math.min(tonumber(ARGV[3]), tonumber(ARGV[5]) * 2 ^ (count - 1))
  till = now + math.ceil(ceiling * (0.5 + tonumber(ARGV[4]) / 2))
  redis.call('HSET', KEYS[1], 'troubleSince', since, 'troubleCount', count, 'closedUntil', till)
end
if now - since > tonumber(ARGV[2]) then return {'request', tostring(till - now)} end
return {'route', tostring(till - now)}
`);

const CLOSE = savingScript(`${AUDIT_LUA}
-- KEYS route answered events_fleet audit   ARGV served because process withdraw_within_ms event route by('' = the fleet) why
-- Another process got answers on this host and model a moment ago: then this process's own settings are wrong, not the route.
local now = now_ms()
if tonumber(ARGV[4]) > 0 then
  local seen = redis.call('HGET', KEYS[2], ARGV[1]) or ''
  local at, by = string.match(seen, '^(%d+) (.+)$')
  if at and by ~= ARGV[3] and now - tonumber(at) < tonumber(ARGV[4]) then return 'withdraw' end
end
if redis.call('HSETNX', KEYS[1], 'closed', ARGV[2]) == 1 then
  redis.call('HSET', KEYS[1], 'closedAt', now)
  emit('', KEYS[3], ARGV[5])
  if ARGV[7] ~= '' then audit(KEYS[4], 'close_route', '', '', ARGV[7], ARGV[8], ARGV[6] .. ': open', ARGV[6] .. ': closed') end
end
return 'closed'
`);

const OPEN = savingScript(`${AUDIT_LUA}
-- KEYS route events_fleet audit   ARGV event route by why
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
local because = redis.call('HGET', KEYS[1], 'closed')
-- Where nothing kept it shut nobody has opened it, nor told anybody so: a repeat is no second decision.
if redis.call('HDEL', KEYS[1], 'closed', 'closedAt', 'closedUntil', 'troubleSince', 'troubleCount', 'probeUntil') == 0 then return 'open' end
emit('', KEYS[2], ARGV[1])
audit(KEYS[3], 'open_route', '', '', ARGV[3], ARGV[4], ARGV[2] .. ': ' .. (because and 'closed: ' .. because or 'open'), ARGV[2] .. ': open')
return 'open'
`);

/** An unanswered request: whose fault it is, and how long everybody stays away where it is the route's. */
export async function reportTrouble(
  store: Store,
  route: string,
  of: { report: ReportId; section: string; callKey: string },
  trouble: { beganAt: EpochMs; freeForMs: number; firstMs: number; longestMs: number; random: number },
): Promise<{ fault: "route" | "unclear" | "request"; waitMs: number }> {
  const [fault, waitMs] = await run<["route" | "unclear" | "request", string]>(
    store.redis,
    TROUBLE,
    [store.keys.route(route), store.keys.section(of.report, of.section)],
    [trouble.beganAt, trouble.freeForMs, trouble.longestMs, trouble.random, trouble.firstMs, of.callKey],
  );
  return { fault, waitMs: Math.max(0, Number(waitMs)) };
}

/**
 * Closes a route until a person opens it. `withdraw` where another process was answered by the same host and model
 * within `withdrawWithinMs`: then it is this process that has to go.
 */
export async function closeRoute(
  store: Store,
  route: string,
  because: string,
  process: string,
  withdrawWithinMs: number,
  decided: { by: string; why: string } | null = null,
): Promise<"closed" | "withdraw"> {
  const event = JSON.stringify({ event: "route.closed", route, because });
  const { keys } = store;
  return run(
    store.redis,
    CLOSE,
    [keys.route(route), keys.answered, keys.fleetEvents, keys.audit],
    [served(route), because, process, withdrawWithinMs, event, route, decided?.by ?? "", decided?.why ?? ""],
  );
}

/** A person's decision that a route is closed until one opens it again. */
export async function closeRouteBy(
  store: Store,
  route: string,
  decided: { by: string; why: string },
): Promise<"closed" | "unknown"> {
  if ((await store.redis.sismember(store.keys.routes, route)) === 0) return "unknown";
  await closeRoute(store, route, `${decided.why} (closed by ${decided.by})`, decided.by, 0, decided);
  return "closed";
}

export async function openRoute(
  store: Store,
  route: string,
  by: string,
  why = "",
): Promise<"open" | "unknown"> {
  const { keys } = store;
  return run(
    store.redis,
    OPEN,
    [keys.route(route), keys.fleetEvents, keys.audit],
    [JSON.stringify({ event: "route.opened", route, by }), route, by, why],
  );
}

const MINUTE_MS = 60_000;

export interface RouteView extends RouteGate {
  route: string;
  state: RouteState;
  answeredAt: EpochMs | null;
  /** What was sent over it in the current minute: answered by usage, the rest by estimate. */
  minute: { requests: number; tokens: number };
  /** Requests on their way. */
  inFlight: number;
}

export async function listRoutes(store: Store): Promise<RouteView[]> {
  const { redis, keys } = store;
  const routes = (await redis.smembers(keys.routes)).sort();
  const now = await redisNow(store);
  return Promise.all(
    routes.map(async (route) => {
      const [[closed, closedUntil, troubleSince, answeredAt, minute, requests, tokens], inFlight] =
        await Promise.all([
          redis.hmget(
            keys.route(route),
            "closed",
            "closedUntil",
            "troubleSince",
            "answeredAt",
            "minute",
            "requests",
            "tokens",
          ),
          redis.zcount(keys.routeSlots(route), `(${now}`, "+inf"),
        ]);
      const isNow = Number(minute) === Math.floor(now / MINUTE_MS);
      const gate = gateOf([closed, closedUntil, troubleSince]);
      return {
        route,
        state: routeStateOf(gate, now),
        ...gate,
        answeredAt: asTime(answeredAt),
        minute: isNow ? { requests: Number(requests), tokens: Number(tokens) } : { requests: 0, tokens: 0 },
        inFlight,
      };
    }),
  );
}

/** From the fields of these names. */
export function gateOf([closed, closedUntil, troubleSince]: readonly (
  | string
  | null
  | undefined
)[]): RouteGate {
  return { closed: closed ?? null, closedUntil: asTime(closedUntil), troubleSince: asTime(troubleSince) };
}

/** A route without its key: what two workers with different keys have in common. */
export function served(route: string): string {
  return route.replace(/#[^#]*$/, "");
}

function asTime(text: string | null | undefined): EpochMs | null {
  return text === null || text === undefined ? null : Number(text);
}
