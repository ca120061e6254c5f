import { setTimeout as pause } from "node:timers/promises";
import type { System, SystemName } from "../systems.ts";

const LOOK_EVERY_MS = 20;

/** The same for each system but for its name, which the faults do not look at. */
export function topicsOf(system: SystemName, label: string, count: number): string[] {
  return Array.from({ length: count }, (_, nth) => `${system.replace("_", "")}-${label}.${nth}`);
}

/** Throws where it takes too long. */
export async function allWritten(system: System, count: number, limitMs = 300_000): Promise<void> {
  const written = await writtenWithin(system, count, limitMs);
  if (written < count)
    throw new Error(`${system.name} wrote ${written} of ${count} reports in ${limitMs} ms.`);
}

/** How many there are once it is `count`, or once the time is up. */
export async function writtenWithin(system: System, count: number, limitMs: number): Promise<number> {
  const until = performance.now() + limitMs;
  for (;;) {
    const written = await system.written();
    if (written >= count || performance.now() > until) return written;
    await pause(LOOK_EVERY_MS);
  }
}
