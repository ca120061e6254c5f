/** How many requests a key has made in this minute, counted for all processes together. */
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const COUNT = savingScript(`
-- KEYS count   ARGV window_ms
local now = now_ms()
local window = math.floor(now / tonumber(ARGV[1]))
local c = redis.call('HGET', KEYS[1], 'window')
if c ~= tostring(window) then redis.call('HSET', KEYS[1], 'window', window, 'requests', 0) end
redis.call('PEXPIRE', KEYS[1], 2 * tonumber(ARGV[1]))
return {redis.call('HINCRBY', KEYS[1], 'requests', 1), (window + 1) * tonumber(ARGV[1]) - now}
`);

const WINDOW_MS = 60_000;

export async function countRequest(
  store: Store,
  keyId: string,
): Promise<{ requests: number; endsInMs: number }> {
  const [requests, endsInMs] = await run<[number, number]>(
    store.redis,
    COUNT,
    [store.keys.requestRate(keyId)],
    [WINDOW_MS],
  );
  return { requests, endsInMs };
}
