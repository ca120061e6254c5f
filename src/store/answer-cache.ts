/**
 * Accepted answers that other reports may reuse, for authors who ask for it by name. An entry lives as long as its
 * author said; the report that made it knows it, so that erasing or rejecting that report removes it.
 */
import type { Answer } from "../domain/call.ts";
import type { FleetEvent } from "../domain/events.ts";
import { packJson, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";
import type { Claim } from "./sections.ts";

const ADOPT = savingScript(`
-- KEYS report section calls events fleet_events   ARGV fence call_key answer event
local s = redis.call('HMGET', KEYS[2], 'fence', 'claim', 'status')
if s[1] ~= ARGV[1] or s[3] ~= 'running' or not s[2] or s[2] == '' then return 'superseded' end
if redis.call('HEXISTS', KEYS[3], ARGV[2]) == 1 then return 'known' end
redis.call('HSET', KEYS[3], ARGV[2], '1:accepted:0', ARGV[2] .. '#1', ARGV[3])
emit(KEYS[4], KEYS[5], ARGV[4])
return 'adopted'
`);

export interface CacheEntry {
  /** Whose answers may meet: an account's own, or (only where an author asked for it) everybody's of the type. */
  scope: string;
  questionHash: string;
}

export async function readCached(store: Store, entry: CacheEntry): Promise<Answer | null> {
  const packed = await store.redis.getBuffer(store.keys.cache(entry.scope, entry.questionHash));
  const unpacked = packed === null ? null : unpack(packed);
  return unpacked?.ok ? (JSON.parse(unpacked.text) as Answer) : null;
}

export async function writeCached(
  store: Store,
  claim: Pick<Claim, "report">,
  entry: CacheEntry,
  answer: Answer,
  ttlMs: number,
): Promise<void> {
  const { redis, keys } = store;
  const key = keys.cache(entry.scope, entry.questionHash);
  // Noted first: an entry that nobody knows of could not be removed with its report.
  await redis.sadd(keys.cachedBy(claim.report), key);
  await redis.set(key, packJson(answer), "PX", ttlMs, "NX");
}

/** Makes a reused answer this section's own checkpoint, at no cost; `known` where the call has a take already. */
export async function adoptCached(
  store: Store,
  claim: Claim,
  call: { name: string; callKey: string },
  answer: Answer,
): Promise<"adopted" | "known" | "superseded"> {
  const { redis, keys } = store;
  const event: FleetEvent = {
    event: "call.reused",
    report: claim.report,
    section: claim.section,
    call: call.name,
    take: 1,
    from: "cache",
    micros: answer.micros,
  };
  return run(
    redis,
    ADOPT,
    [
      keys.report(claim.report),
      keys.section(claim.report, claim.section),
      keys.calls(claim.report),
      keys.events(claim.report),
      keys.fleetEvents,
    ],
    [claim.fence, call.callKey, packJson({ ...answer, micros: 0 } satisfies Answer), JSON.stringify(event)],
  );
}
