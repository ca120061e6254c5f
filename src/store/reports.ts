/**
 * The report record and its named transitions. A report moves only through the scripts here, in `admit.ts` and in
 * `deliver.ts`; its progress between `running` and `waiting_for_retry` follows its sections (`sections.ts`).
 */
import type { FleetEvent } from "../domain/events.ts";
import { NO_SPEND } from "../domain/failure.ts";
import { DEFAULT_PRIORITY, turnOf, type Priority } from "../domain/fairness.ts";
import type { ReportId } from "../domain/ids.ts";
import type {
  Delivered,
  Delivery,
  FailureSummary,
  PlannedSection,
  Report,
  ReportState,
  ReportStatus,
  Section,
} from "../domain/report.ts";
import type { Decision } from "../domain/review.ts";
import type { FailureLimits, HoldStatus } from "../domain/credits.ts";
import { BREAKER_LUA, ballotArgument, type BallotPaper } from "./breakers.ts";
import { caseNames, OPEN_CASE_LUA, openingArguments } from "./cases.ts";
import { CREDIT_REVIEW_LUA, limitsArgument } from "./credit-review.ts";
import { unpack } from "./packed.ts";
import { PLACES_LUA } from "./places.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";
import { isKnownForm, requireKnownForm } from "./version.ts";
import { parseSection, SECTION_FIELDS } from "./read-sections.ts";

const PLAN = savingScript(`
-- KEYS report events fleet_events deliver_by   ARGV plan event run id
-- A plan made from a source that was corrected since is nobody's plan.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[3] then return {'gone', ''} end
if redis.call('HSETNX', KEYS[1], 'plan', ARGV[1]) == 1 then
  -- Now it can be foreseen whether it will be late.
  redis.call('ZADD', KEYS[4], 'XX', now_ms(), ARGV[4])
  emit(KEYS[2], KEYS[3], ARGV[2])
  return {'planned', ARGV[1]}
end
return {'planned', redis.call('HGET', KEYS[1], 'plan')}
`);

const START_ROUND = savingScript(`${BREAKER_LUA}${PLACES_LUA}
-- KEYS report wakeups events fleet_events   ARGV run round wake_after_ms id started_event status_event postponed_event max_running('' = no limit)
-- A repeat with the round that is already current is the answer to a lost reply, not a second round.
local status, run, round = unpack(redis.call('HMGET', KEYS[1], 'status', 'run', 'round'))
if not status or run ~= ARGV[1] then return 'superseded' end
if status ~= 'pending' and status ~= 'running' and status ~= 'waiting_for_retry' then return 'superseded' end
if round == ARGV[2] then return 'started' end
if tonumber(round) + 1 ~= tonumber(ARGV[2]) then return 'superseded' end
local now = now_ms()
local breaker = breaker_of(KEYS[1])
if breaker_word(breaker, KEYS[4], now, ARGV[4], nil) == 'open' then
  breaker_postpone(breaker, now, ARGV[4])
  -- The closing of the breaker rings it; the wake-up is there for the day that is missed.
  redis.call('ZADD', KEYS[2], now + 30 * tonumber(ARGV[3]), ARGV[4])
  local told = redis.call('HSETNX', KEYS[1], 'postponed', now) == 0 and status == 'waiting_for_retry'
  enter_status(KEYS[1], 'waiting_for_retry')
  redis.call('HSET', KEYS[1], 'updatedAt', now)
  if not told then emit(KEYS[3], KEYS[4], ARGV[7]) end
  leave_places(KEYS[1], ARGV[4])
  return 'postponed'
end
if not place_is_free(KEYS[1], ARGV[4], ARGV[8]) then
  wait_for_place(KEYS[1], ARGV[4], now)
  -- The sweeper rings it when a place is free; as above for the day that is missed.
  redis.call('ZADD', KEYS[2], now + 30 * tonumber(ARGV[3]), ARGV[4])
  return 'capped'
end
take_place(KEYS[1], ARGV[4], now)
redis.call('ZREM', breaker .. ':waiting', ARGV[4])
redis.call('HDEL', KEYS[1], 'postponed')
enter_status(KEYS[1], 'running')
redis.call('HSET', KEYS[1], 'round', ARGV[2], 'updatedAt', now)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[4])
if status == 'pending' then emit(KEYS[3], KEYS[4], ARGV[6]) end
emit(KEYS[3], KEYS[4], ARGV[5])
return 'started'
`);

const PARK = savingScript(`${OPEN_CASE_LUA}${CREDIT_REVIEW_LUA}${BREAKER_LUA}${PLACES_LUA}
-- KEYS report wakeups events fleet_events deadlines   ARGV run id failure event decisions deadline_ms case ballot failure_limits case_names
local status, run, decisions = unpack(redis.call('HMGET', KEYS[1], 'status', 'run', 'decisions'))
if status == 'needs_review' and run == ARGV[1] then return 'parked' end
if run ~= ARGV[1] or (status ~= 'pending' and status ~= 'running' and status ~= 'waiting_for_retry') then return 'superseded' end
-- A person decided about a section since the caller looked: there may be something to write again.
if (decisions or '0') ~= ARGV[5] then return 'moved' end
local parked, ballot, limits, names = parked_case(ARGV[7]), cjson.decode(ARGV[8]), cjson.decode(ARGV[9]), cjson.decode(ARGV[10])
local now = now_ms()
enter_status(KEYS[1], 'needs_review')
redis.call('HSET', KEYS[1], 'failure', ARGV[3], 'updatedAt', now)
redis.call('ZREM', KEYS[2], ARGV[2])
leave_places(KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[5], now + tonumber(ARGV[6]), ARGV[2])
emit(KEYS[3], KEYS[4], ARGV[4])
open_case(parked, '', KEYS[1], '', '', KEYS[3], KEYS[4], now)
recount_cases(names, KEYS[1])
note_failed_report(KEYS[1], now, KEYS[3], KEYS[4], limits)
breaker_ballot(KEYS[1], KEYS[3], KEYS[4], now, ballot, false)
return 'parked'
`);

/** A report as stored, with what its own record says of the plan and of a halt. */
export interface StoredReport {
  report: Report;
  plan: PlannedSection[] | null;
  /** Set once a section halts the report: siblings stop before their next call. */
  halted: FailureSummary | null;
  /** Micro-USD set aside for requests that are in flight. */
  inFlightMicros: number;
  cancelRequested: boolean;
  /** Also while the rest of a partial delivery is being written; null before the first delivery. */
  delivered: Delivered | null;
  /** Rises with every decision of a person about one of its sections. */
  decisions: number;
  /** Who decided last, and why; null where nobody had to. */
  lastDecision: Decision | null;
}

/** The trace a report was ordered in; null where it was ordered without one. */
export async function readTraceparent(store: Store, id: ReportId): Promise<string | null> {
  return store.redis.hget(store.keys.report(id), "traceparent");
}

export async function readReport(store: Store, id: ReportId): Promise<StoredReport | null> {
  const fields = await store.redis.hgetall(store.keys.report(id));
  if (fields["id"] === undefined) return null;
  requireKnownForm(`Report ${id}`, fields["v"]);
  return parseReport(fields);
}

/** In the order of the ids; what is gone meanwhile, or written by a newer release, is left out. */
export async function readReports(store: Store, ids: readonly ReportId[]): Promise<StoredReport[]> {
  if (ids.length === 0) return [];
  const pipeline = store.redis.pipeline();
  for (const id of ids) pipeline.hgetall(store.keys.report(id));
  return ((await pipeline.exec()) ?? []).flatMap(([error, row]) => {
    if (error) throw error;
    const fields = row as Record<string, string>;
    return fields["id"] === undefined || !isKnownForm(fields["v"]) ? [] : [parseReport(fields)];
  });
}

export async function readSections(
  store: Store,
  id: ReportId,
  plan: readonly PlannedSection[],
): Promise<Section[]> {
  const [sections = []] = await readSectionsOf(store, [{ id, plan }]);
  return sections;
}

/** The sections of many reports in one round trip. */
export async function readSectionsOf(
  store: Store,
  reports: readonly { id: ReportId; plan: readonly PlannedSection[] }[],
): Promise<Section[][]> {
  const pipeline = store.redis.pipeline();
  for (const { id, plan } of reports)
    for (const planned of plan) pipeline.hmget(store.keys.section(id, planned.key), ...SECTION_FIELDS);
  const replies = pipeline.length === 0 ? [] : ((await pipeline.exec()) ?? []);
  let next = 0;
  return reports.map(({ id, plan }) =>
    plan.map((planned) => {
      const [error, values] = replies[next++] as [Error | null, (string | null)[]];
      if (error) throw error;
      const fields: Record<string, string> = {};
      for (const [i, name] of SECTION_FIELDS.entries())
        if (typeof values[i] === "string") fields[name] = values[i];
      return parseSection(id, planned, fields);
    }),
  );
}

export type SourceRead = { ok: true; canonical: string } | { ok: false; because: string };

export async function readSource(store: Store, account: string, hash: string): Promise<SourceRead> {
  const packed = await store.redis.getBuffer(store.keys.source(account, hash));
  if (packed === null) return { ok: false, because: "the source is not in the store any more" };
  const unpacked = unpack(packed);
  return unpacked.ok
    ? { ok: true, canonical: unpacked.text }
    : { ok: false, because: `the stored source is damaged: ${unpacked.because}` };
}

/** Binds the plan to the report, once; a second planner adopts the first plan. */
export async function savePlan(
  store: Store,
  { id, run: runNumber }: Pick<Report, "id" | "run">,
  plan: readonly PlannedSection[],
): Promise<PlannedSection[] | null> {
  const { redis, keys } = store;
  const event: FleetEvent = { event: "report.planned", report: id, sections: plan.length };
  const [word, stored] = await run<[string, string]>(
    redis,
    PLAN,
    [keys.report(id), keys.events(id), keys.fleetEvents, keys.deliverBy],
    [JSON.stringify(plan), JSON.stringify(event), runNumber, id],
  );
  return word === "gone" ? null : (JSON.parse(stored) as PlannedSection[]);
}

export async function startRound(
  store: Store,
  report: Pick<Report, "id" | "type" | "run">,
  round: number,
  sections: readonly string[],
  wakeAfterMs: number,
  maxRunning: number | null = null,
): Promise<"started" | "superseded" | "postponed" | "capped"> {
  const { redis, keys } = store;
  const { id, type, run: runNumber } = report;
  const started: FleetEvent = { event: "run.started", report: id, run: runNumber, round, sections };
  const status: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "running",
    because: "its sections are being written",
  };
  const postponed: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "waiting_for_retry",
    because: `the report type ${type} is stopped until it is repaired`,
  };
  return run(
    redis,
    START_ROUND,
    [keys.report(id), keys.wakeups, keys.events(id), keys.fleetEvents],
    [
      runNumber,
      round,
      wakeAfterMs,
      id,
      JSON.stringify(started),
      JSON.stringify(status),
      JSON.stringify(postponed),
      maxRunning ?? "",
    ],
  );
}

/** The run ends, a person decides. Completed sections stay readable, the credits stay held. */
export async function parkReport(
  store: Store,
  stored: Pick<StoredReport, "report" | "decisions">,
  parking: {
    failure: FailureSummary;
    /** True where no section's case says it already: the report itself is what failed. */
    ofReport: boolean;
    /** After this without a decision the report fails and the credits go back. */
    deadlineMs: number;
    /** Of the code that came to this end, and whether it says something about the type. */
    version: number;
    ballot: readonly BallotPaper[];
    /** How often paid work may fail before a person looks at the account. */
    failureLimits: FailureLimits;
  },
): Promise<"parked" | "superseded" | "moved"> {
  const { redis, keys } = store;
  const { id, type, run: runNumber } = stored.report;
  const { failure } = parking;
  const ownCase = parking.ofReport ? { report: id, type, section: null, failure } : null;
  const event: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "needs_review",
    because: failure.message,
  };
  return run(
    redis,
    PARK,
    [keys.report(id), keys.wakeups, keys.events(id), keys.fleetEvents, keys.reviewDeadlines],
    [
      runNumber,
      id,
      JSON.stringify(failure),
      JSON.stringify(event),
      stored.decisions,
      parking.deadlineMs,
      openingArguments(store, ownCase)[0],
      ballotArgument({ report: id, section: "(report)", version: parking.version }, parking.ballot),
      limitsArgument(parking.failureLimits),
      JSON.stringify(caseNames(store, id)),
    ],
  );
}

export interface ReportFilter {
  account?: string | undefined;
  type?: string | undefined;
  status?: ReportStatus | undefined;
  limit: number;
  /** Goes on behind this one, wherever newer orders have moved it meanwhile; erased since, behind its time. */
  after?: Pick<Report, "id" | "createdAt"> | undefined;
}

/** Newest first. Reads the index that narrows most and filters the rest in pages, so memory stays bounded. */
export async function listReports(store: Store, filter: ReportFilter): Promise<StoredReport[]> {
  const { redis, keys } = store;
  const index =
    filter.account !== undefined
      ? keys.indexAccount(filter.account)
      : filter.type !== undefined
        ? keys.indexType(filter.type)
        : keys.indexAll;
  const found: StoredReport[] = [];
  const pageSize = 200;
  const first = filter.after === undefined ? 0 : await placeBehind(store, index, filter.after);
  for (let start = first; found.length < filter.limit; start += pageSize) {
    const ids = (await redis.zrevrange(index, start, start + pageSize - 1)) as ReportId[];
    if (ids.length === 0) break;
    const pipeline = redis.pipeline();
    for (const id of ids) pipeline.hgetall(keys.report(id));
    for (const [error, fields] of (await pipeline.exec()) ?? []) {
      if (error) throw error;
      const row = fields as Record<string, string>;
      if (row["id"] === undefined || !isKnownForm(row["v"])) continue;
      if (filter.account !== undefined && row["account"] !== filter.account) continue;
      if (filter.type !== undefined && row["type"] !== filter.type) continue;
      if (filter.status !== undefined && row["status"] !== filter.status) continue;
      found.push(parseReport(row));
      if (found.length === filter.limit) break;
    }
  }
  return found;
}

async function placeBehind(
  { redis }: Store,
  index: string,
  { id, createdAt }: Pick<Report, "id" | "createdAt">,
): Promise<number> {
  const rank = await redis.zrevrank(index, id);
  return rank === null ? redis.zcount(index, `(${createdAt}`, "+inf") : rank + 1;
}

function parseReport(fields: Record<string, string>): StoredReport {
  const number = (name: string) => Number(fields[name] ?? 0);
  const failure = fields["failure"] ? (JSON.parse(fields["failure"]) as FailureSummary) : null;
  const report: Report = {
    id: fields["id"] as ReportId,
    account: fields["account"] ?? "",
    type: fields["type"] ?? "",
    typeVersion: number("typeVersion"),
    sourceHash: fields["sourceHash"] ?? "",
    sourceBytes: number("sourceBytes"),
    credits: number("credits"),
    hold: (fields["hold"] ?? "requested") as HoldStatus,
    holdId: fields["holdId"] ?? "",
    charged: number("committed") - number("refunded"),
    budgetMicros: number("budgetMicros"),
    priority: (fields["priority"] ?? DEFAULT_PRIORITY) as Priority,
    turn: fields["turn"] === undefined ? turnOf(1, DEFAULT_PRIORITY) : number("turn"),
    deliverBy: fields["deliverBy"] === undefined ? null : number("deliverBy"),
    deadlineMissedAt: fields["deadlineMissedAt"] === undefined ? null : number("deadlineMissedAt"),
    tags: JSON.parse(fields["tags"] ?? "{}") as Record<string, string>,
    spend: {
      ...NO_SPEND,
      pending: number("spend.pending"),
      useful: number("spend.useful"),
      repaired: number("spend.repaired"),
      wasted: number("spend.wasted"),
      unknown: number("spend.unknown"),
    },
    run: number("run"),
    round: number("round"),
    createdAt: number("createdAt"),
    updatedAt: number("updatedAt"),
    ...reportState(fields, failure),
  };
  return {
    report,
    plan: fields["plan"] ? (JSON.parse(fields["plan"]) as PlannedSection[]) : null,
    halted: fields["halted"] ? (JSON.parse(fields["halted"]) as FailureSummary) : null,
    inFlightMicros: number("spend.in_flight"),
    cancelRequested: fields["cancel"] !== undefined,
    delivered: fields["deliveredAt"] === undefined ? null : deliveredOf(fields),
    decisions: number("decisions"),
    lastDecision:
      fields["decidedBy"] === undefined ? null : { by: fields["decidedBy"], why: fields["decidedWhy"] ?? "" },
  };
}

function reportState(fields: Record<string, string>, failure: FailureSummary | null): ReportState {
  const status = fields["status"] as ReportStatus;
  switch (status) {
    case "pending":
    case "running":
      return { status };
    case "waiting_for_retry":
      return fields["postponed"] === undefined ? { status } : { status, postponed: true };
    case "needs_review":
      if (failure === null) throw new Error(`Report ${fields["id"]} needs review but names no failure.`);
      return { status, failure };
    case "completed":
      return { status, ...deliveredOf(fields) };
    case "failed":
    case "cancelled":
      return { status, because: fields["because"] ?? "" };
  }
}

function deliveredOf(fields: Record<string, string>): Delivered {
  return {
    delivery: fields["delivery"] as Delivery,
    artefactHash: fields["artefactHash"] ?? "",
    deliveredAt: Number(fields["deliveredAt"]),
  };
}
