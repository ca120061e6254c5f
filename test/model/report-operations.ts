/** What the orchestrator does with reports: plan, begin rounds, park, deliver; and how they end without a delivery. */
import * as fc from "fast-check";
import type { VoteWeight } from "../../src/domain/breaker.ts";
import { DEFAULT_FAILURE_LIMITS } from "../../src/domain/credits.ts";
import type { PlannedSection } from "../../src/domain/report.ts";
import { settleProbe } from "../../src/store/breakers.ts";
import { deliver, saveArtefact, type Artefact, type DeliveryTerms } from "../../src/store/deliver.ts";
import { endReport } from "../../src/store/end-report.ts";
import { parkReport, savePlan, startRound } from "../../src/store/report-transitions.ts";
import { command, type Operation } from "./operation.ts";
import { viewOf } from "./section-operations.ts";
import { askBreaker, ballotOf, castBallot, leaveLines, leavePlaces, see } from "./twin-breaker.ts";
import { closeCases, openCase, recountCases } from "./twin-cases.ts";
import { closeBooks, endHold } from "./twin-money.ts";
import { found, holdId, isOver, pick, SECTIONS, TYPE, type Report, type Twin, type View } from "./twin.ts";
import { A_FAILURE } from "../support/store-for-tests.ts";

const WAKE_MS = 60_000;
const HASH = "a".repeat(64);
const BY = { by: "ada", why: "a test" };

const PLAN: PlannedSection[] = SECTIONS.map((key) => ({
  key,
  title: key,
  weight: 1,
  after: [],
  template: key,
  params: null,
}));

/** The parts of a report that its scripts are given by whoever has read it. */
function asRead(report: Report, view: View) {
  const { id, account, credits } = report;
  return { id, account, type: TYPE, run: view.run, holdId: holdId(report, view.hold), credits } as never;
}

export function planning(report: Report, view: View): Operation {
  return {
    name: "plan",
    says: `plan ${report.id.slice(-1)}`,
    twin() {
      if (view.run !== report.run) return { reply: "gone", done: false };
      report.planned = true;
      return { reply: "planned", done: true };
    },
    send: async (store) =>
      (await savePlan(store, asRead(report, view), PLAN)) === null ? "gone" : "planned",
    lasting: true,
  };
}

export function beginningRound(report: Report, view: View, maxRunning: number | null): Operation {
  const round = view.round + 1;
  return {
    name: "round",
    says: `round ${round} of run ${view.run} of ${report.id.slice(-1)}`,
    twin(twin) {
      const isOpen = ["pending", "running", "waiting_for_retry"].includes(report.status);
      if (view.run !== report.run || !isOpen) return { reply: "superseded", done: false };
      if (report.round === round) return { reply: "started", done: false };
      if (report.round + 1 !== round) return { reply: "superseded", done: false };
      if (askBreaker(twin, report, null) === "open") {
        twin.postponed.add(report.id);
        report.status = "waiting_for_retry";
        report.wake = true;
        leavePlaces(report);
        return { reply: "postponed", done: false };
      }
      const others = twin.reports.filter((other) => other.account === report.account && other.running).length;
      report.wake = true;
      twin.postponed.delete(report.id);
      if (maxRunning !== null && !report.running && others >= maxRunning) {
        report.waiting = true;
        report.capped = true;
        return { reply: "capped", done: false };
      }
      leavePlaces(report);
      report.running = true;
      report.status = "running";
      report.round = round;
      return { reply: "started", done: true };
    },
    send: (store) => startRound(store, asRead(report, view), round, SECTIONS, WAKE_MS, maxRunning),
    lasting: true,
  };
}

function parking(report: Report, view: View, sections: string[] | null, weight: VoteWeight): Operation {
  const ballot = sections === null ? ballotOf(weight) : [];
  const { id } = report;
  const read = { report: asRead(report, view), decisions: view.decisions };
  const limits = { ...DEFAULT_FAILURE_LIMITS, runsOfReport: 1_000, failedReports: 1_000 };
  return {
    name: "park",
    says: `park ${id.slice(-1)} in run ${view.run}${sections === null ? ` itself, ${weight}` : ` for ${sections.join(", ")}`}`,
    twin(twin) {
      if (report.status === "needs_review" && report.run === view.run)
        return { reply: "parked", done: false };
      const isOpen = ["pending", "running", "waiting_for_retry"].includes(report.status);
      if (report.run !== view.run || !isOpen) return { reply: "superseded", done: false };
      if (report.decisions !== view.decisions) return { reply: "moved", done: false };
      if (sections?.some((key) => report.sections.get(key)?.status !== "needs_review"))
        return { reply: "moved", done: false };
      report.status = "needs_review";
      report.wake = false;
      report.deadline = true;
      leaveLines(twin, report);
      if (sections === null) openCase(twin, report, null);
      recountCases(report);
      castBallot(twin, report, "(report)", 1, ballot, false);
      return { reply: "parked", done: true };
    },
    send: (store) =>
      parkReport(store, read, {
        failure: A_FAILURE,
        sections,
        deadlineMs: WAKE_MS,
        version: 1,
        ballot,
        failureLimits: limits,
      }),
    lasting: true,
  };
}

export function delivering(report: Report, view: View, terms: DeliveryTerms, document: boolean): Operation {
  const { id, account } = report;
  const read = asRead(report, view);
  const worth = terms.delivery === "full" ? null : terms.commitCredits;
  return {
    name: "deliver",
    says: `deliver ${id.slice(-1)} ${worth === null ? "whole" : `in part for ${worth}`}${document ? "" : ", without its document"}`,
    twin(twin) {
      const isOpen =
        report.status === "running" ||
        report.status === "waiting_for_retry" ||
        (report.status === "needs_review" && terms.delivery === "partial");
      report.document ||= document;
      if (report.status === "completed") return { reply: "delivered", done: false };
      if (report.run !== view.run || report.hold !== view.hold || !isOpen)
        return { reply: "superseded", done: false };
      if (!report.document) return { reply: "no_artefact", done: false };
      const hold = found(twin.holds.get(holdId(report)));
      // What an earlier delivery in part has committed is not charged again.
      const commit = worth === null ? hold.credits : Math.max(0, worth - report.committed);
      if (commit > hold.credits) return { reply: "exceeds_hold", done: false };
      const isThere = ({ key, outputHash }: (typeof terms.sections)[number]) =>
        report.sections.get(key)?.status === "completed" && report.sections.get(key)?.output === outputHash;
      if (!terms.sections.every(isThere)) return { reply: "sections_changed", done: false };
      closeBooks(report, new Set(terms.sections.map(({ key }) => key)));
      report.status = "completed";
      report.delivery = terms.delivery;
      report.committed += commit;
      report.wake = false;
      leaveLines(twin, report);
      endHold(twin, report, commit, true);
      closeCases(report, () => true, "ended", "");
      report.deadline = false;
      return { reply: "delivered", done: true };
    },
    async send(store) {
      if (document) await saveArtefact(store, documentOf(report.id, account), HASH);
      return deliver(store, read, HASH, terms);
    },
    lasting: true,
  };
}

function documentOf(report: Artefact["report"], title: string): Artefact {
  const receipt = { credits: 0, typeVersion: 1, sourceHash: "", spentMicros: 0 };
  return { v: 1, report, type: TYPE, title, markdown: "", sections: [], receipt };
}

function ending(report: Report, view: View, status: "failed" | "cancelled"): Operation {
  const read = asRead(report, view);
  return {
    name: "end",
    says: `${status === "failed" ? "reject" : "cancel"} ${report.id.slice(-1)} as seen in run ${view.run}`,
    twin(twin) {
      if (isOver(report)) return { reply: `ended_before ${report.status}`, done: false };
      if (report.run !== view.run || report.hold !== view.hold) return { reply: "superseded", done: false };
      endHold(twin, report, 0, false);
      closeBooks(report, null);
      // What was delivered in part before stays delivered.
      report.status = report.delivery === null ? status : "completed";
      Object.assign(report, { wake: false, outbox: false, deadline: false });
      leaveLines(twin, report);
      closeCases(report, () => true, "ended", "");
      return { reply: `ended ${report.status}`, done: true };
    },
    again: (reply) => reply.replace("ended ", "ended_before "),
    async send(store) {
      const ended = await endReport(store, read, { status, because: BY.why, by: BY.by });
      return "status" in ended ? `${ended.outcome} ${ended.status}` : ended.outcome;
    },
    lasting: true,
  };
}

/** Whether a canary has shown what it should; asked by anybody, as often as they like. */
function settlingProbe(report: Report): Operation {
  return {
    name: "probe",
    says: `settle the probe of ${report.id.slice(-1)}`,
    twin(twin) {
      const { breaker } = twin;
      const isProbe =
        breaker.state === "half_open" && breaker.probes.some((probe) => probe.report === report.id);
      if (!isProbe || ["pending", "running", "waiting_for_retry"].includes(report.status))
        return { reply: "", done: false };
      if (report.status === "completed") see(twin, { saw: "delivered", report: report.id });
      // A canary that a person has to look at shows nothing; another one goes.
      else
        twin.breaker = { ...breaker, probes: breaker.probes.filter((probe) => probe.report !== report.id) };
      return { reply: "", done: true };
    },
    send: async (store) => {
      await settleProbe(store, TYPE, report.id);
      return "";
    },
    lasting: false,
  };
}

const seen = { report: fc.nat({ max: 2 }), age: fc.constantFrom(0, 0, 0, 0, 1, 2) };

function onReport<Draw extends { report: number; age: number }>(
  draw: fc.Arbitrary<Draw>,
  choose: (report: Report, view: View, draw: Draw, twin: Twin) => Operation | null,
) {
  return command(draw, (drawn, twin) => {
    const report = pick(twin.reports, drawn.report);
    return report === undefined ? null : choose(report, viewOf(report, drawn.age), drawn, twin);
  });
}

export const reportCommands = {
  plan: onReport(fc.record(seen), (report, view) => planning(report, view)),
  round: onReport(
    fc.record({ ...seen, maxRunning: fc.constantFrom(null, null, null, 1) }),
    (report, view, { maxRunning }) => (report.planned ? beginningRound(report, view, maxRunning) : null),
  ),
  park: onReport(
    fc.record({
      ...seen,
      ofReport: fc.constantFrom(true, false, false, false, false),
      forgotten: fc.constantFrom(false, false, false, true),
      weight: fc.constantFrom<VoteWeight>("none", "counts", "opens_at_once"),
    }),
    (report, view, { ofReport, forgotten, weight }) => {
      if (ofReport) return parking(report, view, null, weight);
      // Without a case of its own it is parked for its sections, as they are or as a primary before this one had them.
      const stopped = SECTIONS.filter(
        (key) => forgotten || report.sections.get(key)?.status === "needs_review",
      );
      return stopped.length > 0 ? parking(report, view, stopped, weight) : null;
    },
  ),
  deliver: onReport(
    fc.record({
      ...seen,
      document: fc.constantFrom(true, true, true, false),
      forgotten: fc.constantFrom(false, false, false, true),
      worth: fc.nat({ max: 9 }),
    }),
    (report, view, { document, forgotten, worth }) => {
      const states = SECTIONS.map((key) => ({ key, ...report.sections.get(key) }));
      // Made of what a primary before this one had.
      const done = states.flatMap(({ key, status, output }) =>
        status === "completed" ? [{ key, outputHash: forgotten ? "another" : (output ?? "") }] : [],
      );
      const missing = states.filter(({ status }) => status !== "completed");
      if (done.length === 0 || missing.some(({ status }) => status !== "skipped")) return null;
      const terms: DeliveryTerms =
        missing.length === 0
          ? { delivery: "full", sections: done }
          : { delivery: "partial", sections: done, commitCredits: worth, ...BY };
      return delivering(report, view, terms, document);
    },
  ),
  end: onReport(
    fc.record({ ...seen, status: fc.constantFrom("failed" as const, "cancelled" as const) }),
    (report, view, { status }) => ending(report, view, status),
  ),
  probe: onReport(fc.record(seen), (report) => settlingProbe(report)),
};
