import { setTimeout as pause } from "node:timers/promises";
import type { System, SystemName } from "../systems.ts";

const LOOK_EVERY_MS = 20;

/** The same for each system but for its name, which the faults do not look at. */
export function topicsOf(system: SystemName, label: string, count: number): string[] {
  return Array.from({ length: count }, (_, nth) => `${system.replace("_", "")}-${label}.${nth}`);
}

/** How long it took; throws where it takes too long. */
export async function allWritten(system: System, count: number, limitMs = 300_000): Promise<number> {
  const from = performance.now();
  for (;;) {
    const written = await system.written();
    const took = performance.now() - from;
    if (written >= count) return took;
    if (took > limitMs)
      throw new Error(`${system.name} wrote ${written} of ${count} reports in ${limitMs} ms.`);
    await pause(LOOK_EVERY_MS);
  }
}
