/**
 * API keys. Every request reads its key from here, so a revoked one is refused by the next request on every process;
 * there is no cache that would have to be told. The store holds no secret: a dump of it opens nothing.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { isValid, keyText, parseKeyText, type ApiKey, type Scope } from "../domain/api-key.ts";
import type { FleetEvent } from "../domain/events.ts";
import { AUDIT_LUA } from "./audit.ts";
import { redisNow, type Store } from "./redis.ts";
import { run, savingScript, startingScript } from "./script.ts";

const CREATE = startingScript(`${AUDIT_LUA}
-- KEYS key index fleet_events audit   ARGV id hash name account scopes expires_at event by
if redis.call('EXISTS', KEYS[1]) == 1 then return 'created' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'hash', ARGV[2], 'name', ARGV[3], 'account', ARGV[4], 'scopes', ARGV[5], 'createdAt', now, 'expiresAt', ARGV[6])
redis.call('ZADD', KEYS[2], now, ARGV[1])
emit('', KEYS[3], ARGV[7])
audit(KEYS[4], 'create_key', '', '', ARGV[8], ARGV[3], '', ARGV[1] .. (ARGV[4] ~= '' and ' of ' .. ARGV[4] or ' of the fleet') .. ': ' .. ARGV[5])
return 'created'
`);

const REVOKE = savingScript(`${AUDIT_LUA}
-- KEYS key fleet_events audit   ARGV event id by why
if redis.call('EXISTS', KEYS[1]) == 0 then return 'unknown' end
if redis.call('HSETNX', KEYS[1], 'revokedAt', now_ms()) == 0 then return 'revoked_before' end
emit('', KEYS[2], ARGV[1])
audit(KEYS[3], 'revoke_key', '', '', ARGV[3], ARGV[4], ARGV[2] .. ': ' .. (redis.call('HGET', KEYS[1], 'scopes') or ''), ARGV[2] .. ': revoked')
return 'revoked'
`);

const NOTE_USE = savingScript(`
-- KEYS key   ARGV every_ms
-- To the minute, so that a busy key does not write with each request.
local used = redis.call('HMGET', KEYS[1], 'id', 'lastUsedAt')
local now = now_ms()
if used[1] and now - tonumber(used[2] or '0') > tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'lastUsedAt', now) end
return 'noted'
`);

const NOTE_USE_EVERY_MS = 60_000;
/** Compared with where a key is unknown, so that an unknown id takes as long as a wrong secret. */
const NO_HASH = "0".repeat(64);

export interface NewKey {
  name: string;
  account: string | null;
  scopes: readonly Scope[];
  expiresAt: number | null;
  by: string;
}

/** `text` is the key itself, and this is the only time it is known. */
export async function createApiKey(store: Store, wanted: NewKey): Promise<{ key: ApiKey; text: string }> {
  const { redis, keys } = store;
  const id = randomBytes(8).toString("hex");
  const text = keyText(id, randomBytes(32).toString("base64url"));
  const event: FleetEvent = { event: "api_key.created", key: id, scopes: wanted.scopes, by: wanted.by };
  await run(
    redis,
    CREATE,
    [keys.apiKey(id), keys.apiKeys, keys.fleetEvents, keys.audit],
    [
      id,
      hashOf(text),
      wanted.name,
      wanted.account ?? "",
      wanted.scopes.join(" "),
      wanted.expiresAt ?? "",
      JSON.stringify(event),
      wanted.by,
    ],
  );
  const key = await readApiKey(store, id);
  if (key === null) throw new Error(`Key ${id} was created and is not there.`);
  return { key, text };
}

export async function revokeApiKey(
  store: Store,
  id: string,
  by: string,
  why = "",
): Promise<"revoked" | "revoked_before" | "unknown"> {
  const { redis, keys } = store;
  const event: FleetEvent = { event: "api_key.revoked", key: id, by };
  return run(
    redis,
    REVOKE,
    [keys.apiKey(id), keys.fleetEvents, keys.audit],
    [JSON.stringify(event), id, by, why],
  );
}

export async function readApiKey(store: Store, id: string): Promise<ApiKey | null> {
  return keyFrom(await store.redis.hgetall(store.keys.apiKey(id)));
}

/** The newest first. */
export async function listApiKeys(store: Store, limit: number): Promise<ApiKey[]> {
  const ids = await store.redis.zrevrange(store.keys.apiKeys, 0, limit - 1);
  const found = await Promise.all(ids.map((id) => readApiKey(store, id)));
  return found.filter((key) => key !== null);
}

/** The key that a text is, if it is one of ours and may be used now. */
export async function findValidKey(store: Store, text: string): Promise<ApiKey | null> {
  const parsed = parseKeyText(text);
  if (parsed === null) return null;
  const { redis, keys } = store;
  const [fields, now] = await Promise.all([redis.hgetall(keys.apiKey(parsed.id)), redisNow(store)]);
  const given = Buffer.from(hashOf(text), "hex");
  const kept = Buffer.from(fields["hash"] ?? NO_HASH, "hex");
  if (!timingSafeEqual(given, kept)) return null;
  const key = keyFrom(fields);
  if (key === null || !isValid(key, now)) return null;
  await run(redis, NOTE_USE, [keys.apiKey(key.id)], [NOTE_USE_EVERY_MS]);
  return key;
}

/** Whether a key that was found before is valid still. */
export async function mayBeUsed(store: Store, id: string): Promise<boolean> {
  const [key, now] = await Promise.all([readApiKey(store, id), redisNow(store)]);
  return key !== null && isValid(key, now);
}

/** Whether anybody could administer this fleet over HTTP. */
export async function hasAdminKey(store: Store): Promise<boolean> {
  const now = await redisNow(store);
  const all = await listApiKeys(store, MOST_KEYS);
  return all.some((key) => key.scopes.includes("admin") && isValid(key, now));
}

const MOST_KEYS = 10_000;

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function keyFrom(fields: Record<string, string>): ApiKey | null {
  if (fields["id"] === undefined) return null;
  const time = (name: string) => (fields[name] ? Number(fields[name]) : null);
  return {
    id: fields["id"],
    name: fields["name"] ?? "",
    account: fields["account"] || null,
    scopes: (fields["scopes"] ?? "").split(" ").filter((scope) => scope !== "") as Scope[],
    createdAt: Number(fields["createdAt"]),
    expiresAt: time("expiresAt"),
    revokedAt: time("revokedAt"),
    lastUsedAt: time("lastUsedAt"),
  };
}
