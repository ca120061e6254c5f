/** Paid calls, by the provider's own ledger: invariants 7 to 11. */
import type { Evidence, ReportEvidence } from "../evidence.ts";
import type { ProviderRow } from "../witnesses.ts";
import { groupBy, Inquiry, type Verdict } from "./inquiry.ts";

/** A request may be read by the provider this much after it left, on a busy machine. */
const ON_ITS_WAY_MS = 500;
/** Clocks of two processes of one machine, as the milliseconds are cut off. */
const CLOCK_MS = 50;

/** The question a request asks, as its prompt says: `section/call` of an order. */
export interface Question {
  order: number;
  section: string;
  call: string;
}

export function questionOf({ marker }: Pick<ProviderRow, "marker">): Question | null {
  const [, section, call, order] = marker?.split("/") ?? [];
  return section === undefined || call === undefined ? null : { order: Number(order), section, call };
}

export function reportsByOrder(reports: Evidence["reports"]): ReadonlyMap<number | null, ReportEvidence> {
  return new Map([...reports.values()].map((one) => [one.order, one]));
}

/**
 * When a request was let go: the script that writes it down asks everything that may forbid it. It may reach the provider much
 * later, from a process that was frozen between the two. One that is not on the books, which is for 8 to say, left when it arrived.
 */
export function begunAt(found: ReportEvidence | undefined, row: ProviderRow): number {
  const question = questionOf(row);
  const before = (found?.receipt.calls ?? []).filter(
    ({ section, call, askedAt }) =>
      section === question?.section && call === question.call && askedAt <= row.at + CLOCK_MS,
  );
  return before.length === 0 ? row.at : Math.max(...before.map(({ askedAt }) => askedAt));
}

/** Answers a fleet can use as they are; for any other it may have to ask again. */
const GOOD: readonly ProviderRow["outcome"][] = [
  "answered",
  "client_gone",
  "usage_missing",
  "usage_negative",
  "slow_drip",
  "huge",
];

/** 7. The first good answer to a take counts, and no other after it; what was delivered never changes. */
export function answersAreSetOnce({ reports, client }: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const [id, { events }] of reports) {
    const answers = events.flatMap(({ event }) =>
      event.event === "call.answered" && !event.duplicate ? [event] : [],
    );
    for (const [of, found] of groupBy(answers, takeOf))
      inquiry.must(found.length === 1, id, `${found.length} answers to ${of} were taken`);
    const accepted = events.flatMap(({ event }) => (event.event === "call.accepted" ? [event] : []));
    for (const [of, found] of groupBy(accepted, takeOf))
      inquiry.must(found.length === 1, id, `${of} was accepted ${found.length} times`);
  }
  for (const [report, read] of groupBy(
    client.flatMap((row) => (row.what === "read" ? [row] : [])),
    (row) => row.report,
  ))
    inquiry.must(
      new Set(read.map(({ hash }) => hash)).size === 1,
      report,
      "its document changed after it was delivered",
    );
  return inquiry.verdict();
}

function takeOf({ section, call, take }: { section: string; call: string; take: number }): string {
  return `${section}/${call}#${take}`;
}

/** 8. Every request that the provider saw is on the books, from before it left; and what it billed is covered by them. */
export function noSpendIsHidden({ reports, provider }: Evidence): Verdict {
  const inquiry = new Inquiry();
  const byOrder = reportsByOrder(reports);
  const asked = groupBy(
    provider.filter((row) => questionOf(row) !== null),
    ({ marker }) => marker ?? "",
  );
  for (const [marker, rows] of asked) {
    const question = questionOf(rows[0] as ProviderRow);
    const found = byOrder.get(question?.order ?? null);
    const lines = (found?.receipt.calls ?? [])
      .filter(({ section, call }) => section === question?.section && call === question.call)
      .map(({ askedAt }) => askedAt)
      .sort((a, b) => a - b);
    inquiry.must(
      lines.length >= rows.length,
      marker,
      `the provider saw ${rows.length} requests, ${lines.length} are on the books`,
    );
    for (const [index, { at }] of [...rows].sort((a, b) => a.at - b.at).entries())
      inquiry.must(
        (lines[index] ?? Number.POSITIVE_INFINITY) <= at + CLOCK_MS,
        marker,
        `request ${index + 1} left before it was written down`,
      );
  }
  for (const [order, rows] of groupBy(provider, (row) => questionOf(row)?.order ?? -1)) {
    const found = byOrder.get(order);
    const billed = rows.reduce((sum, row) => sum + (row.billed ? row.micros : 0), 0);
    const lines = found?.receipt.calls ?? [];
    const exact = lines.filter((line) => line.exact).reduce((sum, { micros }) => sum + micros, 0);
    const all = lines.reduce((sum, { micros }) => sum + micros, 0);
    inquiry.must(
      exact <= billed && billed <= all,
      `order ${order}`,
      `billed ${billed}; the books know ${exact} for sure and suspect ${all - exact} more`,
    );
  }
  return inquiry.verdict();
}

/** 9. What was paid twice was in flight on a process that a fault hit before the answer was in the store. */
export function duplicatesAreExplained(evidence: Evidence): Verdict {
  const inquiry = new Inquiry();
  for (const { question, found, rows } of paidQuestions(evidence)) {
    // What a frozen process had begun leaves when it wakes up; it was in flight all the time.
    const inOrder = rows.filter((row) => !wasAsleep(evidence, row)).sort((a, b) => a.at - b.at);
    const unexplained = inOrder.slice(0, -1).filter((row) => {
      const safeAt = answeredAfter(row.at, found, question);
      return !hitsOn(evidence, row.askedBy ?? "").some(
        ({ from, to }) => from <= safeAt && to >= row.at - ON_ITS_WAY_MS,
      );
    });
    inquiry.must(
      unexplained.length === 0,
      rows[0]?.marker ?? "",
      `paid ${rows.length} times; ${unexplained.map(({ askedBy, n }) => `${askedBy} had (request ${n})`).join(", ")}, and no fault hit it before the answer was in the store`,
    );
  }
  return inquiry.verdict();
}

/** How many good answers were paid for beyond the first to the same question. */
export function paidTwice(evidence: Evidence): number {
  return paidQuestions(evidence).reduce((sum, { rows }) => sum + rows.length - 1, 0);
}

/** Every question with a good answer that was billed, and all such answers to it; what was altered in the store is asked anew. */
function paidQuestions(
  evidence: Evidence,
): { question: Question; found: ReportEvidence; rows: ProviderRow[] }[] {
  const byOrder = reportsByOrder(evidence.reports);
  const good = evidence.provider.filter(
    (row) => row.billed && GOOD.includes(row.outcome) && row.marker !== null,
  );
  return [...groupBy(good, ({ marker }) => marker ?? "").values()].flatMap((rows) => {
    const question = questionOf(rows[0] as ProviderRow);
    const found = byOrder.get(question?.order ?? null);
    if (question === null || found === undefined || wasDamaged(evidence, found, question)) return [];
    return [{ question, found, rows }];
  });
}

/** 10. A question with a good answer in the store is not asked again: not after resume, review, retry or redeploy. */
export function nothingIsRegenerated(evidence: Evidence): Verdict {
  const inquiry = new Inquiry();
  const byOrder = reportsByOrder(evidence.reports);
  for (const [marker, rows] of groupBy(evidence.provider, (row) => row.marker ?? "")) {
    const question = questionOf(rows[0] as ProviderRow);
    const found = byOrder.get(question?.order ?? null);
    if (question === null || found === undefined || wasDamaged(evidence, found, question)) continue;
    const safeAt = acceptedAnswerAt(found, question);
    if (safeAt === null) continue;
    const late = rows.filter((row) => begunAt(found, row) > safeAt);
    inquiry.must(
      late.length === 0,
      marker,
      `its answer was in the store, and ${late.map(({ askedBy }) => askedBy).join(", ")} asked again`,
    );
  }
  return inquiry.verdict();
}

/** 11. Between two claims of a section only one process asks for it, without one nobody, and no claim begins while another stands. */
export function claimsAreFenced(evidence: Evidence): Verdict {
  const inquiry = new Inquiry();
  const asked = groupBy(evidence.provider, (row) => {
    const question = questionOf(row);
    return question === null ? "" : `${question.order}/${question.section}`;
  });
  for (const [id, { order, sections, events }] of evidence.reports) {
    for (const { key, fence } of sections) {
      const claims: number[] = [];
      let running = false;
      for (const { at, event } of events) {
        if (event.event === "call.begun" && event.section === key)
          inquiry.must(running, id, `${key}/${event.call} was asked for while nobody had a claim on ${key}`);
        if (event.event !== "section.status" || event.section !== key) continue;
        if (event.status === "running") {
          inquiry.must(!running, id, `${key} was claimed while another claim stood`);
          claims.push(at);
        }
        running = event.status === "running";
      }
      inquiry.must(
        fence >= claims.length,
        id,
        `${key} was claimed ${claims.length} times, and its fence is ${fence}`,
      );
      const rows = asked.get(`${order}/${key}`) ?? [];
      for (const [index, from] of claims.entries()) {
        const to = claims[index + 1] ?? Number.POSITIVE_INFINITY;
        // What an earlier writer had begun may be on its way still.
        const earlier = new Set(rows.filter(({ at }) => at <= from).map(({ askedBy }) => askedBy));
        const within = rows.filter(
          (row) =>
            row.at > from + (earlier.has(row.askedBy) ? ON_ITS_WAY_MS : 0) &&
            row.at < to &&
            !hadEnded(evidence, row) &&
            !wasAsleep(evidence, row),
        );
        const writers = new Set(within.map(({ askedBy }) => askedBy));
        inquiry.must(
          writers.size <= 1,
          id,
          `${[...writers].join(" and ")} both wrote ${key} under one claim`,
        );
      }
    }
  }
  return inquiry.verdict();
}

/** When the next answer was in the store; never, where none was. */
function answeredAfter(time: number, { events }: ReportEvidence, { section, call }: Question): number {
  const found = events.find(
    ({ at, event }) =>
      at >= time &&
      event.event === "call.answered" &&
      !event.duplicate &&
      event.section === section &&
      event.call === call,
  );
  return found?.at ?? Number.POSITIVE_INFINITY;
}

/** When the answer that was accepted in the end came into the store; null where none was. */
function acceptedAnswerAt({ events }: ReportEvidence, { section, call }: Question): number | null {
  const of = (name: "call.accepted" | "call.answered", take?: number) =>
    events.find(
      ({ event }) =>
        event.event === name &&
        event.section === section &&
        event.call === call &&
        (take === undefined || event.take === take) &&
        !(event.event === "call.answered" && event.duplicate),
    );
  const accepted = of("call.accepted")?.event;
  if (accepted?.event !== "call.accepted") return null;
  return of("call.answered", accepted.take)?.at ?? null;
}

/** Its stored answer was altered, so a person had it asked again. */
function wasDamaged({ faults }: Evidence, found: ReportEvidence, { section, call }: Question): boolean {
  return faults.some(
    ({ fault, hit, facts }) =>
      fault === "F15" &&
      hit &&
      facts["report"] === found.stored.report.id &&
      String(facts["field"]).startsWith(`${section}/${call}/`),
  );
}

/** Every fault that took a process off its work, or off the store. */
function hitsOn({ faults, processes }: Evidence, incarnation: string): { from: number; to: number }[] {
  const [slot] = incarnation.split(".");
  const ends = processes
    .filter((row) => row.process === incarnation && row.happened === "ended" && row.signal === "SIGKILL")
    .map(({ at }) => ({ from: at, to: at }));
  const hits = faults.filter(
    ({ fault, target }) =>
      (["F1", "F2", "F13", "F15"].includes(fault) && target === incarnation) ||
      (fault === "F6" && target === slot),
  );
  return [...ends, ...hits];
}

/** It had begun the call, and was frozen or blocked before the request left; once awake it begins nothing that is not its own. */
function wasAsleep({ faults }: Evidence, row: ProviderRow): boolean {
  return faults.some(
    ({ fault, target, from, to, facts }) =>
      ["F2", "F13"].includes(fault) &&
      target === row.askedBy &&
      row.at >= from &&
      row.at <= Number(facts["wokeAt"] ?? to) + ON_ITS_WAY_MS,
  );
}

/** Its process was gone when the provider read it. */
function hadEnded({ processes }: Evidence, row: ProviderRow): boolean {
  return processes.some(
    ({ process, happened, at }) => process === row.askedBy && happened === "ended" && at <= row.at,
  );
}
