/** The breakers as they stand, their history, and what waits for them; `breakers.ts` says where each lies. */
import {
  DEFAULT_BREAKER,
  type Breaker,
  type BreakerCause,
  type BreakerSettings,
  type BreakerState,
  type CastVote,
  type Opening,
} from "../domain/breaker.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { EpochMs, MicroUsd, ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { fieldsOf } from "./script.ts";

export interface BreakerRecord {
  breaker: Breaker;
  since: EpochMs | null;
  settings: BreakerSettings;
  /** Reports that go on once it closes. */
  waiting: number;
}

export async function readBreaker(store: Store, type: string): Promise<BreakerRecord> {
  const { redis, keys } = store;
  const key = keys.breaker(type);
  const replies = await redis
    .multi()
    .hgetall(key)
    .hvals(`${key}:votes`)
    .zrange(`${key}:probes`, "0", "-1", "WITHSCORES")
    .zcard(`${key}:waiting`)
    .time()
    .exec();
  const [fields, votes, probes, waiting, time] = (replies ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  }) as [Record<string, string>, string[], string[], number, [string | number, string | number]];
  const settings = settingsOf(fields);
  const now = Number(time[0]) * 1_000 + Math.floor(Number(time[1]) / 1_000);
  return {
    breaker: breakerOf(
      fields,
      votes.map((vote) => JSON.parse(vote) as CastVote).filter(({ at }) => at > now - settings.windowMs),
      probes,
    ),
    since: fields["since"] === undefined ? null : Number(fields["since"]),
    settings,
    waiting,
  };
}

function settingsOf(fields: Record<string, string>): BreakerSettings {
  return {
    threshold: Number(fields["threshold"] ?? DEFAULT_BREAKER.threshold),
    windowMs: Number(fields["windowMs"] ?? DEFAULT_BREAKER.windowMs),
    successResets: fields["successResets"] !== "0",
    probes: Number(fields["probes"] ?? DEFAULT_BREAKER.probes),
    whenOpen: fields["whenOpen"] === "hold" ? "hold" : "refuse",
    carefulStart: fields["carefulStart"] === "1",
  };
}

function breakerOf(
  fields: Record<string, string>,
  votes: readonly CastVote[],
  probes: readonly string[],
): Breaker {
  const version = Number(fields["version"] ?? 0);
  const state = (fields["state"] ?? "closed") as BreakerState;
  const opening = openingOf(fields["opening"], fields["evidence"]);
  switch (state) {
    case "closed":
      return { state, version, votes: votes.toSorted((a, b) => a.at - b.at) };
    case "open":
      if (opening === null) throw new Error("A breaker is open but does not say why.");
      return { state, version, opening };
    case "half_open": {
      const pairs = probes.flatMap((report, at) =>
        at % 2 === 0 ? [{ report: report as ReportId, leaseUntil: Number(probes[at + 1]) }] : [],
      );
      return { state, version, opening, probes: pairs, delivered: Number(fields["delivered"] ?? 0) };
    }
  }
}

/** As the scripts wrote it; null where the breaker was never opened. */
export function openingOf(opening: string | undefined, evidence: string | undefined): Opening | null {
  if (!opening) return null;
  const votes = (JSON.parse(evidence || "[]") as CastVote[]).toSorted((a, b) => a.at - b.at);
  return { ...(JSON.parse(opening) as Omit<Opening, "votes">), votes };
}

export interface BreakerTurn {
  at: EpochMs;
  from: BreakerState;
  to: BreakerState;
  version: number;
  cause: BreakerCause;
  by: string | null;
  reason: string | null;
  votes: readonly CastVote[];
  burntMicros: MicroUsd;
}

/** The newest turns first. */
export async function readBreakerHistory(store: Store, type: string, limit = 50): Promise<BreakerTurn[]> {
  const rows = await store.redis.xrevrange(`${store.keys.breaker(type)}:history`, "+", "-", "COUNT", limit);
  return rows.map(([id, flat]) => {
    const fields = fieldsOf(flat);
    const { from, to, version, cause, by, reason, burntMicros } = JSON.parse(fields["e"] ?? "{}") as Extract<
      FleetEvent,
      { event: "breaker" }
    >;
    const votes = JSON.parse(fields["votes"] ?? "[]") as CastVote[];
    return { at: Number.parseInt(id, 10), from, to, version, cause, by, reason, votes, burntMicros };
  });
}

/** What those reports have cost so far without a result: wasted, and unknown. */
export async function spentInVain(store: Store, reports: Iterable<ReportId>): Promise<MicroUsd> {
  const pipeline = store.redis.pipeline();
  for (const report of new Set(reports))
    pipeline.hmget(store.keys.report(report), "spend.wasted", "spend.unknown");
  let sum = 0;
  for (const [error, amounts] of (await pipeline.exec()) ?? []) {
    if (error) throw error;
    for (const amount of amounts as (string | null)[]) sum += Number(amount ?? 0);
  }
  return sum;
}

/** Every type that was ever announced. */
export async function listBreakers(store: Store): Promise<string[]> {
  return (await store.redis.smembers(store.keys.breakers)).sort();
}

/** Those that wait longest first. */
export async function listPostponed(store: Store, type: string, limit: number): Promise<ReportId[]> {
  return (await store.redis.zrange(
    `${store.keys.breaker(type)}:waiting`,
    "0",
    String(limit - 1),
  )) as ReportId[];
}
