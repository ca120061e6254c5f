/**
 * One Redis for the whole test run, without persistence, ended with it; or the one REDIS_URL names. Test files stay
 * apart by the names of their fleets, so what they leave in somebody's own Redis is found by the run's name and removed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import type { TestProject } from "vitest/node";
import { findRedis } from "../../scripts/redis/find-redis.ts";
import { startRedisServer } from "../../scripts/redis/redis-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    redisUrl: string;
    testRun: string;
  }
}

const COMPILED = fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url));

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Tests start programs by the hundred, and most of what that costs is to compile again what has not changed.
  process.env["NODE_COMPILE_CACHE"] ??= COMPILED;
  const testRun = `test-${Date.now().toString(36)}`;
  project.provide("testRun", testRun);

  const given = process.env["REDIS_URL"];
  if (given !== undefined && given !== "") {
    project.provide("redisUrl", given);
    return () => removeFleets(given, testRun);
  }
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  const engine = await findRedis((line) => process.stderr.write(`${line}\n`));
  const server = await startRedisServer({ engine, dir, durable: false, diesWithUs: true });
  project.provide("redisUrl", server.url);
  return async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}

async function removeFleets(url: string, testRun: string): Promise<void> {
  const redis = new Redis(url);
  try {
    for await (const keys of redis.scanStream({ match: `{${testRun}-*`, count: 1_000 })) {
      const names = keys as string[];
      if (names.length > 0) await redis.unlink(...names);
    }
  } finally {
    redis.disconnect();
  }
}
