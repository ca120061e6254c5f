/**
 * Reports as they are stored, read one by one, many at a time, or listed. What moves one lies in `admit.ts`,
 * `report-transitions.ts`, `sections.ts` (it follows its sections), `deliver.ts` and `end-report.ts`.
 */
import { NO_SPEND } from "../domain/failure.ts";
import { DEFAULT_PRIORITY, turnOf, type Priority } from "../domain/fairness.ts";
import type { ReportId } from "../domain/ids.ts";
import {
  PLANNING,
  type Delivered,
  type Delivery,
  type FailureSummary,
  type PlannedSection,
  type Report,
  type ReportState,
  type ReportStatus,
  type Section,
} from "../domain/report.ts";
import type { Decision } from "../domain/review.ts";
import type { HoldStatus } from "../domain/credits.ts";
import { unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { isKnownForm, requireKnownForm } from "./version.ts";
import { parseSection, SECTION_FIELDS } from "./read-sections.ts";

/** A report as stored, with what its own record says of the plan and of a halt. */
export interface StoredReport {
  report: Report;
  plan: PlannedSection[] | null;
  /** Keys of the sections that have, or may have, a record of their own: of this plan, of those it replaced, and planning itself. */
  sectionKeys: string[];
  /** Set once a section halts the report: siblings stop before their next call. */
  halted: FailureSummary | null;
  /** Micro-USD set aside for requests that are in flight. */
  inFlightMicros: number;
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
  const plan = fields["plan"] ? (JSON.parse(fields["plan"]) as PlannedSection[]) : null;
  const earlier = (fields["earlierSections"] ?? "").split(" ").filter((key) => key !== "");
  return {
    report,
    plan,
    sectionKeys: [...new Set([PLANNING.key, ...(plan ?? []).map(({ key }) => key), ...earlier])],
    halted: fields["halted"] ? (JSON.parse(fields["halted"]) as FailureSummary) : null,
    inFlightMicros: number("spend.in_flight"),
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
