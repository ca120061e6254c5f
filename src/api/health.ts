/** `/livez`: the event loop turns. `/readyz`: this process can take orders, and what an acknowledgement survives. */
import type { Express, Request, Response } from "express";
import type { Redis } from "ioredis";
import { readDurability } from "../store/redis-facts.ts";
import type { Store } from "../store/redis.ts";

export interface Health {
  /** Why this process takes no work any more though it answers; null while it does. */
  unreadyBecause(): string | null;
}

const SETTINGS_KEPT_MS = 10_000;

export function serveHealth(app: Express, store: Store, health: Health): void {
  const durability = remembering(() => readDurability(store.redis).catch(() => "unknown" as const));
  app.get("/livez", (_request: Request, response: Response) => void response.json({ alive: true }));
  app.get("/readyz", async (_request: Request, response: Response) => {
    const because = health.unreadyBecause() ?? (await redisTrouble(store.redis));
    const kept = because === null ? await durability() : "unknown";
    response
      .status(because === null ? 200 : 503)
      .json({ ready: because === null, because, durability: kept });
  });
}

async function redisTrouble(redis: Redis): Promise<string | null> {
  try {
    await redis.ping();
    return null;
  } catch {
    return "Redis does not answer.";
  }
}

/** Probes come often, and the setting changes hardly ever. */
function remembering<T>(read: () => Promise<T>): () => Promise<T> {
  let last: { value: Promise<T>; at: number } | null = null;
  return () => {
    if (last === null || performance.now() - last.at > SETTINGS_KEPT_MS)
      last = { value: read(), at: performance.now() };
    return last.value;
  };
}
