/** A report as the command line and the HTTP API show it: field names that programs rely on. See docs/cli.md. */
import { totalSpend } from "../domain/failure.ts";
import { FleetError } from "../domain/fleet-error.ts";
import type { EpochMs, ReportId } from "../domain/ids.ts";
import { estimateReady, type Eta } from "../domain/eta.ts";
import { mayRetry } from "../domain/may-retry.ts";
import { isFinished, progressPercent, type Report, type Section } from "../domain/report.ts";
import { doneOf, statusSentence } from "../domain/status-sentence.ts";
import { redisNow, type Store } from "../store/redis.ts";
import { readDurations } from "../store/read-sections.ts";
import { readReport, readSections, type StoredReport } from "../store/reports.ts";

export interface Snapshot {
  stored: StoredReport;
  sections: Section[];
  /** By the clock of Redis. */
  now: EpochMs;
  /** How long it will take, where enough earlier runs tell. */
  eta: Eta | null;
}

export async function readSnapshot(store: Store, id: ReportId): Promise<Snapshot> {
  const stored = await readReport(store, id);
  if (stored === null) {
    throw new FleetError(
      "not_found",
      `There is no report ${id} in fleet "${store.fleet}". \`report-fleet ls\` lists what there is.`,
    );
  }
  return snapshotOf(store, stored);
}

export async function snapshotOf(store: Store, stored: StoredReport): Promise<Snapshot> {
  const sections = await readSections(store, stored.report.id, stored.plan ?? []);
  const runs = await readDurations(
    store,
    stored.report.type,
    sections.map(({ key }) => key),
  );
  const eta = isFinished(stored.report.status) ? null : estimateReady(sections, runs);
  return { stored, sections, eta, now: await redisNow(store) };
}

export function sentenceOf({ stored, sections, now }: Snapshot): string {
  return statusSentence(stored.report, sections, now);
}

/** What `ls` lists and `submit` prints; `status` adds to it. */
export function reportRow(snapshot: Snapshot) {
  const { report } = snapshot.stored;
  return {
    id: report.id,
    type: report.type,
    typeVersion: report.typeVersion,
    account: report.account,
    status: report.status,
    statusText: sentenceOf(snapshot),
    progress: {
      percent: progressPercent(report, snapshot.sections),
      done: doneOf(snapshot.sections),
      total: snapshot.sections.length,
    },
    eta: snapshot.eta,
    mayRetry: mayRetry(report).mayRetry,
    why: mayRetry(report).why,
    credits: { amount: report.credits, state: report.hold },
    spend: { ...report.spend, totalMicros: totalSpend(report.spend) },
    failure: failureOf(report),
    priority: report.priority,
    deliverBy: report.deliverBy,
    deadlineMissedAt: report.deadlineMissedAt,
    tags: report.tags,
    createdAt: report.createdAt,
    updatedAt: report.updatedAt,
    run: report.run,
  };
}

export type ReportRow = ReturnType<typeof reportRow>;

export function reportView(snapshot: Snapshot) {
  const { report, delivered } = snapshot.stored;
  return {
    ...reportRow(snapshot),
    delivery: delivered?.delivery ?? null,
    artefactHash: delivered?.artefactHash ?? null,
    deliveredAt: delivered?.deliveredAt ?? null,
    budgetMicros: report.budgetMicros,
    source: { hash: report.sourceHash, bytes: report.sourceBytes },
    sections: snapshot.sections.map(sectionView),
  };
}

export type SectionView = ReturnType<typeof sectionView>;

function sectionView(section: Section) {
  return {
    key: section.key,
    title: section.title,
    status: section.status,
    weight: section.weight,
    after: section.after,
    attempts: section.attempts,
    failure: "failure" in section ? section.failure : null,
    because: "because" in section ? section.because : null,
    retryAt: section.status === "waiting_for_retry" ? section.retryAt : null,
    unreviewed: section.status === "completed" ? section.unreviewed : null,
    edited: section.status === "completed" ? section.edited : null,
  };
}

/** Which sections a person wrote, who and why; a receipt says so. */
export function editsOf(sections: readonly Section[]): { section: string; by: string; why: string }[] {
  return sections.flatMap((section) =>
    section.status === "completed" && section.edited !== null
      ? [{ section: section.key, ...section.edited }]
      : [],
  );
}

function failureOf(report: Report) {
  if (report.status === "needs_review") return report.failure;
  if (report.status === "failed" || report.status === "cancelled") return { message: report.because };
  return null;
}
