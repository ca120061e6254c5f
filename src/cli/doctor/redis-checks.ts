/**
 * Whether a fleet may live on this Redis. `start` refuses what fails here, since a fleet on a Redis that forgets loses
 * paid work without a word; `doctor` shows all of it at any time.
 *
 *     class A   appendfsync always     a power cut loses nothing that was acknowledged
 *     class B   appendfsync everysec   a power cut loses the last one or two seconds
 *     class C   no append-only file, or a failover by Sentinel: refused unless ACCEPT_LOSS names it
 */
import { checkRedisExposure, isLoopback } from "../../api/check-exposure.ts";
import { isFleetError } from "../../domain/fleet-error.ts";
import { budgetOf } from "../../store/memory.ts";
import { hostsOf, sentinelsOf } from "../../store/redis-address.ts";
import type { RedisFacts } from "../../store/redis-facts.ts";
import { fail, ok, warn, type Finding } from "./finding.ts";

export interface RedisDemands {
  address: string;
  acceptLoss: readonly ("restart" | "failover")[];
}

/** Scripts with flags (`#!lua flags=allow-oom`) came with 7.0; an older server refuses every one of ours. */
const OLDEST = [7, 0] as const;

/**
 * The oldest releases of each line without a published hole that a client can use to take the server over
 * (CVE-2025-49844, CVE-2026-23479, CVE-2026-23631, CVE-2026-81934). Of lines that are not listed no repaired release is known to us.
 */
const REPAIRED: Readonly<Record<string, number>> = {
  "7.2": 14,
  "8.2": 9,
  "8.4": 6,
  "8.6": 6,
  "8.8": 2,
  "8.10": 1,
};
const MOST_SKEW_MS = 2_000;

export function checkRedis(facts: RedisFacts, demands: RedisDemands): Finding[] {
  return [
    checkPassword(demands.address),
    checkEncryption(demands.address),
    checkVersion(facts),
    checkRepairs(facts),
    checkRole(facts),
    checkDurability(facts, demands),
    checkFailover(demands),
    checkDisk(facts),
    checkEviction(facts),
    checkMemory(facts),
    checkClock(facts),
  ];
}

function checkPassword(address: string): Finding {
  const check = "redis.password";
  try {
    checkRedisExposure(address);
    return ok(check, "Redis has a password, or nobody beyond this machine reaches it.");
  } catch (error) {
    if (!isFleetError(error)) throw error;
    const [says = "", advice = ""] = error.message.split(/(?<=\.) (?=Set )/);
    return fail(check, says, advice);
  }
}

function checkEncryption(address: string): Finding {
  const check = "redis.encryption";
  const beyond = hostsOf(address).find((host) => !isLoopback(host));
  if (beyond === undefined || address.startsWith("rediss:"))
    return ok(check, beyond === undefined ? "Redis is on this machine." : "The way to Redis is encrypted.");
  return warn(
    check,
    `The way to Redis at ${beyond} is not encrypted: its password and every report can be read on it.`,
    "Use rediss:// in REDIS_URL, with REDIS_CA_FILE for a certificate authority of your own, unless the network between is private.",
  );
}

function checkVersion({ product, version }: RedisFacts): Finding {
  const check = "redis.version";
  const [major, minor] = numbersOf(version);
  // Valkey began with 7.2.
  if (product === "valkey" || major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]))
    return ok(check, `It is ${name(product)} ${version}.`);
  return fail(
    check,
    `It is Redis ${version}, which does not run scripts with flags.`,
    `Run Redis ${OLDEST.join(".")} or newer, or Valkey.`,
  );
}

function checkRepairs({ product, version }: RedisFacts): Finding {
  const check = "redis.repairs";
  if (product === "valkey")
    return warn(
      check,
      `Which releases of Valkey have all repairs of 2025 and 2026 was not checked by this version; this is ${version}.`,
      "Compare it with the security advisories of Valkey.",
    );
  const [major, minor, patch] = numbersOf(version);
  const repaired = REPAIRED[`${major}.${minor}`];
  if (repaired !== undefined ? patch >= repaired : major > 8 || (major === 8 && minor > 10))
    return ok(check, `Redis ${version} has the repairs of the holes known to us.`);
  return warn(
    check,
    `By its number, Redis ${version} has holes through which a client can take the server over (CVE-2025-49844, CVE-2026-23479 and others).`,
    `Run ${Object.entries(REPAIRED)
      .map(([line, least]) => `${line}.${least}`)
      .join(
        ", ",
      )} or newer. A distribution repairs without changing the number: ask its advisory. Let nobody but the fleet reach it.`,
  );
}

function checkRole({ role, replicas, cluster }: RedisFacts): Finding {
  const check = "redis.role";
  if (role === "replica")
    return fail(
      check,
      "This server is a replica: it takes no writes, and says so only when the first order is lost.",
      "Point REDIS_URL at the primary, or use REDIS_SENTINELS, which finds it.",
    );
  if (cluster)
    return warn(
      check,
      "The server is part of a cluster. A fleet's keys lie on one shard, and this address must be that shard's for good.",
      "Run each fleet on a Redis of its own; docs/scaling.md says how to grow.",
    );
  return ok(
    check,
    replicas === 0 ? "It is a primary." : `It is a primary with ${replicas} of its replicas connected.`,
  );
}

function checkDurability({ durability, flushesDuringRewrite }: RedisFacts, demands: RedisDemands): Finding {
  const check = "redis.durability";
  const always = "Set appendonly yes and appendfsync always (CONFIG SET, then CONFIG REWRITE).";
  switch (durability) {
    case "always":
      return ok(check, "Class A (appendfsync always): a power cut loses nothing that was acknowledged.");
    case "everysec":
      if (flushesDuringRewrite === false)
        return warn(
          check,
          "Class B, and worse during a rewrite: with no-appendfsync-on-rewrite yes nothing is flushed while the file is rewritten.",
          "Set no-appendfsync-on-rewrite no. For class A, appendfsync always.",
        );
      return warn(
        check,
        "Class B (appendfsync everysec): a power cut loses what was acknowledged in the last one or two seconds, orders and paid answers among it.",
        "Set appendfsync always, unless that loss is fine.",
      );
    case "unknown":
      return warn(
        check,
        "Redis writes an append-only file and does not tell when it flushes it; at best a power cut loses the last second.",
        "Allow the user config|get, or look up what your provider promises.",
      );
    case "none":
      if (demands.acceptLoss.includes("restart"))
        return warn(
          check,
          "Class C, accepted by ACCEPT_LOSS: Redis writes no append-only file, or leaves the flushing to chance. A restart may lose everything.",
          always,
        );
      return fail(
        check,
        "Class C: Redis writes no append-only file, or leaves the flushing to chance. A restart may lose orders, credits and paid answers.",
        `${always} To run without, say so by name: ACCEPT_LOSS=restart.`,
      );
  }
}

function checkFailover({ address, acceptLoss }: RedisDemands): Finding {
  const check = "redis.failover";
  if (sentinelsOf(address).length === 0) return ok(check, "One server, no failover.");
  const says =
    "Class C on a failover: replicas are sent what was acknowledged a moment later, and what the new primary had not received is gone.";
  const advice = "docs/redis.md says what that can be, and how min-replicas-to-write narrows it.";
  if (acceptLoss.includes("failover")) return warn(check, `${says} Accepted by ACCEPT_LOSS.`, advice);
  return fail(check, says, `To run with Sentinel, say so by name: ACCEPT_LOSS=failover. ${advice}`);
}

function checkDisk({ diskTrouble }: RedisFacts): Finding {
  const check = "redis.disk";
  if (diskTrouble === null) return ok(check, "Its last writes to disk succeeded.");
  return fail(
    check,
    `Redis cannot write to disk (${diskTrouble}).`,
    "Look for a full disk or missing rights in its log.",
  );
}

function checkEviction({ eviction }: RedisFacts): Finding {
  const check = "redis.eviction";
  // A hosted Redis may leave it out; then there is nothing to compare.
  if (eviction === "noeviction" || eviction === "") return ok(check, "Nothing is evicted.");
  return fail(
    check,
    `maxmemory-policy is ${eviction}: with full memory Redis would remove reports, credits and locks as if they were a cache.`,
    "Set maxmemory-policy noeviction.",
  );
}

function checkMemory(facts: RedisFacts): Finding {
  const check = "redis.memory";
  if (facts.maxBytes === 0)
    return warn(
      check,
      `Redis has no maxmemory and uses ${megabytes(facts.usedBytes)}: once the machine's memory is gone, the kernel ends it in mid-write.`,
      "Set maxmemory to what the machine can spare; the fleet then stops taking orders in time.",
    );
  const { stage, usedShare } = budgetOf(facts);
  const says = `Redis uses ${megabytes(facts.usedBytes)} of ${megabytes(facts.maxBytes)} (${Math.round(usedShare * 100)} %)`;
  const advice =
    "Raise maxmemory, or keep reports for a shorter time; docs/scaling.md has a model of what a report takes.";
  if (stage === "ample") return ok(check, `${says}.`);
  return stage === "no_new_orders"
    ? warn(check, `${says}: orders are refused until it is below 70 %.`, advice)
    : fail(check, `${says}: orders are refused and no section is begun.`, advice);
}

function checkClock({ clockAheadMs }: RedisFacts): Finding {
  const check = "redis.clock";
  const away = Math.abs(clockAheadMs);
  if (away <= MOST_SKEW_MS) return ok(check, "The clocks of this machine and of Redis agree.");
  return warn(
    check,
    `This machine's clock is ${(away / 1_000).toFixed(1)} s ${clockAheadMs > 0 ? "ahead of" : "behind"} that of Redis: retries come up to a minute late, and webhooks may be refused by their receivers.`,
    "Run a time service (chrony, systemd-timesyncd) on both machines.",
  );
}

function numbersOf(version: string): [number, number, number] {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return [major, minor, patch];
}

function name(product: RedisFacts["product"]): string {
  return product === "redis" ? "Redis" : "Valkey";
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(bytes < 104_857_600 ? 1 : 0)} MB`;
}
