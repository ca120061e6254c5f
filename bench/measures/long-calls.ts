/** Calls of 30 seconds, and the process that waits for them dies twice meanwhile. */
import { setTimeout as pause } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { openSystem, type SystemName } from "../systems.ts";
import { topicsOf, writtenWithin } from "./waiting.ts";

export interface LongCalls {
  delivered: number;
  of: number;
  seconds: number;
}

const CALL_MS = 30_000;
const DIES_AFTER_MS = 10_000;
const LONGEST_MS = 150_000;

export async function longCalls(lab: Lab, name: SystemName, reports: number): Promise<LongCalls> {
  await lab.redis.flushall();
  await lab.provider.script({ slow: { call: "draft", ms: CALL_MS } });
  const system = await openSystem(lab, name);
  let program = await system.start();
  try {
    const from = performance.now();
    await system.order(topicsOf(name, "long", reports));
    for (let death = 1; death <= 2; death++) {
      // In the middle of its calls: a job that another process fetches only once it has stalled is given that time.
      await lab.provider.script({ slow: { call: "draft", ms: CALL_MS } });
      while ((await lab.provider.totals()).open === 0 && performance.now() - from < LONGEST_MS)
        await pause(100);
      await pause(DIES_AFTER_MS);
      await program.kill("SIGKILL");
      program = await system.start();
    }
    const delivered = await writtenWithin(system, reports, LONGEST_MS - (performance.now() - from));
    return { delivered, of: reports, seconds: (performance.now() - from) / 1_000 };
  } finally {
    await program.kill("SIGKILL");
  }
}
