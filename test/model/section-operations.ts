/** What workers do with sections: claim, finish, leave; and how they die, wake up again and are given up. */
import * as fc from "fast-check";
import type { VoteWeight } from "../../src/domain/breaker.ts";
import { breakClaim } from "../../src/store/lost-claims.ts";
import { beat, forgetProcess } from "../../src/store/processes.ts";
import {
  claimSection,
  finishSection,
  leaveSection,
  type Claim,
  type Leaving,
} from "../../src/store/sections.ts";
import type { Settlement } from "../../src/store/settlements.ts";
import { command, type Operation } from "./operation.ts";
import { askBreaker, ballotOf, castBallot } from "./twin-breaker.ts";
import { openCase } from "./twin-cases.ts";
import {
  isOfOlderRun,
  letGo,
  moveSection,
  nameOf,
  sectionOf,
  settle,
  unjudged,
  type Verdict,
} from "./twin-sections.ts";
import {
  FAR_MS,
  pick,
  PROCESSES,
  SECTIONS,
  TYPE,
  type HeldClaim,
  type Report,
  type Twin,
  type View,
} from "./twin.ts";
import { A_FAILURE } from "../support/store-for-tests.ts";

const WAKE_MS = 60_000;
const CRASH_BUDGET = 1;

function refused(reply: string): { reply: string; done: false } {
  return { reply, done: false };
}

export function claiming(
  report: Report,
  view: View,
  section: string,
  process: string,
  version: number,
  claimId: string,
): Operation {
  const { id } = report;
  return {
    name: "claim",
    says: `${process} claims ${id.slice(-1)}/${section} for run ${view.run} with version ${version}`,
    twin(twin) {
      if (view.run !== report.run) return refused("superseded");
      if (report.status !== "running" && report.status !== "waiting_for_retry") return refused("superseded");
      if (report.halted) return refused("stopped");
      const own = sectionOf(report, section);
      if (!["pending", "running", "waiting_for_retry"].includes(own.status)) return refused("finished");
      if (own.claim !== "" && own.process !== process && twin.alive.has(own.process)) return refused("wait");
      if (own.cooling) return refused("wait");
      const word = askBreaker(twin, report, version);
      if (word === "older") return refused("older");
      if (word === "open") {
        twin.postponed.add(id);
        return refused("postponed");
      }
      own.fence += 1;
      Object.assign(own, { claim: claimId, process, run: view.run, version });
      moveSection(report, own, "running");
      report.wake = true;
      const { fence } = own;
      twin.claims.push({ report, section, fence, version, process, attempts: { ...own.attempts } });
      return { reply: `claimed ${fence}`, done: true };
    },
    async send(store) {
      const wanted = { report: id, type: TYPE, section, version, run: view.run, claimId, process };
      const answered = await claimSection(store, wanted, WAKE_MS);
      return answered.outcome === "claimed" ? `claimed ${answered.claim.fence}` : answered.outcome;
    },
    lasting: false,
  };
}

export function asClaim(held: HeldClaim): Claim {
  const { report, section, version, fence, attempts } = held;
  const { id } = report;
  return {
    report: id,
    type: TYPE,
    section,
    version,
    fence: String(fence),
    attempts,
    prints: [],
    pinnedCase: null,
  };
}

export function settlementsOf(verdicts: readonly Verdict[]): Settlement[] {
  return verdicts.map(({ callKey, call, take, accepted }) => ({
    callKey,
    call,
    take,
    verdict: accepted ? { accepted, salvaged: false } : { accepted, failure: A_FAILURE },
  }));
}

export const judging = fc.constantFrom("accept", "accept", "reject", "leave");

export function judge(held: HeldClaim, how: string): Verdict[] {
  if (how === "leave") return [];
  return unjudged(held.report, held.section).map((take) => ({ ...take, accepted: how === "accept" }));
}

export function finishing(held: HeldClaim, verdicts: Verdict[], weight: VoteWeight | null): Operation {
  const { report, section, fence, version } = held;
  const own = sectionOf(report, section);
  const output = `"written under ${fence}"`;
  const ballot = weight === null ? [] : ballotOf(weight, true);
  const used = [...report.takes].flatMap(([callKey, { n, state }]) => {
    const accepted = state === "accepted" || verdicts.some((one) => one.callKey === callKey && one.accepted);
    return callKey.startsWith(`${section}/`) && accepted && n > 0 ? [callKey] : [];
  });
  const claim = asClaim(held);
  return {
    name: "finish",
    says: `finish ${nameOf(held)}`,
    twin(twin) {
      if (own.fence !== fence) return { reply: "superseded", done: false };
      if (own.status === "completed") return { reply: "completed", done: false };
      if (own.status !== "running") return { reply: "superseded", done: false };
      settle(report, verdicts);
      if (isOfOlderRun(report, own)) {
        letGo(report, own);
        return { reply: "superseded", done: true };
      }
      Object.assign(own, { output, claim: "" });
      if (used.length > 0) own.used = used;
      moveSection(report, own, "completed");
      report.wake = true;
      castBallot(twin, report, section, version, ballot, true);
      return { reply: "completed", done: true };
    },
    send: (store) =>
      finishSection(
        store,
        claim,
        { output, hash: output, unreviewed: null, used },
        settlementsOf(verdicts),
        WAKE_MS,
        ballot,
      ),
    lasting: true,
  };
}

interface LeavingHow {
  to: "pending" | "waiting" | "far" | "park" | "halt";
  weight: VoteWeight;
}

export function leaving(held: HeldClaim, verdicts: Verdict[], { to, weight }: LeavingHow): Operation {
  const { report, section, fence, version } = held;
  const own = sectionOf(report, section);
  const parks = to === "park" || to === "halt";
  const ballot = parks ? ballotOf(weight) : [];
  const callKey = verdicts.find(({ accepted }) => !accepted)?.callKey ?? null;
  const transient = held.attempts.transient + (to === "waiting" || to === "far" ? 1 : 0);
  const claim = asClaim(held);
  const how = leavingOf(to, transient, callKey);
  return {
    name: "leave",
    says: `leave ${nameOf(held)}: ${to}${parks ? `, ${weight}` : ""}`,
    twin(twin) {
      if (own.fence !== fence) return { reply: "superseded", done: false };
      if (own.status !== "running" || own.claim === "") return { reply: "left", done: false };
      settle(report, verdicts);
      if (isOfOlderRun(report, own)) {
        letGo(report, own);
        return { reply: "superseded", done: true };
      }
      own.claim = "";
      own.attempts.transient = transient;
      own.cooling = to === "far";
      if (to === "halt") report.halted = true;
      moveSection(report, own, how.to);
      report.wake = true;
      if (parks) openCase(twin, report, section, { halts: to === "halt", callKey });
      castBallot(twin, report, section, version, ballot, false);
      return { reply: "left", done: true };
    },
    // What a newer run has taken away is pending by now, and a repeat finds it left.
    again: (reply) => (reply === "superseded" && own.fence === fence ? "left" : reply),
    send: (store) => leaveSection(store, claim, how, settlementsOf(verdicts), WAKE_MS, ballot),
    lasting: true,
  };
}

function leavingOf(to: LeavingHow["to"], transientAttempts: number, callKey: string | null): Leaving {
  const because = "a test";
  switch (to) {
    case "pending":
      return { to, because };
    case "waiting":
    case "far":
      return {
        to: "waiting_for_retry",
        afterMs: to === "far" ? FAR_MS : 0,
        because,
        failure: A_FAILURE,
        transientAttempts,
      };
    case "park":
    case "halt":
      return {
        to: "needs_review",
        failure: A_FAILURE,
        halts: to === "halt",
        ...(callKey === null
          ? {}
          : {
              question: {
                call: "k",
                callKey,
                promptVersion: "1",
                messages: [],
                model: { model: "m", maxOutputTokens: 1 },
              },
            }),
      };
  }
}

/** Its heartbeat stops being heard. The process itself may go on, as a zombie. */
function dying(process: string): Operation {
  return {
    name: "die",
    says: `${process} is given up`,
    twin(twin) {
      return { reply: "", done: twin.alive.delete(process) };
    },
    send: async (store) => {
      await forgetProcess(store, process);
      return "";
    },
    lasting: false,
  };
}

export function beating(process: string): Operation {
  return {
    name: "beat",
    says: `${process} beats`,
    twin(twin) {
      const isNew = !twin.alive.has(process);
      twin.alive.add(process);
      return { reply: "", done: isNew };
    },
    send: async (store) => {
      await beat(store, {
        id: process,
        pid: 1,
        home: "elsewhere",
        started: "1",
        roles: "worker",
        version: "1",
      });
      return "";
    },
    lasting: false,
  };
}

/** What the sweeper does about a claim of a process that is gone. */
function breaking(report: Report, section: string, process: string): Operation {
  const held = { report: report.id, section, type: TYPE, process };
  return {
    name: "break",
    says: `break the claim of ${process} on ${report.id.slice(-1)}/${section}`,
    twin(twin) {
      const own = sectionOf(report, section);
      if (own.status !== "running" || own.process !== process || own.claim === "")
        return { reply: "left", done: false };
      own.claim = "";
      own.attempts.crash += 1;
      const parks = own.attempts.crash > CRASH_BUDGET && !isOfOlderRun(report, own);
      moveSection(report, own, parks ? "needs_review" : "pending");
      if (parks) openCase(twin, report, section);
      return { reply: "broken", done: true };
    },
    again: () => "left",
    send: (store) => breakClaim(store, held, CRASH_BUDGET, A_FAILURE),
    lasting: false,
  };
}

const ofReport = fc.nat({ max: 2 });
const section = fc.constantFrom(...SECTIONS);
const process = fc.constantFrom(...PROCESSES);
/** Newer ones are drawn more often than what a zombie has. */
export const ofClaim = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat({ max: 6 }) },
);
const age = fc.constantFrom(0, 0, 0, 0, 1, 2);

export function claimAt(twin: Twin, nth: number): HeldClaim | undefined {
  return twin.claims[twin.claims.length - 1 - (nth % Math.max(1, twin.claims.length))];
}

/** What somebody knows of a report who has read it a while ago. */
export function viewOf(report: Report, back: number): View {
  return report.views[report.views.length - 1 - (back % report.views.length)] ?? report;
}

const weight = fc.constantFrom<VoteWeight>("none", "counts", "counts", "counts_per_account", "opens_at_once");

export const sectionCommands = {
  claim: command(
    fc.record({ report: ofReport, age, section, process, version: fc.constantFrom(1, 1, 1, 2) }),
    ({ report, age: back, section: key, process: by, version }, twin) => {
      const of = pick(twin.reports, report);
      return of === undefined
        ? null
        : claiming(of, viewOf(of, back), key, by, version, `claim-${twin.claims.length}-${of.round}-${by}`);
    },
  ),
  finish: command(
    fc.record({
      claim: ofClaim,
      how: judging,
      weight: fc.constantFrom(null, null, null, "none" as const, "counts" as const),
    }),
    ({ claim, how, weight: vote }, twin) => {
      const held = claimAt(twin, claim);
      return held === undefined ? null : finishing(held, judge(held, how), vote);
    },
  ),
  leave: command(
    fc.record({
      claim: ofClaim,
      how: judging,
      to: fc.constantFrom<LeavingHow["to"]>("pending", "waiting", "far", "park", "park", "halt"),
      weight,
    }),
    ({ claim, how, ...leave }, twin) => {
      const held = claimAt(twin, claim);
      return held === undefined ? null : leaving(held, judge(held, how), leave);
    },
  ),
  die: command(fc.record({ process }), ({ process: who }) => dying(who)),
  beat: command(fc.record({ process }), ({ process: who }) => beating(who)),
  break: command(fc.record({ report: ofReport, section }), ({ report, section: key }, twin) => {
    const of = pick(twin.reports, report);
    const own = of?.sections.get(key);
    if (of === undefined || own === undefined || own.process === "" || twin.alive.has(own.process))
      return null;
    return breaking(of, key, own.process);
  }),
};
