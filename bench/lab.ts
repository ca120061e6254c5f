/** The bench's own Redis, its provider, and the processes it measures; all end with it. */
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { findRedis } from "../scripts/redis/find-redis.ts";
import { startRedisServer, type RedisServer } from "../scripts/redis/redis-server.ts";
import {
  CALM,
  type ProviderOrder,
  type ProviderReply,
  type ProviderScript,
  type ProviderTotals,
} from "./provider-script.ts";

export interface Lab {
  redisUrl: string;
  redis: Redis;
  provider: BenchProvider;
  /** Redis dies by kill -9 and is started again on the same port and files. */
  crashRedis(): Promise<void>;
  close(): Promise<void>;
}

export async function openLab(): Promise<Lab> {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-bench-"));
  const engine = await findRedis((line) => process.stderr.write(`${line}\n`));
  const options = { engine, dir, durable: true, diesWithUs: true };
  let server: RedisServer = await startRedisServer(options);
  const redis = new Redis(server.url, { maxRetriesPerRequest: null });
  redis.on("error", () => undefined);
  const provider = await startProvider();
  return {
    redisUrl: server.url,
    redis,
    provider,
    async crashRedis() {
      server.kill("SIGKILL");
      await server.exited;
      server = await startRedisServer({ ...options, port: server.port });
    },
    async close() {
      provider.close();
      redis.disconnect();
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface BenchProvider {
  url: string;
  pid: number;
  /** Begins to behave so, and to count anew. */
  script(script: Partial<ProviderScript>): Promise<void>;
  totals(): Promise<ProviderTotals>;
  /** Call → how often it was asked, by the mark in its question. */
  asked(): Promise<Record<string, number>>;
  close(): void;
}

async function startProvider(): Promise<BenchProvider> {
  const child = fork(fileURLToPath(new URL("provider.ts", import.meta.url)));
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  let orders = 0;
  function tell(order: { order: "script"; script: ProviderScript } | { order: "totals" }) {
    orders += 1;
    const id = orders;
    return new Promise<ProviderReply>((resolve) => {
      const hear = (reply: ProviderReply) => {
        if (reply.id !== id) return;
        child.off("message", hear);
        resolve(reply);
      };
      child.on("message", hear);
      child.send({ ...order, id } satisfies ProviderOrder);
    });
  }
  return {
    url: `http://127.0.0.1:${port}/v1`,
    pid: child.pid ?? 0,
    async script(script) {
      await tell({ order: "script", script: { ...CALM, ...script } });
    },
    totals: async () => (await tell({ order: "totals" })).totals,
    asked: async () => (await tell({ order: "totals" })).asked,
    close: () => child.disconnect(),
  };
}

export interface Program {
  pid: number;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** A program of a system; resolves once it says that it is ready, by a line on stdout. */
export async function startProgram(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Program> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, import.meta.url)), ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void gone.then(() => process.off("exit", end));
  await firstLineOf(child, file);
  return {
    pid: child.pid ?? 0,
    async kill(signal) {
      child.kill(signal);
      await gone;
    },
  };
}

async function firstLineOf(child: ChildProcess, file: string): Promise<void> {
  const ended = once(child, "close").then(() => {
    throw new Error(`${file} ended before it was ready.`);
  });
  ended.catch(() => undefined);
  if (child.stdout !== null) await Promise.race([once(child.stdout, "data"), ended]);
  child.stdout?.resume();
}

export function memoryBytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1_024;
}

/** Linux counts in hundredths of a second, all threads of the process together. */
const MS_PER_TICK = 10;

export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}
