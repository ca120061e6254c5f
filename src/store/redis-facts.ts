/** What a Redis says of itself: how much of what it acknowledged survives, and whether a fleet may live on it. */
import type { Redis } from "ioredis";

/**
 * What is still there after a power cut: `always` everything acknowledged, `everysec` all but the last one or two
 * seconds, `none` whatever Redis had happened to write. `unknown`: it writes an append-only file, and does not tell when
 * it flushes it (a hosted Redis, or an ACL without `config|get`).
 */
export type Durability = "always" | "everysec" | "none" | "unknown";

export interface RedisFacts {
  product: "redis" | "valkey";
  version: string;
  durability: Durability;
  /** `no-appendfsync-on-rewrite yes`: while the file is rewritten nothing is flushed. Null where it is not told. */
  flushesDuringRewrite: boolean | null;
  /** Writes to disk that fail, in Redis's own words; null while they succeed. */
  diskTrouble: string | null;
  role: "primary" | "replica";
  replicas: number;
  cluster: boolean;
  eviction: string;
  /** Counted against the limit; what replicas and the append-only buffer take is not. */
  usedBytes: number;
  /** 0 is no limit. */
  maxBytes: number;
  /** Our clock minus that of Redis, half of the way there and back allowed for. */
  clockAheadMs: number;
}

export async function readRedisFacts(redis: Redis): Promise<RedisFacts> {
  const { version, product, ...said } = factsIn(await redis.info());
  const settings = await readSettings(redis);
  return {
    product,
    version,
    ...said,
    durability: durabilityOf(said.writesFile, settings?.["appendfsync"]),
    flushesDuringRewrite: settings === null ? null : settings["no-appendfsync-on-rewrite"] === "no",
    clockAheadMs: await clockAhead(redis),
  };
}

export async function readDurability(redis: Redis): Promise<Durability> {
  const { writesFile } = factsIn(await redis.info());
  return durabilityOf(writesFile, (await readSettings(redis))?.["appendfsync"]);
}

function durabilityOf(writesFile: boolean, fsync: string | undefined): Durability {
  if (!writesFile) return "none";
  if (fsync === undefined) return "unknown";
  return fsync === "always" || fsync === "everysec" ? fsync : "none";
}

/** Reads the lines of INFO; a section that a server leaves out is as if it had nothing to say. */
function factsIn(info: string) {
  const lines = new Map(
    info.split("\r\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
  const text = (name: string): string => lines.get(name) ?? "";
  const number = (name: string): number => Number(lines.get(name) ?? "0");
  const failing = ["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"].filter(
    (name) => lines.has(name) && text(name) !== "ok",
  );
  const valkey = lines.has("valkey_version");
  return {
    product: valkey ? ("valkey" as const) : ("redis" as const),
    version: valkey ? text("valkey_version") : text("redis_version"),
    writesFile: number("aof_enabled") === 1,
    diskTrouble: failing.length === 0 ? null : failing.map((name) => `${name}:${text(name)}`).join(", "),
    role: text("role") === "slave" ? ("replica" as const) : ("primary" as const),
    replicas: number("connected_slaves"),
    cluster: number("cluster_enabled") === 1,
    eviction: text("maxmemory_policy"),
    usedBytes: number("used_memory") - number("mem_not_counted_for_evict"),
    maxBytes: number("maxmemory"),
  };
}

/** Null where the server or its ACL does not let us read them. */
async function readSettings(redis: Redis): Promise<Record<string, string> | null> {
  try {
    const flat = await redis.config("GET", "*append*");
    const pairs = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
    return pairs.length === 0 ? null : (Object.fromEntries(pairs) as Record<string, string>);
  } catch (error) {
    // A refusal is an answer; a lost link is not.
    if (error instanceof Error && error.name === "ReplyError") return null;
    throw error;
  }
}

async function clockAhead(redis: Redis): Promise<number> {
  const before = Date.now();
  const [seconds, micros] = await redis.time();
  const after = Date.now();
  return Math.round((before + after) / 2 - (Number(seconds) * 1_000 + Number(micros) / 1_000));
}
