/** Bytes in Redis for a report that waits, and for one that is finished with everything kept for review. */
import type { Lab } from "../lab.ts";
import { openSystem, type SystemName } from "../systems.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Bytes {
  bytes_per_waiting: number;
  bytes_per_finished: number;
}

export async function bytes(lab: Lab, name: SystemName, reports: number): Promise<Bytes> {
  await lab.redis.flushall();
  await lab.provider.script({});
  const system = await openSystem(lab, name);
  let program = await system.start();
  try {
    // What there is once and not per report: streams at their length, scripts, queues.
    await system.order(topicsOf(name, "first", reports));
    await allWritten(system, reports);
    await program.kill("SIGKILL");
    const before = await usedBytes(lab);
    await system.order(topicsOf(name, "second", reports));
    const waiting = await usedBytes(lab);
    program = await system.start();
    await allWritten(system, 2 * reports);
    const finished = await usedBytes(lab);
    return {
      bytes_per_waiting: (waiting - before) / reports,
      bytes_per_finished: (finished - before) / reports,
    };
  } finally {
    await program.kill("SIGKILL");
  }
}

async function usedBytes(lab: Lab): Promise<number> {
  return Number(/^used_memory_dataset:(\d+)/m.exec(await lab.redis.info("memory"))?.[1] ?? 0);
}
