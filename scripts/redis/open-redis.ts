/**
 * The Redis that `npm start` works on: REDIS_URL where it is set, else one of our own whose data lies in `dir`.
 *
 *     nobody there      ─▶ start one
 *     one answers       ─▶ a killed run left it, or another run uses it: share it
 *     one hangs         ─▶ end it first, since two servers on one append-only file would ruin it
 *
 * Every run that uses the server keeps a connection under `OWNER`. A killed run's connection closes by itself, so Redis
 * knows better than any file whether somebody still needs it: the last owner shuts it down.
 */
import { mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import { findRedis } from "./find-redis.ts";
import { isAlive, withLock } from "./lock.ts";
import {
  pidFile,
  pingServer,
  quickClient,
  shutDown,
  startRedisServer,
  type PingAnswer,
} from "./redis-server.ts";

const OWNER = "report-fleet-owner";
const START_WAIT_MS = 120_000;
const SILENCE_WAIT_MS = 3_000;
const LOADING_WAIT_MS = 60_000;
const ENDED_WAIT_MS = 20_000;
const POLL_MS = 50;

export interface OpenRedis {
  url: string;
  /** For a person: where this Redis came from. */
  origin: string;
  close(): Promise<void>;
}

export async function openRedis(options: {
  url: string | null;
  dir: string;
  say: (line: string) => void;
}): Promise<OpenRedis> {
  if (options.url !== null) {
    return { url: options.url, origin: "REDIS_URL", close: () => Promise.resolve() };
  }
  mkdirSync(options.dir, { recursive: true, mode: 0o700 });
  const dir = realpathSync(options.dir);
  const lock = join(dir, "starting.lock");
  return withLock(lock, START_WAIT_MS, async () => {
    const found = await findOurs(dir);
    const port = found ?? (await start(dir, options.say));
    const owner = quickClient(port, OWNER);
    await owner.connect();
    return {
      url: `redis://127.0.0.1:${port}`,
      origin: found === null ? `private, data in ${options.dir}` : `private, still running from another run`,
      close: () => withLock(lock, START_WAIT_MS, () => close(owner, port, dir)),
    };
  });
}

async function start(dir: string, say: (line: string) => void): Promise<number> {
  const engine = await findRedis(say);
  const server = await startRedisServer({ engine, dir, durable: true, diesWithUs: false });
  if (server.pid === null) writeFileSync(containerPortFile(dir), String(server.port));
  writeFileSync(urlFile(dir), server.url);
  return server.port;
}

async function close(owner: Redis, port: number, dir: string): Promise<void> {
  let others = true;
  try {
    const clients = String(await owner.client("LIST"));
    others = clients.split("\n").filter((line) => line.includes(`name=${OWNER} `)).length > 1;
  } catch {
    // It is gone already; there is nobody to leave it running for.
    others = false;
  }
  owner.disconnect();
  if (others) return;
  await shutDown(port);
  await waitFor(async () => (await pingServer(port)) === null, ENDED_WAIT_MS);
  rmSync(containerPortFile(dir), { force: true });
  rmSync(urlFile(dir), { force: true });
}

/** The port of a server that already works on this folder; null once it is certain that none does. */
async function findOurs(dir: string): Promise<number | null> {
  const last = lastServer(dir);
  if (last === null) return null;
  const { pid, port } = last;
  const ask = async (): Promise<PingAnswer | null> => {
    const answer = await pingServer(port);
    // A container calls its folder and its process by names of its own.
    return pid === null || (answer?.pid === pid && answer.dir === dir) ? answer : null;
  };
  if (await waitFor(async () => (await ask()) !== null, pid === null ? 0 : SILENCE_WAIT_MS)) {
    if (await waitFor(async () => (await ask())?.loading === false, LOADING_WAIT_MS)) return port;
    throw new Error(`Redis on port ${port} is still loading ${dir}; try again when it is done.`);
  }
  if (pid === null) return null;
  // Alive and silent: frozen. What it had acknowledged is on disk.
  process.kill(pid, "SIGKILL");
  if (await waitFor(() => Promise.resolve(portOfServer(pid) === null), ENDED_WAIT_MS)) return null;
  throw new Error(
    `Redis process ${pid} works on ${dir}, does not answer and cannot be ended; end it by hand.`,
  );
}

function lastServer(dir: string): { port: number; pid: number | null } | null {
  const pid = Number(readIfThere(pidFile(dir)));
  const ownPort = pid > 0 ? portOfServer(pid) : null;
  if (ownPort !== null) return { port: ownPort, pid };
  // A container's process is not ours to see; its port is all there is.
  const port = Number(readIfThere(containerPortFile(dir)));
  return port > 0 ? { port, pid: null } : null;
}

/** Process ids are used again after a reboot, so the process must say it is a Redis; its title names its port. */
function portOfServer(pid: number): number | null {
  if (!isAlive(pid)) return null;
  const port = /(?:redis|valkey)-server\s[^:]*:(\d+)/.exec(processTitle(pid))?.[1];
  return port === undefined ? null : Number(port);
}

function processTitle(pid: number): string {
  try {
    if (process.platform === "linux")
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

async function waitFor(condition: () => Promise<boolean>, waitMs: number): Promise<boolean> {
  const giveUpAt = Date.now() + waitMs;
  while (!(await condition())) {
    if (Date.now() > giveUpAt) return false;
    await pause(POLL_MS);
  }
  return true;
}

function containerPortFile(dir: string): string {
  return join(dir, "container-port");
}

/** For a second terminal: where the command line finds this Redis while REDIS_URL is not set. */
function urlFile(dir: string): string {
  return join(dir, "url");
}
