/**
 * The Redis of a run, `appendfsync always`, as a service manager keeps it: it is started again where it ended. Everybody
 * else reaches it through their own link; the supervisor alone talks to it directly.
 */
import { chmodSync, globSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { findRedis, type RedisEngine } from "../../scripts/redis/find-redis.ts";
import { startRedisServer, type RedisServer } from "../../scripts/redis/redis-server.ts";

export class ChaosRedis {
  #dir: string;
  readonly #engine: RedisEngine;
  #server: RedisServer;

  private constructor(dir: string, engine: RedisEngine, server: RedisServer) {
    this.#dir = dir;
    this.#engine = engine;
    this.#server = server;
  }

  static async start(dir: string): Promise<ChaosRedis> {
    const engine = await findRedis((line) => process.stderr.write(`${line}\n`));
    if (engine.kind !== "program")
      throw new Error("The chaos suite signals Redis and needs a redis-server program.");
    // With the signal ignored, a file that may not grow is an error of the write, as a full disk is.
    const path = join(dir, "redis-on-a-small-disk.sh");
    writeFileSync(path, `#!/bin/sh\ntrap '' XFSZ\nexec ${engine.path} "$@"\n`);
    chmodSync(path, 0o700);
    const patient: RedisEngine = { kind: "program", path };
    const data = join(dir, "redis");
    return new ChaosRedis(data, patient, await startRedisServer(settingsFor(patient, data)));
  }

  get port(): number {
    return this.#server.port;
  }

  get pid(): number {
    if (this.#server.pid === null) throw new Error("Redis has no process id.");
    return this.#server.pid;
  }

  get dir(): string {
    return this.#dir;
  }

  /** Ends when this server has ended, however it did. */
  get exited(): Promise<void> {
    return this.#server.exited;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#server.exited;
  }

  /** Between two of its writes. A kill in the middle of one leaves it torn, and whatever is put behind it makes the file unreadable. */
  async killBetweenWrites(): Promise<void> {
    const stat = `/proc/${this.pid}/stat`;
    this.signal("SIGSTOP");
    // It stops on its way out of the kernel, so a write that had begun is whole.
    while (!/\) T /.test(readFileSync(stat, "utf8"))) await pause(1);
    await this.kill();
  }

  /** On the same port and data. */
  async startAgain(): Promise<void> {
    const { port } = this.#server;
    this.#server = await startRedisServer({ ...settingsFor(this.#engine, this.#dir), port });
  }

  /** A second server that follows this one until it takes its place. */
  async startReplica(dir: string): Promise<RedisServer> {
    const replica = await startRedisServer(settingsFor(this.#engine, dir));
    const redis = this.connect(replica.port);
    try {
      await redis.replicaof("127.0.0.1", this.port);
      for (let tries = 0; tries < 1_200; tries++) {
        if (/master_link_status:up/.test(await redis.info("replication"))) return replica;
        await pause(25);
      }
      throw new Error("The replica does not follow.");
    } finally {
      redis.disconnect();
    }
  }

  /** From now on that one is the Redis. */
  becomes(server: RedisServer, dir: string): void {
    this.#server = server;
    this.#dir = dir;
  }

  /** The newest file of the append-only log and its size. */
  log(): { path: string; bytes: number } {
    const files = globSync(join(this.#dir, "appendonlydir/*.incr.aof")).map((path) => {
      const { size, mtimeMs } = statSync(path);
      return { path, bytes: size, mtimeMs };
    });
    const newest = files.toSorted((a, b) => b.mtimeMs - a.mtimeMs)[0];
    if (newest === undefined) throw new Error(`There is no append-only file in ${this.#dir}.`);
    return newest;
  }

  /** A connection of the supervisor's own; it waits out a Redis that is away. */
  connect(port = this.port): Redis {
    const redis = new Redis({
      port,
      host: "127.0.0.1",
      maxRetriesPerRequest: null,
      retryStrategy: () => 100,
    });
    redis.on("error", () => undefined);
    return redis;
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }
}

function settingsFor(engine: RedisEngine, dir: string) {
  return { engine, dir, durable: true, diesWithUs: true };
}
