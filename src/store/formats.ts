/** What the fleet has learnt about a route's response format, so that only the first worker asks in vain. */
import type { Store } from "./redis.ts";

/** What others have learnt is heard of within this time; before it a worker may ask in vain once more, which is not billed. */
const KNOWN_FOR_MS = 10_000;

export function knownFormats({ redis, keys }: Store) {
  const known = new Map<string, { format: string | null; until: number }>();
  function know(routeId: string, format: string | null): void {
    known.set(routeId, { format, until: performance.now() + KNOWN_FOR_MS });
  }
  return {
    async recall(routeId: string): Promise<string | null> {
      const before = known.get(routeId);
      if (before !== undefined && performance.now() < before.until) return before.format;
      const format = await redis.hget(keys.route(routeId), "format");
      know(routeId, format);
      return format;
    },
    async remember(routeId: string, format: string): Promise<void> {
      know(routeId, format);
      await redis.hset(keys.route(routeId), "format", format);
    },
  };
}
