/**
 * Webhook endpoints: who wants to be told outside, where, and with which secret.
 *
 * The secrets lie here as they are, because signing needs them; whoever can read this Redis can forge a webhook, but
 * could forge the reports as well. They are shown once, when they are made.
 *
 * The callback of an order has no endpoint of its own. All callbacks of an account share one record, for their secret.
 */
import type { WebhookEndpoint, WebhookType } from "../domain/webhook.ts";
import { AUDIT_LUA } from "./audit.ts";
import type { Store } from "./redis.ts";
import { isKnownForm } from "./version.ts";
import { redisNow } from "./redis.ts";
import { run, savingScript, startingScript } from "./script.ts";

const ADD = startingScript(`${AUDIT_LUA}
-- KEYS endpoint endpoints audit   ARGV id account url events secret by listed('listed' | '') why
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'v', 1, 'id', ARGV[1], 'account', ARGV[2], 'url', ARGV[3], 'events', ARGV[4], 'secret', ARGV[5],
    'status', 'enabled', 'createdBy', ARGV[6], 'createdAt', now_ms())
  if ARGV[7] == 'listed' then audit(KEYS[3], 'add_webhook', '', '', ARGV[6], ARGV[8], '', ARGV[1]) end
end
if ARGV[7] == 'listed' then redis.call('SADD', KEYS[2], ARGV[1]) end
return 'added'
`);

const ROTATE = startingScript(`${AUDIT_LUA}
-- KEYS endpoint audit   ARGV secret overlap_ms id by why
local known = redis.call('HGET', KEYS[1], 'secret')
if not known then return 'unknown' end
-- The same new secret again is the repeat of a lost reply; the old one must not be pushed out by it.
if known ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'secret', ARGV[1], 'secretBefore', known, 'secretBeforeUntil', now_ms() + tonumber(ARGV[2]))
  audit(KEYS[2], 'rotate_webhook_secret', '', '', ARGV[4], ARGV[5], ARGV[3], ARGV[3] .. ': new secret')
end
return 'rotated'
`);

const ENABLE = savingScript(`${AUDIT_LUA}
-- KEYS endpoint audit   ARGV id by why
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
audit(KEYS[2], 'enable_webhook', '', '', ARGV[2], ARGV[3], ARGV[1] .. ': ' .. (redis.call('HGET', KEYS[1], 'status') or ''), ARGV[1] .. ': enabled')
redis.call('HSET', KEYS[1], 'status', 'enabled')
redis.call('HDEL', KEYS[1], 'because', 'failingSince')
return 'enabled'
`);

const REMOVE = savingScript(`${AUDIT_LUA}
-- KEYS endpoint endpoints due pending settled audit   ARGV id by why
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
local root = string.match(KEYS[2], '^(.*):webhook%-endpoints$')
for _, key in ipairs({KEYS[4], KEYS[5]}) do
  for _, delivery in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    local record = root .. ':webhook-delivery:' .. delivery
    local lane = redis.call('HGET', record, 'lane')
    if lane and lane ~= '' then redis.call('DEL', lane) end
    redis.call('DEL', record)
    redis.call('ZREM', KEYS[3], delivery)
  end
end
redis.call('SREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[1], KEYS[4], KEYS[5])
-- Its address is the customer's word, and an erased customer leaves none.
audit(KEYS[6], 'remove_webhook', '', '', ARGV[2], ARGV[3], ARGV[1], '')
return 'removed'
`);

const FORGET_CALLBACKS = savingScript(`
-- KEYS outbox   ARGV account
-- What waits to be told is told to the operator's endpoints all the same.
local forgotten = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
  local fact = {}
  for i = 1, #entry[2], 2 do fact[entry[2][i]] = entry[2][i + 1] end
  if fact.account == ARGV[1] and fact.callback ~= '' then
    redis.call('XADD', KEYS[1], '*', 'fact', fact.fact, 'account', fact.account, 'callback', '', 'delivery', fact.delivery or '')
    redis.call('XDEL', KEYS[1], entry[1])
    forgotten = forgotten + 1
  end
end
return tostring(forgotten)
`);

export interface NewEndpoint {
  id: string;
  account: string | null;
  url: string;
  events: readonly WebhookType[];
  secret: string;
  by: string;
  why?: string;
}

/** Hears what happens from now on, nothing older. */
export async function addWebhook(store: Store, endpoint: NewEndpoint): Promise<void> {
  await add(store, endpoint, "listed");
}

/** What all callbacks of an account are signed with; made when it is first needed. */
export async function callbackEndpoint(
  store: Store,
  account: string,
  newSecret: string,
): Promise<WebhookEndpoint> {
  const id = callbackEndpointId(account);
  const known = await readWebhook(store, id);
  if (known !== null) return known;
  await add(store, { id, account, url: "", events: [], secret: newSecret, by: "callback" }, "");
  const made = await readWebhook(store, id);
  if (made === null) throw new Error(`The callback record of ${account} vanished while it was made.`);
  return made;
}

export function callbackEndpointId(account: string): string {
  return `callback.${account}`;
}

async function add(store: Store, endpoint: NewEndpoint, listed: "listed" | ""): Promise<void> {
  const { redis, keys } = store;
  const { id, account, url, events, secret, by, why = "" } = endpoint;
  await run(
    redis,
    ADD,
    [keys.webhook(id), keys.webhooks, keys.audit],
    [id, account ?? "", url, JSON.stringify(events), secret, by, listed, why],
  );
}

/** Both secrets sign until the overlap is over. */
export async function rotateWebhook(
  store: Store,
  id: string,
  secret: string,
  overlapMs: number,
  by: string,
  why = "",
): Promise<"rotated" | "unknown"> {
  const { redis, keys } = store;
  return run(redis, ROTATE, [keys.webhook(id), keys.audit], [secret, overlapMs, id, by, why]);
}

export async function enableWebhook(
  store: Store,
  id: string,
  by: string,
  why = "",
): Promise<"enabled" | "unknown"> {
  const { redis, keys } = store;
  return run(redis, ENABLE, [keys.webhook(id), keys.audit], [id, by, why]);
}

/** With its deliveries, sent or not. */
export async function removeWebhook(
  store: Store,
  id: string,
  by: string,
  why = "",
): Promise<"removed" | "unknown"> {
  const { redis, keys } = store;
  return run(
    redis,
    REMOVE,
    [
      keys.webhook(id),
      keys.webhooks,
      keys.webhookDue,
      keys.webhookPending(id),
      keys.webhookSettled(id),
      keys.audit,
    ],
    [id, by, why],
  );
}

/** Everything an account is told ends: its endpoints with their secrets and deliveries, and the callbacks of its orders. */
export async function eraseWebhooks(store: Store, account: string, by: string, why = ""): Promise<string[]> {
  const { redis, keys } = store;
  await run(redis, FORGET_CALLBACKS, [keys.webhookOutbox], [account]);
  const listed = await listWebhooks(store, account);
  const ids = [...listed.map(({ id }) => id), callbackEndpointId(account)];
  const removed: string[] = [];
  for (const id of ids) if ((await removeWebhook(store, id, by, why)) === "removed") removed.push(id);
  return removed;
}

export async function readWebhook(store: Store, id: string): Promise<WebhookEndpoint | null> {
  const [fields, now] = await Promise.all([store.redis.hgetall(store.keys.webhook(id)), redisNow(store)]);
  return endpointFrom(fields, now);
}

/** Oldest first; of one account, or all of them with the operator's. */
export async function listWebhooks(store: Store, account?: string): Promise<WebhookEndpoint[]> {
  const { redis, keys } = store;
  const [ids, now] = await Promise.all([redis.smembers(keys.webhooks), redisNow(store)]);
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hgetall(keys.webhook(id));
  const endpoints: WebhookEndpoint[] = [];
  for (const [error, fields] of (await pipeline.exec()) ?? []) {
    if (error) throw error;
    const endpoint = endpointFrom(fields as Record<string, string>, now);
    if (endpoint !== null && (account === undefined || endpoint.account === account))
      endpoints.push(endpoint);
  }
  return endpoints.sort((a, b) => a.createdAt - b.createdAt);
}

function endpointFrom(fields: Record<string, string>, now: number): WebhookEndpoint | null {
  if (fields["id"] === undefined || !isKnownForm(fields["v"])) return null;
  const secrets = [fields["secret"] ?? ""];
  if (fields["secretBefore"] !== undefined && Number(fields["secretBeforeUntil"]) > now)
    secrets.push(fields["secretBefore"]);
  return {
    id: fields["id"],
    account: fields["account"] ? fields["account"] : null,
    url: fields["url"] ?? "",
    events: JSON.parse(fields["events"] ?? "[]") as WebhookType[],
    secrets,
    state:
      fields["status"] === "disabled"
        ? { status: "disabled", because: fields["because"] ?? "" }
        : {
            status: "enabled",
            failingSince: fields["failingSince"] === undefined ? null : Number(fields["failingSince"]),
          },
    createdBy: fields["createdBy"] ?? "",
    createdAt: Number(fields["createdAt"]),
  };
}

/** From this balance on an account is told `credits.low`; null asks for no warning. */
export async function warnBelow(store: Store, account: string, credits: number | null): Promise<void> {
  const key = store.keys.account(account);
  if (credits === null) await store.redis.hdel(key, "warnBelow");
  else await store.redis.hset(key, "warnBelow", credits);
}
