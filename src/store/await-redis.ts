/**
 * Waits until Redis answers, before anything is built on it: containers and hosts start in any order, and a role that
 * gave up would only be started again. What waiting cannot heal, a wrong password, is refused at once.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { FleetError } from "../domain/fleet-error.ts";
import { redisOptions } from "./redis-address.ts";

const TRY_WITHIN_MS = 3_000;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
const SAY_AGAIN_MS = 30_000;

export interface Waiting {
  /** Ends the waiting. */
  signal: AbortSignal;
  /** Hears at the first failed try, and from then on every half minute, why it still waits. */
  onWaiting: (sentence: string) => void;
  /** Hears that a wait is over. */
  onAnswer: (sentence: string) => void;
}

/** False where the waiting was ended from outside. */
export async function awaitRedis(url: string, waiting: Waiting): Promise<boolean> {
  const { host } = new URL(url);
  const since = performance.now();
  const waitedSeconds = () => Math.round((performance.now() - since) / 1_000);
  let saidAt: number | null = null;
  for (
    let pauseMs = FIRST_PAUSE_MS;
    !waiting.signal.aborted;
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
  ) {
    const because = await tryOnce(url);
    if (because === null) {
      if (saidAt !== null) waiting.onAnswer(`Redis at ${host} answers after ${waitedSeconds()} s.`);
      return true;
    }
    if (/^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/.test(because))
      throw new FleetError(
        "usage",
        `Redis at ${host} refuses what REDIS_URL says (${because.split(" ", 1)[0]}). Set the user and password that Redis knows: redis://user:password@host:port.`,
      );
    if (saidAt === null || performance.now() - saidAt >= SAY_AGAIN_MS) {
      saidAt = performance.now();
      waiting.onWaiting(
        `Redis at ${host} does not answer yet (${because}); waiting for it since ${waitedSeconds()} s. Start it, or correct REDIS_URL.`,
      );
    }
    await pause(pauseMs, undefined, { signal: waiting.signal }).catch(() => undefined);
  }
  return false;
}

/** Null where it answers; else what the network or Redis said. */
async function tryOnce(url: string): Promise<string | null> {
  let heard = "no answer";
  const redis = new Redis({
    ...redisOptions(url),
    lazyConnect: true,
    connectTimeout: TRY_WITHIN_MS,
    commandTimeout: TRY_WITHIN_MS,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    retryStrategy: () => null,
    sentinelRetryStrategy: () => null,
  });
  // What the connection broke on arrives here; the command only hears that it is closed.
  redis.on("error", (error: NodeJS.ErrnoException) => {
    heard = /^[A-Z]+ /.test(error.message) ? error.message : (error.code ?? error.message);
  });
  try {
    await redis.ping();
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return /^[A-Z]+ /.test(message) ? message : heard;
  } finally {
    redis.disconnect();
  }
}
