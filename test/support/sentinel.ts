/** A primary, its replica and a sentinel that watches them, all real and on loopback, for tests of failover. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/cli/free-port.ts";
import { findRedis } from "../../scripts/redis/find-redis.ts";
import { quickClient, startRedisServer, type RedisServer } from "../../scripts/redis/redis-server.ts";
import { waitFor } from "../../src/testing.ts";

export interface Watched {
  /** The address of the pair, as the sentinel knows it. */
  url: string;
  primary: RedisServer;
  replica: RedisServer;
  /** The port that the sentinel takes for the primary's. */
  primaryPort(): Promise<number>;
  stop(): Promise<void>;
}

export async function startWatchedPair(): Promise<Watched> {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-sentinel-"));
  const engine = await findRedis((line) => process.stderr.write(`${line}\n`));
  if (engine.kind !== "program")
    throw new Error("This test runs a sentinel and needs a redis-server program.");
  const server = (name: string) =>
    startRedisServer({ engine, dir: join(dir, name), durable: true, diesWithUs: true });
  const [primary, replica] = await Promise.all([server("primary"), server("replica")]);
  const follower = quickClient(replica.port);
  await follower.call("REPLICAOF", "127.0.0.1", primary.port);
  await waitFor(
    async () => (await follower.info("replication")).includes("master_link_status:up"),
    () => "the replica does not follow",
  );
  follower.disconnect();

  const port = await freePort();
  const file = join(dir, "sentinel.conf");
  writeFileSync(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${dir}`,
      `sentinel monitor main 127.0.0.1 ${primary.port} 1`,
      "sentinel down-after-milliseconds main 500",
      "sentinel failover-timeout main 2000",
      "",
    ].join("\n"),
  );
  const sentinel = spawn(engine.path, [file, "--sentinel"], { stdio: "ignore", detached: true });
  const ended = new Promise<void>((resolve) => sentinel.once("exit", () => resolve()));
  process.once("exit", () => sentinel.kill("SIGKILL"));

  async function ask(...command: [string, ...string[]]): Promise<unknown> {
    const client = quickClient(port);
    try {
      return await client.call("SENTINEL", ...command);
    } finally {
      client.disconnect();
    }
  }
  await waitFor(
    async () => {
      const replicas = await ask("REPLICAS", "main").catch(() => []);
      return Array.isArray(replicas) && replicas.length === 1;
    },
    () => "the sentinel does not see the replica",
  );
  return {
    url: `redis://main?sentinel=127.0.0.1:${port}`,
    primary,
    replica,
    async primaryPort() {
      const place = await ask("GET-MASTER-ADDR-BY-NAME", "main");
      return Number(Array.isArray(place) ? place[1] : 0);
    },
    async stop() {
      sentinel.kill("SIGKILL");
      await ended;
      for (const one of [primary, replica]) endNow(one);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** One of them may be frozen, another gone already. */
function endNow(server: RedisServer): void {
  try {
    server.kill("SIGKILL");
  } catch {
    // Gone.
  }
}
