/** What the fleet has learnt about a route's response format, so that only the first worker asks in vain. */
import type { Store } from "./redis.ts";

export async function recallFormat(store: Store, routeId: string): Promise<string | null> {
  return store.redis.hget(store.keys.route(routeId), "format");
}

export async function rememberFormat(store: Store, routeId: string, format: string): Promise<void> {
  await store.redis.hset(store.keys.route(routeId), "format", format);
}
