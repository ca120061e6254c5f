/** How reports, sections, types and routes move: invariants 13, 15, 16 and 24. */
import type { ReportStatus, SectionStatus } from "../../../src/domain/report.ts";
import type { Evidence, ReportEvidence } from "../evidence.ts";
import { begunAt, questionOf, reportsByOrder } from "./calls.ts";
import { groupBy, Inquiry, type Verdict } from "./inquiry.ts";

const TOLERANCE_MS = 50;

const REPORT_MOVES: Readonly<Record<ReportStatus, readonly ReportStatus[]>> = {
  pending: ["running", "waiting_for_retry", "needs_review", "cancelled", "failed", "completed"],
  running: ["waiting_for_retry", "needs_review", "completed", "cancelled", "failed"],
  waiting_for_retry: ["running", "needs_review", "completed", "cancelled", "failed"],
  needs_review: ["running", "waiting_for_retry", "completed", "cancelled", "failed"],
  completed: [],
  failed: [],
  cancelled: [],
};

const SECTION_MOVES: Readonly<Record<SectionStatus, readonly SectionStatus[]>> = {
  // Not claimed at all where Redis has no room for what it would write.
  pending: ["running", "waiting_for_retry", "skipped", "needs_review"],
  running: ["pending", "waiting_for_retry", "completed", "needs_review"],
  waiting_for_retry: ["running", "pending", "skipped"],
  // By a person's decision only.
  needs_review: ["pending", "completed", "skipped", "running"],
  completed: [],
  failed: [],
  skipped: [],
};

/** 13. Only the listed transitions; what has ended stays as it is. */
export function onlyListedMoves({ reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const [id, { stored, sections, events }] of reports) {
    let status: ReportStatus = "pending";
    const of = new Map<string, SectionStatus>();
    for (const { event } of events) {
      if (event.event === "report.status") {
        inquiry.must(
          event.status === status || REPORT_MOVES[status].includes(event.status),
          id,
          `${status} and then ${event.status}`,
        );
        status = event.status;
      }
      if (event.event === "section.status") {
        const before = of.get(event.section) ?? "pending";
        inquiry.must(
          event.status === before || SECTION_MOVES[before].includes(event.status),
          id,
          `${event.section} was ${before} and then ${event.status}`,
        );
        of.set(event.section, event.status);
      }
    }
    inquiry.must(
      stored.report.status === status,
      id,
      `it is ${stored.report.status}, and its last event says ${status}`,
    );
    for (const section of sections)
      inquiry.must(
        !["completed", "needs_review"].includes(section.status) || of.get(section.key) === section.status,
        id,
        `${section.key} is ${section.status}, and its last event says ${of.get(section.key) ?? "nothing"}`,
      );
  }
  return inquiry.verdict();
}

/** 15. A type stops at its threshold and not before; stopped, it is asked nothing; on trial, only its canaries are. */
export function breakersHold({ breakers, provider, reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const byOrder = reportsByOrder(reports);
  for (const [type, turns] of Object.entries(breakers)) {
    const requests = provider
      .filter(({ marker }) => marker?.startsWith(`${type}/`) === true)
      .map((row) => {
        const order = questionOf(row)?.order ?? -1;
        return { marker: row.marker, order, at: begunAt(byOrder.get(order), row) };
      });
    for (const [index, turn] of turns.entries()) {
      const until = turns[index + 1]?.at ?? Number.POSITIVE_INFINITY;
      const within = requests.filter(({ at }) => at > turn.at && at < until);
      if (turn.to === "open") {
        const voters = new Set(turn.votes.map(({ report, section }) => `${report}/${section}`));
        inquiry.must(
          turn.cause !== "votes" || voters.size >= THRESHOLD,
          type,
          `it stopped after ${voters.size} votes`,
        );
        const kinds = turn.votes.map(({ failure }) => failure.kind);
        inquiry.must(
          kinds.every((kind) => kind === "contract" || kind === "workflow"),
          type,
          `${kinds.join(", ")} failures voted`,
        );
        inquiry.must(
          within.length === 0,
          type,
          `it was stopped, and was asked ${within.map(({ marker }) => marker).join(", ")}`,
        );
      }
      if (turn.to === "half_open") {
        const most = mostCanaries(within, byOrder);
        const told = most.map(({ order, from }) => `${order} (${from - turn.at} ms after it began)`);
        inquiry.must(most.length <= PROBES, type, `on trial, orders ${told.join(", ")} were written`);
      }
    }
  }
  return inquiry.verdict();
}

/** The most orders that had a canary's place at once; one that stops for a person or ends undelivered gives it up. */
function mostCanaries(
  requests: readonly { order: number; at: number }[],
  byOrder: ReadonlyMap<number | null, ReportEvidence>,
): { order: number; from: number }[] {
  const placeFrom = new Map<number, number>();
  let most = [...placeFrom];
  for (const { order, at } of requests.toSorted((a, b) => a.at - b.at)) {
    for (const [other, from] of placeFrom)
      if (gaveUpPlace(byOrder.get(other), from, at)) placeFrom.delete(other);
    if (!placeFrom.has(order)) placeFrom.set(order, at);
    if (placeFrom.size > most.length) most = [...placeFrom];
  }
  return most.map(([order, from]) => ({ order, from }));
}

function gaveUpPlace(found: ReportEvidence | undefined, from: number, by: number): boolean {
  return (found?.events ?? []).some(
    ({ at, event }) =>
      at >= from &&
      at <= by &&
      event.event === "report.status" &&
      ["needs_review", "failed", "cancelled"].includes(event.status),
  );
}

/** As the brittle type has it. */
const THRESHOLD = 3;
const PROBES = 1;

/**
 * 16. Told to come back later, the fleet does: once the wait is on the books no process begins a request before it is over.
 * A request that was on the books earlier may be on its way still.
 */
export function waitsAreObeyed({ provider, plan, reports, client }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const byOrder = reportsByOrder(reports);
  for (const row of provider) {
    const told = row.outcome === "rate_limit" ? plan.told[row.marker ?? ""] : undefined;
    if (told === undefined) continue;
    const { section, call, order } = questionOf(row) ?? {};
    const heard = byOrder
      .get(order ?? null)
      ?.events.find(
        ({ at, event }) =>
          at >= row.bookedAt &&
          event.event === "call.unanswered" &&
          event.section === section &&
          event.call === call,
      );
    const over = row.bookedAt + told - TOLERANCE_MS;
    // A person who opens the route meanwhile ends the wait.
    const opened = client.some(({ what, at }) => what === "opened" && heard && at >= heard.at && at <= over);
    if (heard === undefined || opened) continue;
    const early = provider.filter(
      (other) =>
        other.model === row.model &&
        other.at < over &&
        begunAt(byOrder.get(questionOf(other)?.order ?? null), other) > heard.at,
    );
    inquiry.must(
      early.length === 0,
      `request ${row.n}`,
      `told to wait ${told} ms, and ${early.length} requests were begun before`,
    );
  }
  return inquiry.verdict();
}

/** 24. A section is written by code at least as new as its report; a deploy fails nobody. */
export function versionsRise({ reports }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const [id, { stored, versions, sections }] of reports)
    for (const { key } of sections.filter(({ status }) => status === "completed"))
      inquiry.must(
        (versions[key] ?? 0) >= stored.report.typeVersion,
        id,
        `${key} of version ${stored.report.typeVersion} was written by version ${versions[key]}`,
      );
  const byVersion = groupBy(reports.values(), ({ stored }) => stored.report.typeVersion);
  for (const [version, found] of byVersion)
    inquiry.must(
      found.some(({ stored }) => stored.report.status === "completed") || found.length < 5,
      `version ${version}`,
      "none of its reports was delivered",
    );
  return inquiry.verdict();
}
