/**
 * A Redis of our own: on a free port of 127.0.0.1, with its files in one folder, ended when we say so.
 *
 *     durable     append-only file, every write on disk before it is answered; for `npm start` and restart tests
 *     forgetful   nothing on disk; for the test run
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, realpathSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePort } from "../../src/cli/free-port.ts";
import type { RedisEngine } from "./find-redis.ts";

const READY_WAIT_MS = 30_000;
const STOP_WAIT_MS = 20_000;
const POLL_MS = 20;
/** Another program may take the port between our choice and the server's bind. */
const PORT_ATTEMPTS = 5;
const CONTAINER_DIR = "/data";

export interface RedisServerOptions {
  engine: RedisEngine;
  dir: string;
  durable: boolean;
  /**
   * Ends the server with this process, even after SIGKILL. Otherwise it outlives a killed run, which `openRedis` finds
   * again.
   */
  diesWithUs: boolean;
}

export interface RedisServer {
  url: string;
  port: number;
  /** Null in a container, where the id would mean nothing to us. */
  pid: number | null;
  /** `SIGSTOP` and `SIGCONT` freeze and thaw it; after a deadly signal, wait for `exited`. */
  kill(signal: NodeJS.Signals): void;
  exited: Promise<void>;
  /** A clean shutdown; fine to call twice. */
  stop(): Promise<void>;
}

export async function startRedisServer(
  options: RedisServerOptions & { port?: number },
): Promise<RedisServer> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const outcome = await tryStart(options, port);
    if (outcome !== "port taken") return outcome;
    if (attempt === PORT_ATTEMPTS) {
      throw new Error(
        `Redis found port ${port} taken, after ${attempt} attempts; see ${logFile(options.dir)}.`,
      );
    }
  }
}

async function tryStart(options: RedisServerOptions, port: number): Promise<RedisServer | "port taken"> {
  const log = openSync(logFile(options.dir), "w");
  const { engine } = options;
  const name = `report-fleet-redis-${port}`;
  const { command, args } =
    engine.kind === "program"
      ? { command: engine.path, args: serverArgs(options, port, options.dir) }
      : containerCommand(engine, name, options, port);
  const child = spawnServer(command, args, options.diesWithUs, log);
  closeSync(log);

  let ended = false;
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      resolve();
    };
    child.once("exit", end);
    child.once("error", end);
  });

  const dataDir = engine.kind === "program" ? realpathSync(options.dir) : CONTAINER_DIR;
  const pid = await readyPid(port, dataDir, () => ended);
  if (pid === null) {
    if (!ended) child.kill("SIGKILL");
    const text = readFileSync(logFile(options.dir), "utf8");
    if (/address already in use/i.test(text)) return "port taken";
    throw new Error(`Redis did not start on port ${port}:\n${text.slice(-2_000)}`);
  }

  const ownPid = engine.kind === "program" ? pid : null;
  const kill = (signal: NodeJS.Signals): void => {
    if (ownPid !== null) process.kill(ownPid, signal);
    else if (engine.kind === "container") spawnSync(engine.engine, ["kill", "--signal", signal, name]);
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    pid: ownPid,
    kill,
    exited,
    async stop() {
      if (ended) return;
      await shutDown(port);
      const stopped = await Promise.race([
        exited.then(() => true),
        pause(STOP_WAIT_MS, false, { ref: false }),
      ]);
      if (!stopped) kill("SIGKILL");
      await exited;
    },
  };
}

/**
 * Waits for the server and ends it once standard input ends, which it does when we do, however we do. SIGKILL, since a
 * test may have frozen it.
 */
const WATCH = `
  exec 3<&0
  "$@" </dev/null 3<&- &
  server=$!
  { read -r _ <&3; kill -9 "$server"; } &
  watcher=$!
  exec 3<&-
  wait "$server"
  kill "$watcher" 2>/dev/null
`;

function spawnServer(
  command: string,
  args: readonly string[],
  diesWithUs: boolean,
  log: number,
): ChildProcess {
  // A group of its own, or a terminal's Ctrl-C would end Redis while the fleet still has books to write.
  const detached = true;
  if (!diesWithUs) {
    const child = spawn(command, args, { detached, stdio: ["ignore", log, log] });
    child.unref();
    return child;
  }
  const child = spawn("/bin/sh", ["-c", WATCH, "watch-redis", command, ...args], {
    detached,
    stdio: ["pipe", log, log],
  });
  child.unref();
  (child.stdin as Socket).unref();
  return child;
}

function serverArgs(options: RedisServerOptions, port: number, dir: string): string[] {
  const durability = options.durable
    ? ["--appendonly", "yes", "--appendfsync", "always"]
    : ["--appendonly", "no"];
  // BullMQ's keys must never be evicted, and snapshots would be a second, older truth beside the append-only file.
  const policy = ["--save", "", "--maxmemory-policy", "noeviction"];
  const place = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--pidfile", pidFile(dir)];
  return [...place, ...durability, ...policy];
}

function containerCommand(
  engine: Extract<RedisEngine, { kind: "container" }>,
  name: string,
  options: RedisServerOptions,
  port: number,
): { command: string; args: string[] } {
  const server = serverArgs(options, 6379, CONTAINER_DIR).map((arg) =>
    arg === "127.0.0.1" ? "0.0.0.0" : arg,
  );
  const publish = ["--publish", `127.0.0.1:${port}:6379`, "--volume", `${options.dir}:${CONTAINER_DIR}`];
  return {
    command: engine.engine,
    args: ["run", "--rm", "--name", name, ...publish, engine.image, "redis-server", ...server],
  };
}

/** The server's process id once it answers; null where it ended or stayed silent. */
async function readyPid(port: number, dir: string, ended: () => boolean): Promise<number | null> {
  const giveUpAt = Date.now() + READY_WAIT_MS;
  while (!ended() && Date.now() < giveUpAt) {
    const answer = await pingServer(port);
    // Where the port was taken, it is the port's real owner that answers, out of another folder.
    if (answer?.dir === dir && !answer.loading) return answer.pid;
    await pause(POLL_MS);
  }
  return null;
}

export interface PingAnswer {
  pid: number;
  dir: string;
  /** Still reading its append-only file: alive, and not ready. */
  loading: boolean;
}

/** Who answers on this port; null where nobody does. */
export async function pingServer(port: number): Promise<PingAnswer | null> {
  const redis = quickClient(port);
  try {
    await redis.connect();
    const facts = await redis.info();
    const pid = /process_id:(\d+)/.exec(facts)?.[1];
    const dir = await redis.config("GET", "dir");
    if (pid === undefined) return null;
    return { pid: Number(pid), dir: dir[1] ?? "", loading: /\bloading:1/.test(facts) };
  } catch {
    return null;
  } finally {
    redis.disconnect();
  }
}

export async function shutDown(port: number): Promise<void> {
  const redis = quickClient(port);
  try {
    await redis.connect();
    await redis.call("SHUTDOWN");
  } catch {
    // It closes the connection in place of an answer.
  } finally {
    redis.disconnect();
  }
}

/** A client that fails at once where there is nobody, since it is used to find that out. */
export function quickClient(port: number, connectionName?: string): Redis {
  const redis = new Redis({
    host: "127.0.0.1",
    port,
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 1_000,
    commandTimeout: 2_000,
    maxRetriesPerRequest: 0,
    // One that is frozen never says that it has closed.
    disconnectTimeout: 100,
    // INFO and CONFIG answer while the server loads; a ready check would wait for the end of it.
    enableReadyCheck: false,
    ...(connectionName === undefined ? {} : { connectionName }),
  });
  // Every command's own promise tells; without a listener ioredis would print the same error.
  redis.on("error", () => {});
  return redis;
}

/** Redis writes it before it opens its data and removes it when it ends cleanly. */
export function pidFile(dir: string): string {
  return join(dir, "redis.pid");
}

function logFile(dir: string): string {
  return join(dir, "redis.log");
}
