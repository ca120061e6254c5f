/**
 * Listens for the bell of sections that are first in line, as long as this process has all its places taken and could
 * lend one. Each ring wakes one process, so a fleet of full workers does not rush for one job.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Redis } from "ioredis";
import { awaitFirstInLine, ringFirstInLine } from "../store/first-in-line.ts";
import type { Store } from "../store/redis.ts";
import type { SectionPlaces } from "./section-places.ts";

const PAUSE_AFTER_ERROR_MS = 500;

/** Ends with its connection. */
export async function lendToFirstInLine(store: Store, bell: Redis, places: SectionPlaces): Promise<void> {
  for (;;) {
    await places.untilLendable();
    try {
      const type = await awaitFirstInLine({ ...store, redis: bell }, places.types);
      if (type === null) continue;
      // Meanwhile a place has come free here, and the section finds it by itself; or it is for somebody else to lend one.
      if (!places.lendable) ringFirstInLine(store, type);
      else await places.look(type);
    } catch {
      if (bell.status === "end") return;
      await pause(PAUSE_AFTER_ERROR_MS);
    }
  }
}
