/**
 * Scripts sit in template strings beside their typed wrappers. Rules, each learnt from a broken balance:
 *
 * - everything is read and checked before the first write, because a failed script keeps what it wrote;
 * - a script is safe to run twice, because a lost reply is answered by sending it again;
 * - time is Redis `TIME`; money is moved with `HINCRBY` on integers, never through Lua numbers or JSON;
 * - replies are words, not codes;
 * - what saves paid work is allowed when memory is full (`allow-oom`), what starts new work is not.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { COUNT_LUA } from "./count.ts";

export interface Script {
  body: string;
  sha: string;
}

/** Local functions every script may use. */
const PRELUDE = `
local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
-- Amounts leave as text: Lua would print 0 negated as "-0" and large numbers with an exponent, and HINCRBY takes neither.
local function plus(amount)
  return string.format('%d', amount)
end
local function minus(amount)
  return plus(-amount)
end
-- The fleet's part of a report's key, and its id. Found by plain text: a pattern costs as much as a command.
local function parts_of(report_key)
  local at = string.find(report_key, ':report:', 1, true)
  return string.sub(report_key, 1, at - 1), string.sub(report_key, at + 8)
end
-- A report is listed under its status, by when it was ordered: a few are found among many without reading them all.
local function enter_status(report_key, to)
  local root, id = parts_of(report_key)
  local r = redis.call('HMGET', report_key, 'status', 'createdAt')
  if r[1] and r[1] ~= to then redis.call('ZREM', root .. ':index:status:' .. r[1], id) end
  redis.call('ZADD', root .. ':index:status:' .. to, r[2] or '0', id)
  redis.call('HSET', report_key, 'status', to)
end
-- What somebody outside wants to hear goes to the webhook outbox in the script that makes it true; without one who
-- listens, nothing does. Only the dispatcher takes it out again (src/webhooks/dispatch-webhooks.ts).
local function announce(root, account, callback, delivery, fact)
  if callback == '' and redis.call('EXISTS', root .. ':webhook-endpoints') == 0 then return end
  redis.call('XADD', root .. ':webhook-outbox', '*', 'fact', fact, 'account', account, 'callback', callback, 'delivery', delivery)
end
local function announce_event(stream, root, name, event)
  local account, callback, delivery = '', '', ''
  if name == 'report.status' then
    local status = string.match(event, '"status":"([%w_]+)"')
    if stream == '' or (status ~= 'completed' and status ~= 'failed' and status ~= 'cancelled' and status ~= 'needs_review') then return end
    local r = redis.call('HMGET', string.match(stream, '^(.*):events$'), 'account', 'callback', 'delivery')
    account, callback, delivery = r[1] or '', r[2] or '', status == 'completed' and r[3] or ''
  elseif name ~= 'breaker' and name ~= 'route.closed' and name ~= 'route.opened' and name ~= 'spending.stopped' and name ~= 'spending.started' then
    return
  end
  announce(root, account, callback, delivery, event)
end
${COUNT_LUA}
-- Only tells. Whoever tells one of the events that there are many of counts it by its own function in 'count.ts', from what
-- it knows anyway; 'emit' finds out from the text what there is to count and to announce.
local function tell(stream, fleet_stream, event)
  -- A report that is gone has no stream: '' keeps it from coming back to life.
  if stream == '' then
    redis.call('XADD', fleet_stream, 'MAXLEN', '~', '20000', '*', 'e', event)
    return
  end
  -- The fleet's stream says of whom and where it is told, and not again what.
  local id = redis.call('XADD', stream, 'MAXLEN', '~', '2000', '*', 'e', event)
  local _, name = parts_of(stream)
  redis.call('XADD', fleet_stream, 'MAXLEN', '~', '20000', '*', 'of', string.sub(name, 1, -#':events' - 1), 'at', id)
end
local function emit(stream, fleet_stream, event)
  if event ~= '' then
    tell(stream, fleet_stream, event)
    local root, name = string.sub(fleet_stream, 1, -#':events' - 1), string.match(event, '"event":"([%w_.]+)"')
    count_event(stream, root, name, event)
    announce_event(stream, root, name, event)
  end
end
`;

function compile(flags: string, body: string): Script {
  const text = `#!lua${flags}\n${withoutUnused(`${PRELUDE}${body}`)}`;
  return { body: text, sha: createHash("sha1").update(text).digest("hex") };
}

/** A top-level function of a script: from its first line to the `end` that stands as far left, or on that line. */
const FUNCTION = /^local function (\w+)\(.*(?: end\n|\n(?: .*\n|\n)*end\n)/gm;

/**
 * Leaves out the functions that a script never comes to: Redis makes all of them anew on every run, which costs as much as
 * several commands. Functions see only those above them, so one look from the end finds what is used. Comments name them too.
 */
function withoutUnused(text: string): string {
  let kept = text.replace(/^ *--.*\n/gm, "");
  for (const { 0: source, 1: name, index } of [...kept.matchAll(FUNCTION)].toReversed()) {
    const below = kept.slice(index + source.length);
    if (!new RegExp(`\\b${name}\\b`).test(below)) kept = kept.slice(0, index) + below;
  }
  return kept;
}

/** For scripts that start new work: refused when Redis is out of memory. */
export function startingScript(body: string): Script {
  return compile("", body);
}

/** For scripts that save, settle or end work: allowed when Redis is out of memory. */
export function savingScript(body: string): Script {
  return compile(" flags=allow-oom", body);
}

/** A flat list of names and values, as Redis answers for hashes and stream entries. */
export function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string;
  return fields;
}

export type ScriptArgument = string | number | Buffer;

/** Runs a script whose reply is text, a number or a list of them. */
export async function run<Reply>(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<Reply> {
  try {
    return (await redis.evalsha(script.sha, keys.length, ...keys, ...args)) as Reply;
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return (await redis.eval(script.body, keys.length, ...keys, ...args)) as Reply;
  }
}

/** As `run`, for replies that hold bytes; every string comes as a Buffer. */
export async function runForBytes(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly ScriptArgument[],
): Promise<(Buffer | number | null)[]> {
  const call = (command: string, code: string) =>
    redis.callBuffer(command, code, keys.length, ...keys, ...args) as Promise<(Buffer | number | null)[]>;
  try {
    return await call("EVALSHA", script.sha);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return await call("EVAL", script.body);
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}
