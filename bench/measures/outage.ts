/** The provider answers 503 for a while, under a stream of orders. */
import { setTimeout as pause } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { openSystem, type SystemName } from "../systems.ts";
import { topicsOf } from "./waiting.ts";

export interface Outage {
  delivered: number;
  of: number;
  requests_during_outage: number;
}

const CALL_MS = 100;

export async function outage(lab: Lab, name: SystemName, reports: number, outageMs: number): Promise<Outage> {
  await lab.redis.flushall();
  await lab.provider.script({ latencyMs: CALL_MS, outageMs });
  const system = await openSystem(lab, name);
  const program = await system.start();
  try {
    const topics = topicsOf(name, "outage", reports);
    for (const topic of topics) {
      await system.order([topic]);
      await pause(outageMs / reports);
    }
    // Whatever is not written by then has been given up.
    const until = performance.now() + outageMs + 30_000;
    while ((await system.written()) < reports && performance.now() < until) await pause(100);
    const { refusedByOutage } = await lab.provider.totals();
    return { delivered: await system.written(), of: reports, requests_during_outage: refusedByOutage };
  } finally {
    await program.kill("SIGKILL");
  }
}
