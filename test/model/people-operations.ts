/** What people decide: about parked sections, corrected data, the missing rest, and the breaker of the type. */
import * as fc from "fast-check";
import type { BreakerState } from "../../src/domain/breaker.ts";
import { REPORT_STATUSES, type SectionStatus } from "../../src/domain/report.ts";
import { PERMISSIONS, type Action } from "../../src/domain/review.ts";
import { announceType, turnBreaker } from "../../src/store/breakers.ts";
import { completeReport } from "../../src/store/complete-report.ts";
import { decideSections, replaceSource, type Decided, type SectionEffect } from "../../src/store/resume.ts";
import { command, type Operation } from "./operation.ts";
import { viewOf } from "./section-operations.ts";
import { placeInLine, see } from "./twin-breaker.ts";
import { closeCases } from "./twin-cases.ts";
import { reserve } from "./twin-money.ts";
import { moveSection, sectionOf, startAfresh } from "./twin-sections.ts";
import {
  accountOf,
  BREAKER,
  holdId,
  pick,
  SECTIONS,
  TYPE,
  type Case,
  type Report,
  type View,
} from "./twin.ts";

const WAKE_MS = 60_000;
const BY = { by: "ada", why: "a test" };

type Deciding = "resume" | "accept_edited" | "skip_section" | "deliver_partial";

const BECOMES = {
  resume: "pending",
  accept_edited: "completed",
  skip_section: "skipped",
  deliver_partial: "skipped",
} as const satisfies Record<Deciding, SectionStatus>;

const EDITED = '"written by hand"';

function statusesFor(action: Action) {
  return REPORT_STATUSES.filter((status) => PERMISSIONS[action][status].allowed);
}

function wordOf(decided: Decided): string {
  return decided.outcome === "done" ? `done ${decided.run}` : decided.outcome;
}

/** About one case, or about all that is missing where there is none. */
export function deciding(
  report: Report,
  one: Case | null,
  action: Deciding,
  version: number,
  operation: string,
): Operation {
  const { id } = report;
  const to = BECOMES[action];
  const sections = one === null ? missing(report) : one.section === null ? [] : [one.section];
  const callKey = one?.callKey ?? null;
  const effect: SectionEffect =
    to === "pending"
      ? { to, callKey, nextTake: true, pinnedCase: null }
      : to === "completed"
        ? { to, output: EDITED, outputHash: EDITED, edited: BY }
        : { to };
  const statuses = statusesFor(action);
  return {
    name: "decide",
    says: `${action} on ${one === null ? id.slice(-1) : one.id.slice(3).replace(/^0+/, "")}, seen at version ${version}`,
    twin() {
      if (one !== null && !one.open)
        return { reply: one.operation === operation ? `done ${report.run}` : "resolved", done: false };
      if (version !== (one === null ? report.decisions : one.version)) return { reply: "stale", done: false };
      if (!statuses.includes(report.status)) return { reply: "refused", done: false };
      const own = one?.section ?? null;
      if (own !== null && sectionOf(report, own).status !== "needs_review")
        return { reply: "stale", done: false };

      const affected = new Set<string>();
      for (const key of sections) {
        const section = sectionOf(report, key);
        if (section.status === "completed" || section.status === to) continue;
        affected.add(key);
        startAfresh(section);
        section.claim = "";
        section.fence += 1;
        if (to === "completed") section.output = EDITED;
        moveSection(report, section, to);
      }
      if (effect.to === "pending" && callKey !== null) {
        const take = report.takes.get(callKey);
        if (take?.state === "rejected") report.marks.set(callKey, take.n + 1);
      }
      const begins = report.status === "needs_review";
      closeCases(
        report,
        (other) =>
          other === one ||
          (other.section !== null && affected.has(other.section)) ||
          (other.section === null && begins),
        action,
        operation,
      );
      report.operation = operation;
      goOn(report, begins);
      return { reply: `done ${report.run}`, done: true };
    },
    send: async (store) =>
      wordOf(
        await decideSections(
          store,
          {
            report: { id, type: TYPE },
            action,
            ...BY,
            caseId: one?.id ?? null,
            version,
            operation,
            statuses,
            sections,
            effect,
          },
          WAKE_MS,
        ),
      ),
    lasting: true,
  };
}

function missing(report: Report): string[] {
  return SECTIONS.filter((key) => {
    const status = report.sections.get(key)?.status;
    return status !== "completed" && status !== "skipped";
  });
}

/** A decision ends the review: the next run, or a further round of the one that still runs. */
function goOn(report: Report, begins: boolean): void {
  report.decisions += 1;
  if (begins) {
    report.run += 1;
    report.round = 0;
    report.status = "running";
    report.deadline = false;
    placeInLine(report);
  }
  // Within a run the halt of a section that is still parked stays.
  report.halted = !begins && report.cases.some(({ open, halts, run }) => open && halts && run === report.run);
  report.wake = true;
  report.outbox = true;
}

function correcting(
  report: Report,
  view: View,
  source: string,
  again: string[],
  operation: string,
): Operation {
  const { id, account } = report;
  const version = view.decisions;
  const statuses = statusesFor("correct_source");
  const plan = report.planned ? "seen" : "none";
  return {
    name: "correct",
    says: `correct ${id.slice(-1)} to ${source}, ${again.join(" and ") || "nothing"} again`,
    twin() {
      if (report.operation === operation) return { reply: `done ${report.run}`, done: false };
      if (version !== report.decisions) return { reply: "stale", done: false };
      if (!statuses.includes(report.status)) return { reply: "refused", done: false };
      report.source = source;
      report.operation = operation;
      for (const key of again) {
        const section = sectionOf(report, key);
        // Whoever writes it now lets go of it by itself, because its run is over.
        if (section.status !== "running" || section.claim === "") {
          section.claim = "";
          section.fence += 1;
          moveSection(report, section, "pending");
        }
        startAfresh(section);
        section.output = null;
      }
      closeCases(report, () => true, "correct_source", operation);
      report.deadline = false;
      goOn(report, true);
      return { reply: `done ${report.run}`, done: true };
    },
    send: async (store) =>
      wordOf(
        await replaceSource(
          store,
          {
            report: { id, type: TYPE, account },
            version,
            operation,
            statuses,
            ...BY,
            source: { canonical: "{}", hash: source, bytes: 2 },
            sections: again,
            plan,
          },
          WAKE_MS,
        ),
      ),
    lasting: true,
  };
}

function completing(report: Report, view: View): Operation {
  const { id, account } = report;
  const read = { id, account, type: TYPE, holdId: holdId(report, view.hold), run: view.run };
  return {
    name: "complete",
    says: `complete ${id.slice(-1)} as seen in run ${view.run}`,
    twin(twin) {
      const rest = report.credits - report.committed;
      if (report.hold === view.hold + 1) return { reply: `begun ${report.run} ${rest}`, done: false };
      const isPartial = report.status === "completed" && report.delivery === "partial";
      if (!isPartial || report.hold !== view.hold || report.run !== view.run)
        return { reply: "not_partial", done: false };
      if (accountOf(twin, account).available < rest) return { reply: "insufficient_credits", done: false };
      report.hold += 1;
      reserve(twin, report, rest);
      for (const key of SECTIONS) {
        const section = sectionOf(report, key);
        if (section.status === "completed") continue;
        Object.assign(section, { status: "pending", claim: "" });
        section.fence += 1;
        startAfresh(section);
      }
      for (const [callKey, { n, state }] of report.takes)
        if (state === "rejected") report.marks.set(callKey, n + 1);
      report.run += 1;
      report.round = 0;
      report.decisions += 1;
      report.status = "running";
      Object.assign(report, { halted: false, wake: true, outbox: true });
      return { reply: `begun ${report.run} ${rest}`, done: true };
    },
    async send(store) {
      const answered = await completeReport(store, read, SECTIONS, BY, WAKE_MS);
      return answered.outcome === "begun" ? `begun ${answered.run} ${answered.credits}` : answered.outcome;
    },
    lasting: true,
  };
}

export function turning(to: BreakerState): Operation {
  const saw = { open: "opened", closed: "closed", half_open: "trial" } as const;
  return {
    name: "turn",
    says: `a person turns the breaker ${to}`,
    twin(twin) {
      const before = twin.breaker;
      see(twin, { saw: saw[to], by: "ada", reason: "a test" });
      const turned = twin.breaker !== before;
      return { reply: turned ? "turned" : "already", done: turned };
    },
    again: () => "already",
    send: (store) => turnBreaker(store, TYPE, { to, by: "ada", reason: "a test" }),
    lasting: false,
  };
}

export function announcing(version: number): Operation {
  const { leaseMs, ...breaker } = BREAKER;
  return {
    name: "announce",
    says: `version ${version} of the type starts`,
    twin(twin) {
      const isNew = version > twin.breaker.version;
      see(twin, { saw: "version", version });
      return { reply: "", done: isNew };
    },
    send: async (store) => {
      await announceType(store, { type: TYPE, version, breaker }, leaseMs);
      return "";
    },
    lasting: true,
  };
}

const ofReport = fc.nat({ max: 2 });
const back = fc.constantFrom(0, 0, 0, 0, 1, 2);

export const peopleCommands = {
  decide: command(
    fc.record({
      report: ofReport,
      nth: fc.nat({ max: 3 }),
      action: fc.constantFrom<Deciding>(
        "resume",
        "resume",
        "accept_edited",
        "skip_section",
        "deliver_partial",
      ),
      stale: fc.constantFrom(0, 0, 0, 0, 1),
    }),
    ({ report: of, nth, action, stale }, twin) => {
      const report = pick(twin.reports, of);
      if (report === undefined) return null;
      const operation = `decision ${report.decisions} ${nth} ${action} ${stale} ${report.cases.length}`;
      if (action === "deliver_partial")
        return deciding(report, null, action, report.decisions - stale, operation);
      const one = pick(report.cases.toReversed(), nth);
      if (one === undefined || (one.section === null && action !== "resume")) return null;
      return deciding(report, one, action, one.version - stale, operation);
    },
  ),
  correct: command(
    fc.record({
      report: ofReport,
      back,
      source: fc.constantFrom("s1", "s2", "s3"),
      again: fc.subarray([...SECTIONS]),
    }),
    ({ report: of, back: age, source, again }, twin) => {
      const report = pick(twin.reports, of);
      if (report === undefined) return null;
      // What is not written yet is written from the new data in any case.
      const sections = SECTIONS.filter(
        (key) => again.includes(key) || report.sections.get(key)?.status !== "completed",
      );
      const view = viewOf(report, age);
      return correcting(
        report,
        view,
        source,
        sections,
        `correction ${view.decisions} ${source} ${sections.join()}`,
      );
    },
  ),
  complete: command(fc.record({ report: ofReport, back }), ({ report: of, back: age }, twin) => {
    const report = pick(twin.reports, of);
    return report === undefined || !report.planned ? null : completing(report, viewOf(report, age));
  }),
  turn: command(fc.constantFrom<BreakerState>("open", "closed", "closed", "half_open"), (to) => turning(to)),
  announce: command(fc.constant(null), () => announcing(2)),
};
