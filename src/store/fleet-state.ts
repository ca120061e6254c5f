/**
 * How the fleet stands this moment, for its gauges: three round trips, each bounded, however many reports there are.
 */
import { BREAKER_STATES, type BreakerState } from "../domain/breaker.ts";
import { REPORT_STATUSES, type ReportStatus } from "../domain/report.ts";
import { routeStateOf, type RouteState } from "../domain/route.ts";
import { countsFrom, type Counts } from "./counts.ts";
import { REPORTS_QUEUE, sectionsQueue, WEBHOOKS_QUEUE } from "./queues.ts";
import type { Store } from "./redis.ts";
import { gateOf } from "./routes.ts";

export const QUEUE_STATES = ["waiting", "active", "delayed", "waiting_children"] as const;
export type QueueState = (typeof QUEUE_STATES)[number];

export interface QueueLoad {
  queue: string;
  jobs: Record<QueueState, number>;
  /** Since when the oldest job that could be worked on now has been there, in ms; null where none waits. */
  oldestMs: number | null;
  /** Processes that fetch from it. */
  workers: number;
}

export interface FleetState {
  counts: Counts;
  breakers: { type: string; state: BreakerState }[];
  routes: { route: string; state: RouteState }[];
  queues: QueueLoad[];
  /** Roles of each live process. */
  processes: string[][];
  accounts: number;
  reports: Record<ReportStatus, number>;
  creditsHeld: number;
  spendingStopped: boolean;
  /** Micro-USD since midnight UTC, estimates of calls in flight included. */
  spentTodayMicros: number;
  oldestCaseMs: number | null;
  holds: { open: number; oldestMs: number | null };
  webhooks: { due: number; outbox: number };
  /** Reports that should have moved by now. */
  overdue: number;
}

/** Of a longer queue, the jobs that are next and those that came last are looked at: one of them is the oldest of its turn. */
const SAMPLED_JOBS = 100;
const DAY_MS = 86_400_000;

/** Null where this process does not hold the sweeper's lease: one process tells how the fleet stands. */
export async function readFleetState(
  store: Store,
  processId: string,
  knownTypes: readonly string[],
): Promise<FleetState | null> {
  const { redis, keys } = store;
  const first = await all(
    redis
      .pipeline()
      .get(keys.sweeperLease)
      .time()
      .hgetall(keys.counts)
      .smembers(keys.breakers)
      .smembers(keys.routes)
      .smembers(keys.processes)
      .scard(keys.accounts)
      .hexists(keys.spendingStop, "reason")
      .hmget(keys.spentToday, "day", "total")
      .zrange(keys.cases, "0", "0", "WITHSCORES")
      .zcard(keys.openHolds)
      .zrange(keys.openHoldsSince, "0", "0", "WITHSCORES")
      .zcard(keys.webhookDue)
      .xlen(keys.webhookOutbox)
      .hget(keys.creditTotals, "held"),
  );
  const [
    lease,
    time,
    counts,
    types,
    routes,
    processes,
    accounts,
    stopped,
    today,
    cases,
    holds,
    since,
    due,
    outbox,
    held,
  ] = first as [
    string | null,
    [string | number, string | number],
    Record<string, string>,
    string[],
    string[],
    string[],
    number,
    number,
    (string | null)[],
    string[],
    number,
    string[],
    number,
    number,
    string | null,
  ];
  if (lease !== processId) return null;
  const now = Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000);
  const allTypes = [...new Set([...knownTypes, ...types])].sort();
  const sinceMs = (row: string[]) => (row[1] === undefined ? null : Math.max(0, now - Number(row[1])));

  const second = redis.pipeline();
  second.zcount(keys.wakeups, "-inf", now);
  for (const status of REPORT_STATUSES) second.zcard(keys.indexStatus(status));
  for (const type of allTypes) second.hget(keys.breaker(type), "state");
  for (const route of routes) second.hmget(keys.route(route), "closed", "closedUntil", "troubleSince");
  for (const id of processes) second.hget(keys.process(id), "roles");
  for (const id of processes) second.hvals(keys.fetchers(id));
  const [overdue, ...replies] = await all(second);
  const byStatus = replies.splice(0, REPORT_STATUSES.length) as number[];
  const breakerWords = replies.splice(0, allTypes.length) as (string | null)[];
  const routeRows = replies.splice(0, routes.length) as (string | null)[][];
  const roles = replies.splice(0, processes.length) as (string | null)[];
  const fetched = (replies as string[][]).map((queues) => new Set(queues));
  const queueNames = [REPORTS_QUEUE, WEBHOOKS_QUEUE, ...allTypes.map(sectionsQueue)];
  return {
    counts: countsFrom(counts),
    breakers: allTypes.map((type, nth) => ({ type, state: stateOf(breakerWords[nth] ?? null) })),
    routes: routes.map((route, nth) => ({ route, state: routeStateOf(gateOf(routeRows[nth] ?? []), now) })),
    queues: await readQueues(store, queueNames, fetched, now),
    processes: roles.map((list) => (list ?? "").split(",")),
    accounts,
    reports: Object.fromEntries(
      REPORT_STATUSES.map((status, nth) => [status, byStatus[nth] ?? 0]),
    ) as FleetState["reports"],
    creditsHeld: Number(held ?? 0),
    spendingStopped: stopped === 1,
    spentTodayMicros: today[0] === String(Math.floor(now / DAY_MS)) ? Number(today[1] ?? 0) : 0,
    oldestCaseMs: sinceMs(cases),
    holds: { open: holds, oldestMs: sinceMs(since) },
    webhooks: { due, outbox },
    overdue: Number(overdue),
  };
}

async function readQueues(
  store: Store,
  names: readonly string[],
  fetched: readonly Set<string>[],
  now: number,
): Promise<QueueLoad[]> {
  const { redis, keys } = store;
  const pipeline = redis.pipeline();
  for (const name of names) {
    const at = `${keys.queuePrefix}:${name}:`;
    pipeline
      .llen(`${at}wait`)
      .zcard(`${at}prioritized`)
      .llen(`${at}active`)
      .zcard(`${at}delayed`)
      .zcard(`${at}waiting-children`)
      .lrange(`${at}wait`, 0, SAMPLED_JOBS - 1)
      .lrange(`${at}wait`, -SAMPLED_JOBS, -1)
      .zrange(`${at}prioritized`, "0", String(SAMPLED_JOBS - 1))
      .zrange(`${at}prioritized`, String(-SAMPLED_JOBS), "-1");
  }
  const replies = await all(pipeline);
  const rows = names.map((name, nth) => {
    const [wait, prioritized, active, delayed, children, ...ids] = replies.slice(nth * 9, nth * 9 + 9);
    return {
      name,
      jobs: {
        waiting: Number(wait) + Number(prioritized),
        active: Number(active),
        delayed: Number(delayed),
        waiting_children: Number(children),
      },
      ids: [...new Set((ids as string[][]).flat())],
    };
  });
  const times = redis.pipeline();
  for (const { name, ids } of rows)
    for (const id of ids) times.hget(`${keys.queuePrefix}:${name}:${id}`, "timestamp");
  const stamps = (await all(times)) as (string | null)[];
  return rows.map(({ name, jobs, ids }) => {
    const known = stamps.splice(0, ids.length).flatMap((stamp) => (stamp === null ? [] : [Number(stamp)]));
    return {
      queue: name,
      jobs,
      oldestMs: known.length === 0 ? null : Math.max(0, now - Math.min(...known)),
      workers: fetched.filter((queues) => queues.has(name)).length,
    };
  });
}

function stateOf(text: string | null): BreakerState {
  return BREAKER_STATES.find((state) => state === text) ?? "closed";
}

async function all(pipeline: { exec(): Promise<[Error | null, unknown][] | null> }): Promise<unknown[]> {
  return ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}
