/**
 * A Redis for one command, from the `redis-server` or `valkey-server` on PATH: in memory only, on a free port of this
 * machine, gone with the command. An installed package has no other way to one without a running fleet's Redis.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { FleetError } from "../domain/fleet-error.ts";
import { connectForCommand } from "../store/redis.ts";
import { freePort } from "./free-port.ts";

const PROGRAMS = ["redis-server", "valkey-server"] as const;
const READY_WAIT_MS = 10_000;
const POLL_MS = 30;

export interface PrivateRedis {
  url: string;
  close(): Promise<void>;
}

export async function startPrivateRedis(): Promise<PrivateRedis> {
  for (const program of PROGRAMS) {
    const started = await tryStart(program);
    if (started !== null) return started;
  }
  throw new FleetError(
    "redis_unreachable",
    `This needs a Redis for a moment: set REDIS_URL, or install ${PROGRAMS.join(" or ")} so that a private one can be started.`,
  );
}

/** Null where there is no such program. */
async function tryStart(program: string): Promise<PrivateRedis | null> {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-try-"));
  const port = await freePort();
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir];
  const memoryOnly = ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"];
  // A group of its own: Ctrl-C must not take it away from a fleet that still writes its books.
  const child = spawn(program, [...settings, ...memoryOnly], { detached: true, stdio: "ignore" });
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      resolve();
    };
    child.once("exit", end);
    child.once("error", end);
  });
  // Whatever ends this process, the server is not left behind.
  const endWithUs = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", endWithUs);

  async function close(): Promise<void> {
    child.kill("SIGTERM");
    await exited;
    process.off("exit", endWithUs);
    rmSync(dir, { recursive: true, force: true });
  }

  const url = `redis://127.0.0.1:${port}`;
  if (await isReady(url, () => ended)) return { url, close };
  await close();
  return null;
}

async function isReady(url: string, ended: () => boolean): Promise<boolean> {
  const giveUpAt = performance.now() + READY_WAIT_MS;
  while (!ended() && performance.now() < giveUpAt) {
    const redis = connectForCommand(url);
    const answered = await redis.ping().then(
      () => true,
      () => false,
    );
    redis.disconnect();
    if (answered) return true;
    await pause(POLL_MS);
  }
  return false;
}
