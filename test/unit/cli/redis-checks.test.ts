/** Each check of Redis, seen passing and seen failing, with the advice that an operator gets. */
import { expect, test } from "vitest";
import { checkRedis } from "../../../src/cli/doctor/redis-checks.ts";
import { worst, type Finding, type Level } from "../../../src/cli/doctor/finding.ts";
import type { RedisFacts } from "../../../src/store/redis-facts.ts";

const GOOD: RedisFacts = {
  product: "redis",
  version: "7.2.14",
  durability: "always",
  flushesDuringRewrite: true,
  diskTrouble: null,
  role: "primary",
  replicas: 0,
  cluster: false,
  eviction: "noeviction",
  usedBytes: 10 * 1_048_576,
  maxBytes: 100 * 1_048_576,
  clockAheadMs: 12,
};
const LOCAL = { address: "redis://127.0.0.1:6379", acceptLoss: [] };
const SENTINEL = "redis://:secret@main?sentinel=10.0.0.1:26379";

function finding(
  check: string,
  facts: Partial<RedisFacts>,
  demands: Partial<Parameters<typeof checkRedis>[1]> = {},
): Finding {
  const found = checkRedis({ ...GOOD, ...facts }, { ...LOCAL, ...demands }).find(
    (one) => one.check === check,
  );
  if (found === undefined) throw new Error(`There is no check ${check}.`);
  return found;
}

test("a Redis with nothing wrong has nothing to change", () => {
  const findings = checkRedis(GOOD, LOCAL);
  expect(worst(findings)).toBe("ok");
  expect(findings.every(({ advice }) => advice === null)).toBe(true);
});

const WRONG: readonly [
  string,
  Level,
  RegExp,
  Partial<RedisFacts>,
  Partial<Parameters<typeof checkRedis>[1]>?,
][] = [
  ["redis.password", "fail", /Set a password in Redis/, {}, { address: "redis://10.0.0.5:6379" }],
  [
    "redis.password",
    "fail",
    /Set a password in Redis/,
    {},
    { address: "redis://main?sentinel=10.0.0.1:26379" },
  ],
  ["redis.encryption", "warn", /rediss:\/\//, {}, { address: "redis://:secret@10.0.0.5:6379" }],
  ["redis.version", "fail", /Run Redis 7\.0 or newer/, { version: "6.2.14" }],
  ["redis.repairs", "warn", /7\.2\.14, 8\.2\.9/, { version: "7.0.15" }],
  ["redis.repairs", "warn", /or newer/, { version: "8.2.8" }],
  ["redis.repairs", "warn", /advisories of Valkey/, { product: "valkey", version: "8.1.0" }],
  ["redis.role", "fail", /Point REDIS_URL at the primary/, { role: "replica" }],
  ["redis.role", "warn", /a Redis of its own/, { cluster: true }],
  ["redis.durability", "fail", /appendfsync always.*ACCEPT_LOSS=restart/, { durability: "none" }],
  ["redis.durability", "warn", /appendfsync always/, { durability: "none" }, { acceptLoss: ["restart"] }],
  ["redis.durability", "warn", /appendfsync always/, { durability: "everysec" }],
  [
    "redis.durability",
    "warn",
    /no-appendfsync-on-rewrite no/,
    { durability: "everysec", flushesDuringRewrite: false },
  ],
  ["redis.durability", "warn", /config\|get/, { durability: "unknown", flushesDuringRewrite: null }],
  ["redis.failover", "fail", /ACCEPT_LOSS=failover/, {}, { address: SENTINEL }],
  ["redis.failover", "warn", /min-replicas-to-write/, {}, { address: SENTINEL, acceptLoss: ["failover"] }],
  ["redis.disk", "fail", /full disk/, { diskTrouble: "aof_last_write_status:err" }],
  ["redis.eviction", "fail", /maxmemory-policy noeviction/, { eviction: "allkeys-lru" }],
  ["redis.memory", "warn", /Set maxmemory/, { maxBytes: 0 }],
  ["redis.memory", "warn", /Raise maxmemory/, { usedBytes: 71 * 1_048_576 }],
  ["redis.memory", "fail", /Raise maxmemory/, { usedBytes: 86 * 1_048_576 }],
  ["redis.clock", "warn", /time service/, { clockAheadMs: -3_600_000 }],
];

test.each(WRONG)("%s: %s, and the advice %s", (check, level, advice, facts, demands) => {
  const found = finding(check, facts, demands);
  expect(found.level).toBe(level);
  expect(found.advice).toMatch(advice);
  expect(finding(check, {}).level).toBe("ok");
});

test("every check is seen failing here", () => {
  const seen = new Set(WRONG.map(([check]) => check));
  expect(
    checkRedis(GOOD, LOCAL)
      .map(({ check }) => check)
      .filter((check) => !seen.has(check)),
  ).toEqual([]);
});

test.each(["8.6.6", "8.10.1", "9.0.0", "7.2.20"])("Redis %s has the repairs", (version) => {
  expect(finding("redis.repairs", { version }).level).toBe("ok");
});
