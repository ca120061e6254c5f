/**
 * Who is looking at which case, so that two people do not think about the same one. A claim is a courtesy: it ends by
 * itself, anybody may take it over, and it is no lock. Of two people who decide at once the version of the case lets only
 * one; see `resume.ts`.
 */
import type { EpochMs } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

/** The others see it at once; looking on is no news. */
const TELL_LUA = `
local function tell_claim(fleet_events, case, by)
  emit('', fleet_events, '{"event":"review.claimed","case":' .. cjson.encode(case) .. ',"by":' .. (by and cjson.encode(by) or 'null') .. '}')
end
`;

const CLAIM = savingScript(`${TELL_LUA}
-- KEYS claims claimers fleet_events   ARGV by lease_ms over(0|1) case...   The first case that nobody else looks at.
local now = now_ms()
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], old)
  redis.call('HDEL', KEYS[2], old)
end
for i = 4, #ARGV do
  local holder = redis.call('HGET', KEYS[2], ARGV[i])
  if not holder or holder == ARGV[1] or ARGV[3] == '1' then
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[i])
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[1])
    if holder ~= ARGV[1] then tell_claim(KEYS[3], ARGV[i], ARGV[1]) end
    return {'claimed', ARGV[i]}
  end
end
return {'held', redis.call('HGET', KEYS[2], ARGV[4] or '') or ''}
`);

const RELEASE = savingScript(`${TELL_LUA}
-- KEYS claims claimers fleet_events   ARGV by case
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[1] then return 'not_held' end
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])
tell_claim(KEYS[3], ARGV[2], nil)
return 'released'
`);

export interface CaseClaim {
  by: string;
  until: EpochMs;
}

export type Claimed = { outcome: "claimed"; case: string } | { outcome: "held"; by: string };

/** Claims the first of these cases that nobody else looks at. */
export async function claimCase(
  store: Store,
  cases: readonly string[],
  claim: { by: string; forMs: number; takeOver?: boolean },
): Promise<Claimed> {
  const { redis, keys } = store;
  const [word, detail = ""] = await run<string[]>(
    redis,
    CLAIM,
    [keys.caseClaims, keys.caseClaimers, keys.fleetEvents],
    [claim.by, claim.forMs, claim.takeOver === true ? 1 : 0, ...cases],
  );
  return word === "claimed" ? { outcome: "claimed", case: detail } : { outcome: "held", by: detail };
}

export async function releaseCase(store: Store, id: string, by: string): Promise<void> {
  const { redis, keys } = store;
  await run(redis, RELEASE, [keys.caseClaims, keys.caseClaimers, keys.fleetEvents], [by, id]);
}

/** Everything that is looked at now; as many as there are people. */
export async function readClaims(store: Store, now: EpochMs): Promise<Map<string, CaseClaim>> {
  const { redis, keys } = store;
  const rows = await redis.zrangebyscore(keys.caseClaims, `(${now}`, "+inf", "WITHSCORES");
  const ids = rows.filter((_, index) => index % 2 === 0);
  if (ids.length === 0) return new Map();
  const holders = await redis.hmget(keys.caseClaimers, ...ids);
  return new Map(
    ids.map((id, index) => [id, { by: holders[index] ?? "", until: Number(rows[2 * index + 1]) }]),
  );
}
