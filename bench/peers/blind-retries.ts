/**
 * What a team would write first: one process that takes orders from a list, writes their sections side by side and asks
 * again whatever goes wrong. It writes down a report when it is whole, and after a crash begins anew with the others.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { SECTIONS } from "../workload.ts";
import { assemble, openProvider, writeSection } from "./write-section.ts";

const { REDIS_URL = "", PROVIDER_URL = "", CONCURRENCY = "50" } = process.env;
const TRIES = 5;
const ask = openProvider(PROVIDER_URL);
const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: null });

/** Sections of the process that are written at the same time. */
let free = Number(CONCURRENCY);
const queue: (() => void)[] = [];
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (free > 0) free -= 1;
  else await new Promise<void>((resolve) => queue.push(resolve));
  try {
    return await work();
  } finally {
    const next = queue.shift();
    if (next === undefined) free += 1;
    else next();
  }
}

async function again<T>(attempt: () => Promise<T>): Promise<T> {
  for (let nth = 1; ; nth++) {
    try {
      return await attempt();
    } catch (error) {
      if (nth === TRIES) throw error;
      await pause(1_000 * 2 ** (nth - 1));
    }
  }
}

async function write(topic: string): Promise<void> {
  const written = await Promise.all(
    SECTIONS.map(async (section) => [section, await inTurn(() => writeSection(ask, topic, section, again))]),
  );
  await redis.hset("written", topic, assemble(topic, Object.fromEntries(written) as Record<string, string>));
}

const written = new Set(await redis.hkeys("written"));
console.log("ready");
for (let at = 0; ;) {
  const topics = await redis.lrange("orders", at, at + 99);
  at += topics.length;
  for (const topic of topics) {
    if (written.has(topic)) continue;
    void write(topic).catch((error: Error) => console.error(`${topic} failed: ${error.message}`));
  }
  if (topics.length === 0) await pause(20);
}
