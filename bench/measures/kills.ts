/** The process that writes dies by kill -9, several times, and is started again at once. */
import { setTimeout as pause } from "node:timers/promises";
import type { Lab } from "../lab.ts";
import { openSystem, type FleetSystem, type System, type SystemName } from "../systems.ts";
import { allWritten, topicsOf, writtenWithin } from "./waiting.ts";

export interface Kills {
  delivered: number;
  of: number;
  seconds_without: number;
  seconds: number;
  times_as_long: number;
  /** Requests for calls whose answer was stored when the process died. Null where no answer is stored by itself. */
  paid_again_though_stored: number | null;
  /** Requests for calls that the provider had answered before, those on their way at a kill included. */
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
    paid_again_though_stored: shaken.paidAgain,
    duplicates: shaken.duplicates,
  };
}

async function once(lab: Lab, name: SystemName, reports: number, latencyMs: number, times: number) {
  await lab.redis.flushall();
  await lab.provider.script({ latencyMs });
  const system = await openSystem(lab, name);
  let program = await system.start();
  // Who hands on the work of the dead lives elsewhere, as in any fleet of more than one process.
  const keeper = isFleet(system) ? await system.startRoles("orchestrator") : null;
  const storedAtDeath = new Map<string, number>();
  try {
    await system.order(topicsOf(name, "warm", 10));
    await allWritten(system, 10);
    const from = performance.now();
    await system.order(topicsOf(name, `kills${times}`, reports));
    for (let nth = 1; nth <= times; nth++) {
      await writtenWithin(system, 10 + Math.floor((reports * nth) / (times + 2)), LONGEST_MS);
      await program.kill("SIGKILL");
      // Read while the next one starts, which writes nothing before it has loaded its code.
      const starting = system.start();
      if (isFleet(system)) {
        const asked = await lab.provider.asked();
        for (const call of await storedCalls(lab, system))
          if (!storedAtDeath.has(call)) storedAtDeath.set(call, asked[call] ?? 0);
      }
      program = await starting;
    }
    // Plain BullMQ gives up a job that stalled twice, and with it the report.
    const delivered = (await writtenWithin(system, 10 + reports, LONGEST_MS)) - 10;
    const seconds = (performance.now() - from) / 1_000;
    await pause(100);
    const asked = await lab.provider.asked();
    let paidAgain = 0;
    for (const [call, before] of storedAtDeath) paidAgain += (asked[call] ?? 0) - before;
    const { duplicates } = await lab.provider.totals();
    return { delivered, seconds, duplicates, paidAgain: isFleet(system) ? paidAgain : null };
  } finally {
    await program.kill("SIGKILL");
    await keeper?.kill("SIGKILL");
  }
}

/** By the marks in their questions. */
async function storedCalls(lab: Lab, { store, topics }: FleetSystem): Promise<string[]> {
  const pipeline = lab.redis.pipeline();
  for (const id of topics.keys()) pipeline.hkeys(store.keys.calls(id));
  const rows = (await pipeline.exec()) ?? [];
  return [...topics.values()].flatMap((topic, nth) =>
    ((rows[nth]?.[1] ?? []) as string[]).flatMap((field) => {
      const [, section, call] = /^([^/]+)\/([^/]+)\/[0-9a-f]+#1$/.exec(field) ?? [];
      return section === undefined ? [] : [`${topic}/${section}/${call}`];
    }),
  );
}

function isFleet(system: System): system is FleetSystem {
  return system.name === "report_fleet";
}
