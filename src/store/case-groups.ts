/** Cases of the same trouble, as groups: how many wait, since when, and how much money waits with them. */
import type { FailureKind } from "../domain/failure.ts";
import type { EpochMs, MicroUsd } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import type { Store } from "./redis.ts";

export interface CaseGroup {
  group: string;
  type: string;
  section: string | null;
  failure: FailureSummary;
  /** Open cases now, and how many there have ever been. */
  open: number;
  seen: number;
  firstSeen: EpochMs;
  lastSeen: EpochMs;
  /** Since when the oldest open case waits; null where none is open. */
  waitingSince: EpochMs | null;
  /** Money at stake: credits held for and dollars spent on the reports that wait, and how much of those bought nothing. */
  creditsHeld: number;
  spentMicros: MicroUsd;
  wastedMicros: MicroUsd;
}

/** What a list begins with: seen last, waiting longest, most cases, most credits held. */
export const GROUP_ORDERS = ["latest", "oldest", "cases", "credits"] as const;
export type GroupOrder = (typeof GROUP_ORDERS)[number];

export interface GroupFilter {
  limit: number;
  offset?: number | undefined;
  order?: GroupOrder | undefined;
  kind?: FailureKind | undefined;
  type?: string | undefined;
  section?: string | undefined;
}

/** A filter looks through so many groups in the order asked for; a fleet with more kinds of trouble has another one. */
const MOST_LOOKED_THROUGH = 1_000;
const PAGE = 100;

export async function listGroups(store: Store, filter: GroupFilter): Promise<CaseGroup[]> {
  const { limit, offset = 0, order = "latest", kind, type, section } = filter;
  const found: CaseGroup[] = [];
  for (let start = 0; start < MOST_LOOKED_THROUGH && found.length < offset + limit; start += PAGE) {
    const names = await namesOf(store, order, start);
    for (const group of await readGroups(store, names)) {
      if (kind !== undefined && group.failure.kind !== kind) continue;
      if (type !== undefined && group.type !== type) continue;
      if (section !== undefined && group.section !== section) continue;
      found.push(group);
    }
    if (names.length < PAGE) break;
  }
  return found.slice(offset, offset + limit);
}

export async function readGroup(store: Store, group: string): Promise<CaseGroup | null> {
  const [found = null] = await readGroups(store, [group]);
  return found;
}

function namesOf({ redis, keys }: Store, order: GroupOrder, start: number): Promise<string[]> {
  const end = start + PAGE - 1;
  switch (order) {
    case "latest":
      return redis.zrevrange(keys.groups, start, end);
    case "oldest":
      return redis.zrange(keys.groupsByAge, start, String(end));
    case "cases":
      return redis.zrevrange(keys.groupsBySize, start, end);
    case "credits":
      return redis.zrevrange(keys.groupsByCredits, start, end);
  }
}

async function readGroups({ redis, keys }: Store, names: readonly string[]): Promise<CaseGroup[]> {
  const pipeline = redis.pipeline();
  for (const name of names) {
    pipeline.hgetall(keys.group(name));
    pipeline.zcard(keys.groupCases(name));
    pipeline.zrange(keys.groupCases(name), 0, "0", "WITHSCORES");
  }
  const replies = ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
  return names.flatMap((group, index) => {
    const fields = replies[3 * index] as Record<string, string>;
    const [, since] = replies[3 * index + 2] as string[];
    if (fields["type"] === undefined) return [];
    const number = (name: string) => Number(fields[name] ?? 0);
    return {
      group,
      type: fields["type"],
      section: fields["section"] || null,
      failure: JSON.parse(fields["failure"] ?? "{}") as FailureSummary,
      open: replies[3 * index + 1] as number,
      seen: number("seen"),
      firstSeen: number("firstSeen"),
      lastSeen: number("lastSeen"),
      waitingSince: since === undefined ? null : Number(since),
      creditsHeld: number("credits"),
      spentMicros: number("spent"),
      wastedMicros: number("wasted"),
    };
  });
}
