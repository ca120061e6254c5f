/** The process that writes dies by kill -9, several times, and is started again at once. */
import { setTimeout as pause } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { openSystem, type SystemName } from "../systems.ts";
import { allWritten, topicsOf, writtenWithin } from "./waiting.ts";

export interface Kills {
  delivered: number;
  of: number;
  seconds_without: number;
  seconds: number;
  times_as_long: number;
  /** Requests for calls that the provider had answered before: those whose answer was on its way at a kill. */
  duplicates: number;
}

const KILLS = 4;
const LONGEST_MS = 90_000;

export async function kills(lab: Lab, name: SystemName, reports: number, latencyMs: number): Promise<Kills> {
  const calm = await once(lab, name, reports, latencyMs, 0);
  const shaken = await once(lab, name, reports, latencyMs, KILLS);
  return {
    delivered: shaken.delivered,
    of: reports,
    seconds_without: calm.seconds,
    seconds: shaken.seconds,
    times_as_long: shaken.seconds / calm.seconds,
    duplicates: shaken.duplicates,
  };
}

async function once(lab: Lab, name: SystemName, reports: number, latencyMs: number, times: number) {
  await lab.redis.flushall();
  await lab.provider.script({ latencyMs });
  const system = await openSystem(lab, name);
  let program = await system.start();
  // Who hands on the work of the dead lives elsewhere, as in any fleet of more than one process.
  const keeper = "startRoles" in system ? await (system as Keeping).startRoles("orchestrator") : null;
  try {
    await system.order(topicsOf(name, "warm", 10));
    await allWritten(system, 10);
    const from = performance.now();
    await system.order(topicsOf(name, `kills${times}`, reports));
    for (let nth = 1; nth <= times; nth++) {
      await writtenWithin(system, 10 + Math.floor((reports * nth) / (times + 2)), LONGEST_MS);
      await program.kill("SIGKILL");
      program = await system.start();
    }
    // Plain BullMQ gives up a job that stalled twice, and with it the report.
    const delivered = (await writtenWithin(system, 10 + reports, LONGEST_MS)) - 10;
    const seconds = (performance.now() - from) / 1_000;
    await pause(100);
    return { delivered, seconds, duplicates: (await lab.provider.totals()).duplicates };
  } finally {
    await program.kill("SIGKILL");
    await keeper?.kill("SIGKILL");
  }
}

type Keeping = { startRoles(roles: string): ReturnType<Awaited<ReturnType<typeof openSystem>>["start"]> };
