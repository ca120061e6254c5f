/** Bytes in Redis for a report that waits, one that is written, one that is finished, and what is left of it in the end. */
import { setTimeout as pause } from "node:timers/promises";
import type { ReportId } from "../../src/domain/ids.ts";
import { packReport } from "../../src/store/pack-report.ts";
import { removeAtOnce } from "../../src/store/retention.ts";
import { readReport } from "../../src/store/reports.ts";
import { waitFor } from "../../src/testing.ts";
import type { Lab } from "../lab.ts";
import { openSystem, type FleetSystem, type System, type SystemName } from "../systems.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Bytes {
  bytes_per_waiting: number;
  bytes_per_running: number;
  bytes_per_finished: number;
  /** An hour later, when it is packed. */
  bytes_at_rest: number | null;
  /** Null where nothing is ever removed. */
  bytes_after_retention: number | null;
  /** Records of finished jobs in all queues. */
  finished_jobs: number;
}

/** All of their first calls hang. */
const RUNNING = 25;

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
    const jobs = await finishedJobs(lab);
    await program.kill("SIGKILL");
    const rest = isFleet(system) ? await atRest(lab, system, reports) : null;
    const resting = await usedBytes(lab);

    await lab.provider.script({ hang: true });
    await system.order(topicsOf(name, "running", RUNNING));
    program = await system.start({ concurrency: 8 * RUNNING });
    await waitFor(
      async () => (await lab.provider.totals()).open >= 8 * RUNNING,
      () => "not all of them are written",
    );
    const running = await usedBytes(lab);
    await program.kill("SIGKILL");
    return {
      bytes_per_waiting: (waiting - before) / reports,
      bytes_per_running: (running - resting) / RUNNING,
      bytes_per_finished: (finished - before) / reports,
      bytes_at_rest: rest === null ? null : (rest - before) / reports,
      bytes_after_retention: isFleet(system) ? await afterRetention(lab, system, reports) : null,
      finished_jobs: jobs,
    };
  } finally {
    await program.kill("SIGKILL");
  }
}

/** Packs the newest as the sweeper does, and says what is used then. */
async function atRest(lab: Lab, { store }: FleetSystem, reports: number): Promise<number> {
  // Its processes were killed, and nobody has said so yet.
  await lab.redis.del(store.keys.processes);
  for (const id of (await lab.redis.zrange(store.keys.ended, String(-reports), "-1")) as ReportId[]) {
    const stored = await readReport(store, id);
    if (stored === null || (await packReport(store, stored)) !== "packed")
      throw new Error(`Report ${id} is not packed.`);
  }
  // UNLINK frees beside the commands.
  await pause(1_000);
  return usedBytes(lab);
}

/** What lies under the ids of removed reports, and their share of the account's ledger; the jobs of the last ones are counted. */
async function afterRetention(lab: Lab, { store, topics }: FleetSystem, reports: number): Promise<number> {
  const ids = (await lab.redis.zrange(store.keys.ended, "0", String(reports - 1))) as ReportId[];
  let left = (ids.length * (await usage(lab, store.keys.ledger("bench")))) / topics.size;
  for (const id of ids) {
    const stored = await readReport(store, id);
    if (stored !== null) await removeAtOnce(store, stored);
    const names = (await lab.redis.keys(`*${id}*`)).filter(
      (name) => !/}:(?:reports|sections\..*):/.test(name),
    );
    for (const name of names) left += await usage(lab, name);
  }
  return left / ids.length;
}

async function usage({ redis }: Lab, name: string): Promise<number> {
  return Number(await redis.memory("USAGE", name, "SAMPLES", 0));
}

async function finishedJobs(lab: Lab): Promise<number> {
  let jobs = 0;
  for (const kind of ["completed", "failed"])
    for (const name of await lab.redis.keys(`*:${kind}`))
      if (!name.includes(":index:")) jobs += await lab.redis.zcard(name).catch(() => 0);
  return jobs;
}

async function usedBytes(lab: Lab): Promise<number> {
  return Number(/^used_memory_dataset:(\d+)/m.exec(await lab.redis.info("memory"))?.[1] ?? 0);
}

function isFleet(system: System): system is FleetSystem {
  return system.name === "report_fleet";
}
