/**
 * The bell for sections that are first in their account's line: a worker with all places taken listens and lends one.
 *
 * A set with one member at most, so it cannot grow where nobody listens. It says only that there may be such a section: a
 * ring that is lost costs it the wait for a free place, and one too many a look at the queue.
 */
import type { Store } from "./redis.ts";

/** As long as a blocking read of BullMQ may take. */
const BLOCK_SECONDS = 10;

/** Not waited for, and it may fail. */
export function ringFirstInLine({ redis, keys }: Store, type: string): void {
  redis.zadd(keys.firstInLine(type), 0, type).catch(() => undefined);
}

/** Answers the type whose bell was rung; one ring is heard by one listener. Needs a connection of its own. */
export async function awaitFirstInLine(
  { redis, keys }: Store,
  types: readonly string[],
): Promise<string | null> {
  const rung = await redis.bzpopmin(...types.map((type) => keys.firstInLine(type)), BLOCK_SECONDS);
  return rung?.[1] ?? null;
}
