/** How long nothing is asked after a worker, and after Redis, dies by kill -9 in the middle of its work. */
import { setTimeout as pause } from "node:timers/promises";
import { waitFor } from "../../src/testing.ts";
import type { Lab } from "../lab.ts";
import { median } from "../median.ts";
import { reportFleet, type FleetSystem } from "../systems.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Recovery {
  /** Until the sections that a dead worker held are written by another one. */
  ms_after_a_dead_worker: number;
  /** Until the next request leaves, the start of Redis included. */
  ms_after_a_dead_redis: number;
  delivered: number;
  of: number;
}

const CALL_MS = 200;
const TIMES = 3;
const REPORTS = 6;

export async function recovery(lab: Lab): Promise<Recovery> {
  await lab.redis.flushall();
  await lab.provider.script({ latencyMs: CALL_MS });
  const fleet = await reportFleet(lab);
  // The one that stays has few places, so that the dead one holds most of what is written.
  const keeper = await fleet.startRoles("orchestrator,worker", { concurrency: 8 });
  let worker = await fleet.startRoles("worker");
  const [workerMs, redisMs]: [number[], number[]] = [[], []];
  let ordered = 0;
  async function begin(label: string): Promise<void> {
    await fleet.order(topicsOf("report_fleet", label, REPORTS));
    ordered += REPORTS;
    await waitFor(
      async () => (await lab.provider.totals()).open >= REPORTS * 4,
      () => "too few calls are on their way",
    );
  }
  try {
    for (let nth = 0; nth < TIMES; nth++) {
      await begin(`worker${nth}`);
      await worker.kill("SIGKILL");
      const died = performance.now();
      await waitFor(
        async () => (await heldByTheDead(lab, fleet)) === 0,
        () => "the dead worker's sections are not handed on",
      );
      workerMs.push(performance.now() - died);
      worker = await fleet.startRoles("worker");
      await allWritten(fleet, ordered);

      await begin(`redis${nth}`);
      const crashed = performance.now();
      await lab.crashRedis();
      // What was on its way comes to an end; then only Redis lets anything leave.
      await pause(CALL_MS);
      const { requests } = await lab.provider.totals();
      await waitFor(
        async () => (await lab.provider.totals()).requests > requests,
        () => "nothing is asked any more",
      );
      redisMs.push(performance.now() - crashed);
      await allWritten(fleet, ordered);
    }
    return {
      ms_after_a_dead_worker: median(workerMs),
      ms_after_a_dead_redis: median(redisMs),
      delivered: await fleet.written(),
      of: ordered,
    };
  } finally {
    await worker.kill("SIGKILL");
    await keeper.kill("SIGKILL");
  }
}

/** A dead process is forgotten once all it held is handed on. */
async function heldByTheDead(lab: Lab, { store }: FleetSystem): Promise<number> {
  return (await lab.redis.scard(store.keys.processes)) - 1;
}
