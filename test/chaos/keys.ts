/**
 * Redis key by key, as somebody sees it who reads it with the fleet stopped: packed texts are not unpacked. And what is left
 * of it once every report that is over has had its time.
 */
import { sweepRetention } from "../../src/store/retention.ts";
import type { Store } from "../../src/store/redis.ts";
import { accountsIn } from "./witnesses.ts";

/** A key, and which texts lie in it as they are. */
export interface KeyEvidence {
  key: string;
  accounts: string[];
  secrets: string[];
}

/** A key that outlives the reports, and which of them it still names. */
export interface KeptKey {
  key: string;
  reports: string[];
  /** It goes by itself. */
  expires: boolean;
}

const REPORT_ID = /rp-[0-9a-z]{20,}/g;

export async function gatherKeys(
  store: Store,
  secrets: readonly string[],
): Promise<{ keys: KeyEvidence[]; activeJobs: string[] }> {
  const keys: KeyEvidence[] = [];
  const activeJobs: string[] = [];
  for (const key of await allKeys(store)) {
    const text = await textOf(store, key);
    keys.push({
      key,
      accounts: [...accountsIn(text)],
      secrets: secrets.filter((secret) => text.includes(secret)),
    });
    if (key.endsWith(":active") && key.startsWith(store.keys.queuePrefix))
      activeJobs.push(...(await store.redis.lrange(key, 0, -1)).map((job) => `${key} ${job}`));
  }
  return { keys, activeJobs };
}

/** Months pass for the reports that are over, by the product's own retention. Nothing else may read Redis after this. */
export async function afterRetention(store: Store): Promise<KeptKey[]> {
  const { redis, keys } = store;
  const ended = await redis.zrange(keys.ended, "0", "-1");
  if (ended.length > 0) await redis.zadd(keys.ended, ...ended.flatMap((id) => [0, id]));
  while ((await sweepRetention(store, { packAfterMs: 0, keepTextsMs: 0, keepReportsMs: 0 }, 200)) > 0);
  const kept: KeptKey[] = [];
  for (const key of await allKeys(store)) {
    const named = `${key} ${await textOf(store, key)}`.match(REPORT_ID) ?? [];
    kept.push({ key, reports: [...new Set(named)], expires: (await redis.pttl(key)) > 0 });
  }
  return kept;
}

async function allKeys({ redis }: Store): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const page of redis.scanStream({ count: 1_000 }))
    for (const key of page as string[]) names.add(key);
  return names;
}

async function textOf({ redis }: Store, key: string): Promise<string> {
  switch (await redis.type(key)) {
    case "string":
      return (await redis.getBuffer(key))?.toString("latin1") ?? "";
    case "hash":
      return Object.entries(await redis.hgetallBuffer(key))
        .map(([field, value]) => `${field} ${value.toString("latin1")}`)
        .join("\n");
    case "list":
      return (await redis.lrange(key, 0, -1)).join("\n");
    case "set":
      return (await redis.smembers(key)).join("\n");
    case "zset":
      return (await redis.zrange(key, "0", "-1")).join("\n");
    case "stream":
      return JSON.stringify(await redis.xrange(key, "-", "+"));
    default:
      return "";
  }
}
