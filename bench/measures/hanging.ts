/** A thousand calls hang in two workers: what that takes of memory and CPU, and whether it goes on once they are answered. */
import { setTimeout as pause } from "node:timers/promises";
import { waitFor } from "../../src/testing.ts";
import { cpuMsOf, memoryBytesOf, type Lab } from "../lab.ts";
import { reportFleet } from "../systems.ts";
import { SECTIONS } from "../workload.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Hanging {
  calls: number;
  workers: number;
  seconds_until_all_hang: number;
  mb_each: number;
  /** Of one core, while nothing is answered. */
  cpu_percent_each: number;
  /** Workers that still beat after that time: 2, or work of the living was handed on. */
  alive: number;
  seconds_until_delivered: number;
  duplicates: number;
}

const WORKERS = 2;
const HANG_MS = 20_000;

export async function hanging(lab: Lab, calls: number): Promise<Hanging> {
  await lab.redis.flushall();
  await lab.provider.script({ hang: true });
  const fleet = await reportFleet(lab);
  const reports = calls / SECTIONS.length;
  const orchestrator = await fleet.startRoles("orchestrator");
  const workers = await Promise.all(
    Array.from({ length: WORKERS }, () => fleet.startRoles("worker", { concurrency: calls / WORKERS })),
  );
  try {
    const from = performance.now();
    await fleet.order(topicsOf("report_fleet", "hang", reports));
    await waitFor(
      async () => (await lab.provider.totals()).open >= calls,
      () => "not all calls are on their way",
      120_000,
    );
    const all = performance.now();
    const cpu = workers.map(({ pid }) => cpuMsOf(pid));
    await pause(HANG_MS);
    const used = workers.map(({ pid }, nth) => (cpuMsOf(pid) - (cpu[nth] ?? 0)) / HANG_MS);
    const memory = workers.map(({ pid }) => memoryBytesOf(pid));
    const alive = (await lab.redis.scard(fleet.store.keys.processes)) - 1;
    const released = performance.now();
    const { requests } = await lab.provider.totals();
    await lab.provider.script({});
    await allWritten(fleet, reports);
    const delivered = performance.now();
    const after = await lab.provider.totals();
    return {
      calls: requests,
      workers: WORKERS,
      seconds_until_all_hang: (all - from) / 1_000,
      mb_each: mean(memory) / 1_048_576,
      cpu_percent_each: 100 * mean(used),
      alive,
      seconds_until_delivered: (delivered - released) / 1_000,
      // Each section has two more calls after the one that hung.
      duplicates: Math.max(0, after.requests - 2 * calls),
    };
  } finally {
    for (const program of [...workers, orchestrator]) await program.kill("SIGKILL");
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
