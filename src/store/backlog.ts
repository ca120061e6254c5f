/** Whether what should have moved has moved: what an orchestrator that works leaves no trace of. */
import { redisNow, type Store } from "./redis.ts";

export interface Backlog {
  /** Reports past the time by which they must have moved, and how long the first of them is. */
  overdue: number;
  overdueMs: number;
  /** Orders that are admitted and not in the queue, and how long the oldest of them is. */
  unqueued: number;
  unqueuedMs: number;
  /** Entries of the intake stream that nobody has answered. */
  unanswered: number;
}

export async function readBacklog(store: Store): Promise<Backlog> {
  const { redis, keys } = store;
  const now = await redisNow(store);
  const [overdue, firstOverdue, unqueued, firstUnqueued, unanswered] = await Promise.all([
    redis.zcount(keys.wakeups, "-inf", now),
    redis.zrange(keys.wakeups, "0", "0", "WITHSCORES"),
    redis.zcard(keys.outbox),
    redis.zrange(keys.outbox, "0", "0", "WITHSCORES"),
    redis.xlen(keys.intake),
  ]);
  const since = ([, score]: string[]): number => (score === undefined ? 0 : Math.max(0, now - Number(score)));
  return {
    overdue,
    overdueMs: since(firstOverdue),
    unqueued,
    unqueuedMs: since(firstUnqueued),
    unanswered,
  };
}
