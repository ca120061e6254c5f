/** The process that writes dies by kill -9, several times, and is started again at once. */
import { setTimeout as pause } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { openSystem, type SystemName } from "../systems.ts";
import { allWritten, topicsOf } from "./waiting.ts";

export interface Kills {
  seconds_without: number;
  seconds: number;
  times_as_long: number;
  /** Requests for calls that had been answered. */
  duplicates: number;
}

const KILLS = 4;

export async function kills(lab: Lab, name: SystemName, reports: number, latencyMs: number): Promise<Kills> {
  const calm = await once(lab, name, reports, latencyMs, 0);
  const shaken = await once(lab, name, reports, latencyMs, KILLS);
  return {
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
      await allWritten(system, 10 + Math.floor((reports * nth) / (times + 2)));
      await program.kill("SIGKILL");
      program = await system.start();
    }
    await allWritten(system, 10 + reports);
    const seconds = (performance.now() - from) / 1_000;
    await pause(100);
    return { seconds, duplicates: (await lab.provider.totals()).duplicates };
  } finally {
    await program.kill("SIGKILL");
    await keeper?.kill("SIGKILL");
  }
}

type Keeping = { startRoles(roles: string): ReturnType<Awaited<ReturnType<typeof openSystem>>["start"]> };
