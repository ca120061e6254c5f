/**
 * After the day that is told, its customers go on ordering, so that what is live can be seen to live and what is spent has a
 * course. Every third report names its figures badly once and is repaired. It ends with the customer's credits.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { FaultRule } from "../../src/llm/simulated/faults.ts";
import { submitReport } from "../../src/producer/submit-report.ts";
import type { Workshop } from "../../src/workers/session.ts";
import { BRIEF } from "./story.ts";

const EVERY_MS = 20_000;
const ABOUT = "grain prices";

export const ORDERING_FAULTS: FaultRule[] = [
  {
    match: { contains: `[[${BRIEF}/figures/write]] Name figures about ${ABOUT}`, every: 3 },
    fault: { kind: "malformed" },
  },
];

export async function keepOrdering(desk: Workshop, signal: AbortSignal): Promise<void> {
  for (;;) {
    await pause(EVERY_MS, undefined, { signal });
    const topic = `${ABOUT} at ${new Date().toISOString().slice(0, 19)}`;
    await submitReport(desk, { account: "acme", type: BRIEF, source: { topic }, tags: {} });
  }
}
