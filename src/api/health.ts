/** `/livez`: the event loop turns. `/readyz`: this process can take orders, and what an acknowledgement survives. */
import type { Express, Request, Response } from "express";
import type { Redis } from "ioredis";
import type { Store } from "../store/redis.ts";

export interface Health {
  /** Why this process takes no work any more though it answers; null while it does. */
  unreadyBecause(): string | null;
}

/**
 * What is still there after a power cut: `always` everything acknowledged, `everysec` all but the last second, `none`
 * whatever Redis had happened to write. A hosted Redis may refuse to tell.
 */
export type Durability = "always" | "everysec" | "none" | "unknown";

const SETTINGS_KEPT_MS = 10_000;

export function serveHealth(app: Express, store: Store, health: Health): void {
  const durability = remembering(() => readDurability(store.redis));
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

async function readDurability(redis: Redis): Promise<Durability> {
  try {
    const flat = await redis.config("GET", "append*");
    const setting = (name: string) => flat[flat.indexOf(name) + 1];
    if (!flat.includes("appendonly")) return "unknown";
    if (setting("appendonly") !== "yes") return "none";
    const fsync = setting("appendfsync");
    return fsync === "always" || fsync === "everysec" ? fsync : "none";
  } catch {
    return "unknown";
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
