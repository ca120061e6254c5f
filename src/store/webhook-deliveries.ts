/**
 * Facts on their way outside.
 *
 *     outbox ──fan out──▶ pending ──▶ delivered
 *                           │  ▲
 *                           │  └── a person sends it again
 *                           └────▶ dead       nobody took it, or its endpoint is disabled
 *
 * A fact enters the outbox in the script that makes it true, and leaves it in the script that makes its deliveries, so
 * no death of a process is between the two. A delivery is sent at least once; its message id tells a repeat.
 *
 * Rows of a ledger stand in a lane per endpoint and account: only the first of a lane is due, and its end calls the
 * next. `webhook-due` says by when each delivery must have moved, so a lost job is rung again.
 */
import { randomUUID } from "node:crypto";
import type { FleetEvent } from "../domain/events.ts";
import type { EpochMs } from "../domain/ids.ts";
import type { DeliveryStatus, Fact, WebhookDelivery, WebhookType } from "../domain/webhook.ts";
import type { Store } from "./redis.ts";
import { fieldsOf, run, savingScript } from "./script.ts";
import { isKnownForm, requireKnownForm } from "./version.ts";

/** Of what is over, an endpoint keeps so many to be looked at or sent again. */
const KEPT_SETTLED = 500;
/** After the time a delivery should have moved by itself. */
const RING_AFTER_MS = 2_000;

const FAN_OUT = savingScript(`
-- KEYS outbox due   ARGV entry message type then per target: delivery endpoint lane_account url body
local root = string.match(KEYS[1], '^(.*):webhook%-outbox$')
if not redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1] then return {} end
local now = now_ms()
local rung = {}
for i = 4, #ARGV, 5 do
  local id, endpoint, account = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local record = root .. ':webhook-delivery:' .. id
  if redis.call('EXISTS', root .. ':webhook:' .. endpoint) == 1 and redis.call('EXISTS', record) == 0 then
    local lane = account ~= '' and root .. ':webhook-lane:' .. endpoint .. ':' .. account or ''
    redis.call('HSET', record, 'v', 1, 'id', id, 'message', ARGV[2], 'endpoint', endpoint, 'type', ARGV[3], 'lane', lane,
      'url', ARGV[i + 3], 'body', ARGV[i + 4], 'status', 'pending', 'attempts', 0, 'answers', '', 'createdAt', now)
    redis.call('ZADD', root .. ':webhook-pending:' .. endpoint, now, id)
    if lane == '' or redis.call('RPUSH', lane, id) == 1 then
      redis.call('HSET', record, 'nextAt', now)
      redis.call('ZADD', KEYS[2], now, id)
      rung[#rung + 1] = id
    end
  end
end
redis.call('XDEL', KEYS[1], ARGV[1])
return rung
`);

const SETTLE_LUA = `
-- Ends a delivery and answers who of its lane is next, or ''.
local function settle(record, due, pending, settled, id, status, now)
  local root = string.match(due, '^(.*):webhook%-due$')
  count(root, 'fleet_webhook_deliveries_total|' .. status)
  redis.call('HSET', record, 'status', status)
  redis.call('HDEL', record, 'nextAt')
  redis.call('ZREM', due, id)
  redis.call('ZREM', pending, id)
  redis.call('ZADD', settled, now, id)
  for _, old in ipairs(redis.call('ZRANGE', settled, 0, -${KEPT_SETTLED + 1})) do
    redis.call('ZREM', settled, old)
    redis.call('DEL', root .. ':webhook-delivery:' .. old)
  end
  local lane = redis.call('HGET', record, 'lane')
  if not lane or lane == '' or redis.call('LINDEX', lane, 0) ~= id then return '' end
  redis.call('LPOP', lane)
  local following = redis.call('LINDEX', lane, 0)
  if not following then return '' end
  redis.call('HSET', root .. ':webhook-delivery:' .. following, 'nextAt', now)
  redis.call('ZADD', due, now, following)
  return following
end
`;

const NOTE = savingScript(`${SETTLE_LUA}
-- KEYS delivery endpoint due pending settled fleet_events
-- ARGV id outcome('delivered' | 'failed' | 'gone') answer retry_after_ms('' = it was the last) disable_after_ms disabled_event attempt
local d = redis.call('HMGET', KEYS[1], 'status', 'answers', 'url', 'noted')
if d[1] ~= 'pending' then return {'settled', ''} end
if d[4] == ARGV[7] then return {'again', ''} end
local now = now_ms()
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'noted', ARGV[7])
count(string.match(KEYS[3], '^(.*):webhook%-due$'), 'fleet_webhook_attempts_total|' .. ARGV[2])
redis.call('HSET', KEYS[1], 'answers', (d[2] or '') .. plus(now) .. ' ' .. ARGV[3] .. ';')
-- One order's callback that fails says nothing about the account's other callbacks.
local of_endpoint = d[3] == '' and redis.call('EXISTS', KEYS[2]) == 1
if ARGV[2] == 'delivered' then
  if of_endpoint then redis.call('HDEL', KEYS[2], 'failingSince') end
  return {'settled', settle(KEYS[1], KEYS[3], KEYS[4], KEYS[5], ARGV[1], 'delivered', now)}
end
local last = ARGV[2] == 'gone' or ARGV[4] == ''
if of_endpoint and redis.call('HGET', KEYS[2], 'status') == 'enabled' then
  redis.call('HSETNX', KEYS[2], 'failingSince', now)
  local failing = now - tonumber(redis.call('HGET', KEYS[2], 'failingSince'))
  if ARGV[2] == 'gone' or failing > tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[2], 'status', 'disabled', 'because', ARGV[2] == 'gone' and 'it answered 410: it wants no more' or 'nothing it was sent for days arrived')
    emit('', KEYS[6], ARGV[6])
    last = true
  end
end
if last then return {'settled', settle(KEYS[1], KEYS[3], KEYS[4], KEYS[5], ARGV[1], 'dead', now)} end
local at = now + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'nextAt', at)
redis.call('ZADD', KEYS[3], at + ${RING_AFTER_MS}, ARGV[1])
return {'again', ''}
`);

const BURY = savingScript(`${SETTLE_LUA}
-- KEYS delivery due pending settled   ARGV id why
local d = redis.call('HMGET', KEYS[1], 'status', 'answers')
if d[1] ~= 'pending' then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return ''
end
local now = now_ms()
redis.call('HSET', KEYS[1], 'answers', (d[2] or '') .. plus(now) .. ' ' .. ARGV[2] .. ';')
return settle(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], 'dead', now)
`);

const REPLAY = savingScript(`
-- KEYS delivery due pending settled   ARGV id
local d = redis.call('HMGET', KEYS[1], 'status', 'lane')
if not d[1] then return 'unknown' end
if d[1] == 'pending' then return 'pending' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'status', 'pending', 'attempts', 0, 'answers', '')
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[3], now, ARGV[1])
if d[2] == '' or redis.call('RPUSH', d[2], ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'nextAt', now)
  redis.call('ZADD', KEYS[2], now, ARGV[1])
end
return 'replayed'
`);

const TAKE_DUE = savingScript(`
-- KEYS due   ARGV limit again_after_ms
-- What is handed out is due again later: whoever rings it may die before.
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(due) do redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), id) end
return due
`);

export interface AnnouncedFact {
  /** Its place in the outbox. */
  entry: string;
  at: EpochMs;
  fact: Fact;
  account: string | null;
  /** Where an order wants its own status told, besides the endpoints. */
  callback: string | null;
  delivery: string | null;
}

/** Oldest first. */
export async function readOutbox(store: Store, limit: number): Promise<AnnouncedFact[]> {
  const rows = await store.redis.xrange(store.keys.webhookOutbox, "-", "+", "COUNT", limit);
  return rows.map(([entry, flat]) => {
    const fields = fieldsOf(flat);
    return {
      entry,
      at: Number.parseInt(entry, 10),
      fact: JSON.parse(fields["fact"] ?? "{}") as Fact,
      account: fields["account"] || null,
      callback: fields["callback"] || null,
      delivery: fields["delivery"] || null,
    };
  });
}

export interface Target {
  endpoint: string;
  /** The account whose order of rows is kept; null where any order will do. */
  lane: string | null;
  url: string | null;
  body: string;
}

/** Makes the deliveries of one fact and takes it out of the outbox. Answers those that may be sent at once. */
export async function fanOut(
  store: Store,
  fact: { entry: string; message: string; type: WebhookType },
  targets: readonly Target[],
): Promise<string[]> {
  const { redis, keys } = store;
  return run(
    redis,
    FAN_OUT,
    [keys.webhookOutbox, keys.webhookDue],
    [
      fact.entry,
      fact.message,
      fact.type,
      ...targets.flatMap(({ endpoint, lane, url, body }) => [
        `${fact.message}.${endpoint}`,
        endpoint,
        lane ?? "",
        url ?? "",
        body,
      ]),
    ],
  );
}

/** Takes out what nobody is told, in one go. */
export async function dropFacts(store: Store, entries: readonly string[]): Promise<void> {
  if (entries.length > 0) await store.redis.xdel(store.keys.webhookOutbox, ...entries);
}

export type Attempt =
  | { outcome: "delivered"; answer: string }
  /** The receiver wants no more of it. */
  | { outcome: "gone"; answer: string }
  /** `retryAfterMs` of null: that was the last. */
  | { outcome: "failed"; answer: string; retryAfterMs: number | null };

/** Writes down what came of sending it. `next` may be sent now because this one is over. */
export async function noteAttempt(
  store: Store,
  delivery: Pick<WebhookDelivery, "id" | "endpoint">,
  attempt: Attempt,
  disableAfterMs: number,
): Promise<{ word: "settled" | "again"; next: string | null }> {
  const { redis, keys } = store;
  const { id, endpoint } = delivery;
  const disabled: FleetEvent = {
    event: "webhook.disabled",
    endpoint,
    because: attempt.outcome === "gone" ? "it answered 410" : "nothing it was sent for days arrived",
  };
  const [word, next] = await run<["settled" | "again", string]>(
    redis,
    NOTE,
    [
      keys.webhookDelivery(id),
      keys.webhook(endpoint),
      keys.webhookDue,
      keys.webhookPending(endpoint),
      keys.webhookSettled(endpoint),
      keys.fleetEvents,
    ],
    [
      id,
      attempt.outcome,
      attempt.answer,
      attempt.outcome === "failed" ? (attempt.retryAfterMs ?? "") : "",
      disableAfterMs,
      JSON.stringify(disabled),
      // Told apart by it: another attempt, and the same one sent again because its reply was lost.
      randomUUID(),
    ],
  );
  return { word, next: next === "" ? null : next };
}

/** Ends a delivery that nobody can be sent any more. */
export async function buryDelivery(
  store: Store,
  delivery: Pick<WebhookDelivery, "id" | "endpoint">,
  why: string,
): Promise<{ next: string | null }> {
  const { redis, keys } = store;
  const { id, endpoint } = delivery;
  const next = await run<string>(
    redis,
    BURY,
    [keys.webhookDelivery(id), keys.webhookDue, keys.webhookPending(endpoint), keys.webhookSettled(endpoint)],
    [id, why],
  );
  return { next: next === "" ? null : next };
}

/** Sends it again under the same message id, at the end of its lane. */
export async function replayDelivery(
  store: Store,
  delivery: Pick<WebhookDelivery, "id" | "endpoint">,
): Promise<"replayed" | "pending" | "unknown"> {
  const { redis, keys } = store;
  const { id, endpoint } = delivery;
  return run(
    redis,
    REPLAY,
    [keys.webhookDelivery(id), keys.webhookDue, keys.webhookPending(endpoint), keys.webhookSettled(endpoint)],
    [id],
  );
}

/** Deliveries that should have a job by now. */
export async function takeDue(store: Store, limit: number, againAfterMs: number): Promise<string[]> {
  return run(store.redis, TAKE_DUE, [store.keys.webhookDue], [limit, againAfterMs]);
}

export async function dropDue(store: Store, delivery: string): Promise<void> {
  await store.redis.zrem(store.keys.webhookDue, delivery);
}

export async function readDelivery(store: Store, id: string): Promise<WebhookDelivery | null> {
  const fields = await store.redis.hgetall(store.keys.webhookDelivery(id));
  requireKnownForm(`The delivery ${id}`, fields["v"]);
  return deliveryFrom(fields);
}

/** What is on its way first, then what is over; each newest first. */
export async function listDeliveries(
  store: Store,
  endpoint: string,
  limit: number,
): Promise<WebhookDelivery[]> {
  const { redis, keys } = store;
  const [pending, settled] = await Promise.all([
    redis.zrevrange(keys.webhookPending(endpoint), 0, limit - 1),
    redis.zrevrange(keys.webhookSettled(endpoint), 0, limit - 1),
  ]);
  return readDeliveries(store, [...pending, ...settled].slice(0, limit));
}

/** All that are kept, in the order they came to their end. */
export async function listSettled(store: Store, endpoint: string): Promise<WebhookDelivery[]> {
  return readDeliveries(store, await store.redis.zrange(store.keys.webhookSettled(endpoint), "0", "-1"));
}

async function readDeliveries(store: Store, ids: readonly string[]): Promise<WebhookDelivery[]> {
  const pipeline = store.redis.pipeline();
  for (const id of ids) pipeline.hgetall(store.keys.webhookDelivery(id));
  const deliveries: WebhookDelivery[] = [];
  for (const [error, fields] of (await pipeline.exec()) ?? []) {
    if (error) throw error;
    const row = fields as Record<string, string>;
    const delivery = isKnownForm(row["v"]) ? deliveryFrom(row) : null;
    if (delivery !== null) deliveries.push(delivery);
  }
  return deliveries;
}

function deliveryFrom(fields: Record<string, string>): WebhookDelivery | null {
  if (fields["id"] === undefined) return null;
  return {
    id: fields["id"],
    message: fields["message"] ?? "",
    endpoint: fields["endpoint"] ?? "",
    type: fields["type"] as WebhookType,
    url: fields["url"] || null,
    body: fields["body"] ?? "",
    status: fields["status"] as DeliveryStatus,
    attempts: Number(fields["attempts"] ?? 0),
    answers: (fields["answers"] ?? "")
      .split(";")
      .filter((row) => row !== "")
      .map((row) => {
        const space = row.indexOf(" ");
        return { at: Number(row.slice(0, space)), answer: row.slice(space + 1) };
      }),
    nextAt: fields["nextAt"] === undefined ? null : Number(fields["nextAt"]),
    createdAt: Number(fields["createdAt"]),
  };
}
