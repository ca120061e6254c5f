/** One section's answer is never usable, and a hundred reports wait: what is paid until somebody notices. */
import { setTimeout as pause } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { openSystem, type SystemName } from "../systems.ts";
import { topicsOf } from "./waiting.ts";

export interface BrokenType {
  billed_tokens: number;
  requests: number;
}

const CALL_MS = 100;
const QUIET_MS = 8_000;

export async function brokenType(lab: Lab, name: SystemName, reports: number): Promise<BrokenType> {
  await lab.redis.flushall();
  await lab.provider.script({ latencyMs: CALL_MS, broken: "law" });
  const system = await openSystem(lab, name);
  await system.order(topicsOf(name, "broken", reports));
  const program = await system.start();
  try {
    let requests = -1;
    for (;;) {
      const totals = await lab.provider.totals();
      if (totals.requests === requests) return { billed_tokens: totals.billedTokens, requests };
      requests = totals.requests;
      await pause(QUIET_MS);
    }
  } finally {
    await program.kill("SIGKILL");
  }
}
