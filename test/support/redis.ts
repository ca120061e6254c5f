import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { findRedis } from "../../scripts/redis/find-redis.ts";
import { startRedisServer } from "../../scripts/redis/redis-server.ts";

/** The Redis of this test run. */
export function testRedisUrl(): string {
  return inject("redisUrl");
}

let fleets = 0;

/** A fleet name, and with it a key prefix, that no other test uses. */
export function uniqueFleet(label: string): string {
  fleets += 1;
  return `${inject("testRun")}-${label}-${process.pid.toString(36)}-${fleets}`;
}

export interface PrivateRedis {
  url: string;
  /** Of the server that runs now; another one after `restart`. */
  readonly pid: number;
  /** Returns once the signal is sent, and for SIGKILL and SIGTERM once the server is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and data, ending it first where it still runs. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** A Redis for one test that freezes, kills or restarts it; `aof` keeps its data over a restart. */
export async function startPrivateRedis(options: { aof: boolean }): Promise<PrivateRedis> {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  const engine = await findRedis((line) => process.stderr.write(`${line}\n`));
  const settings = { engine, dir, durable: options.aof, diesWithUs: true };
  let server = await startRedisServer(settings);

  function pid(): number {
    if (server.pid === null) throw new Error("This test signals Redis and needs a redis-server program.");
    return server.pid;
  }
  return {
    url: server.url,
    get pid() {
      return pid();
    },
    async kill(signal) {
      process.kill(pid(), signal);
      if (signal === "SIGKILL" || signal === "SIGTERM") await server.exited;
    },
    async restart() {
      await server.stop();
      server = await startRedisServer({ ...settings, port: server.port });
    },
    async stop() {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
