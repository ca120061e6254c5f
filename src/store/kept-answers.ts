/**
 * Answers of the HTTP API to requests with an idempotency key, kept for a day.
 *
 *     begun ─▶ answered        the same request again gets the same answer
 *        └───▶ (dropped)       it was refused, or its process died: the key is free again
 *
 * This makes a repeat cheap and equal to the letter. That a repeat orders or grants nothing twice does not rest on it:
 * the scripts that order and grant know the key themselves.
 */
import type { Store } from "./redis.ts";
import { run, savingScript, startingScript } from "./script.ts";

const BEGIN = startingScript(`
-- KEYS answer   ARGV request_hash owner lease_ms
local a = redis.call('HMGET', KEYS[1], 'request', 'owner', 'answer')
if a[1] then
  if a[1] ~= ARGV[1] then return {'conflict', ''} end
  if a[3] then return {'answered', a[3]} end
  if a[2] ~= ARGV[2] then return {'in_progress', tostring(redis.call('PTTL', KEYS[1]))} end
  return {'begun', ''}
end
redis.call('HSET', KEYS[1], 'request', ARGV[1], 'owner', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'begun', ''}
`);

const END = savingScript(`
-- KEYS answer   ARGV owner answer('' = drop) keep_ms
-- Somebody else may have taken over since, after this process was silent for too long.
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 'ended' end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) return 'ended' end
redis.call('HSETNX', KEYS[1], 'answer', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'ended'
`);

/** Longer than any handler takes; for so long a repeat waits for a process that died. */
const LEASE_MS = 15_000;
const KEEP_MS = 24 * 3_600_000;

export type Begun =
  | { outcome: "begun" }
  | { outcome: "answered"; answer: string }
  | { outcome: "in_progress"; waitMs: number }
  /** The key came before with another request. */
  | { outcome: "conflict" };

export async function beginAnswer(
  store: Store,
  keyHash: string,
  requestHash: string,
  owner: string,
): Promise<Begun> {
  const [word, detail] = await run<[Begun["outcome"], string]>(
    store.redis,
    BEGIN,
    [store.keys.keptAnswer(keyHash)],
    [requestHash, owner, LEASE_MS],
  );
  if (word === "answered") return { outcome: word, answer: detail };
  if (word === "in_progress") return { outcome: word, waitMs: Math.max(1, Number(detail)) };
  return { outcome: word };
}

/** Keeps the answer, or frees the key where there is none to keep. */
export async function endAnswer(
  store: Store,
  keyHash: string,
  owner: string,
  answer: string | null,
): Promise<void> {
  await run(store.redis, END, [store.keys.keptAnswer(keyHash)], [owner, answer ?? "", KEEP_MS]);
}
