/** What is paid above the least possible, while the provider fails as providers do. */
import type { Lab } from "../lab.ts";
import { openSystem, type SystemName } from "../systems.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Waste {
  /** Billed tokens ÷ the least possible. */
  waste_ratio: number;
  blind_retries: number;
  duplicates: number;
  requests: number;
  seconds: number;
}

const LATENCY_MS = 20;

export async function waste(lab: Lab, name: SystemName, reports: number): Promise<Waste> {
  await lab.redis.flushall();
  await lab.provider.script({ latencyMs: LATENCY_MS, faults: "standard" });
  const system = await openSystem(lab, name);
  const program = await system.start();
  try {
    const from = performance.now();
    await system.order(topicsOf(name, "waste", reports));
    await allWritten(system, reports);
    const seconds = (performance.now() - from) / 1_000;
    const totals = await lab.provider.totals();
    return {
      waste_ratio: totals.billedTokens / totals.leastTokens,
      blind_retries: totals.blindRetries,
      duplicates: totals.duplicates,
      requests: totals.requests,
      seconds,
    };
  } finally {
    await program.kill("SIGKILL");
  }
}
