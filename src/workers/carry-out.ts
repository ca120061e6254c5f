/** The one place where a verdict becomes a fact: what the store is told, and how the job ends. */
import type { Verdict } from "../domain/failure.ts";
import { leaveSection, type Leaving } from "../store/sections.ts";
import { ballotOf } from "./ballot.ts";
import { DONE, type Ending } from "./ending.ts";
import { patiently } from "./patiently.ts";
import { summaryOf, type Session } from "./session.ts";
import type { Stop } from "./stop.ts";

export async function carryOut(session: Session, stop: Stop): Promise<Ending> {
  const consequence = consequenceOf(session, stop);
  if (consequence.leaving !== null) {
    const { store, durations } = session.workshop;
    const { leaving } = consequence;
    const settlements = session.takeSettlements();
    const ballot = leaving.to === "needs_review" ? ballotOf(session, leaving.failure) : [];
    // A claim that is not ended stays ours, and nobody else may go on while this process lives.
    await patiently(session.control.signal, () =>
      leaveSection(store, session.claim, leaving, settlements, durations.wakeAfterMs, ballot),
    );
  }
  return consequence.ending;
}

interface Consequence {
  leaving: Leaving | null;
  ending: Ending;
}

function consequenceOf(session: Session, stop: Stop): Consequence {
  switch (stop.stop) {
    case "superseded":
      // Changes nothing where the fence has moved on; where only the run has, it lets go of the section for the new one.
      return { leaving: { to: "pending", because: "a newer run has begun" }, ending: DONE };
    case "halted":
      return { leaving: { to: "pending", because: "the report halted" }, ending: DONE };
    case "postponed":
      return { leaving: { to: "pending", because: "its report type is stopped" }, ending: DONE };
    case "hand_on":
      return { leaving: { to: "pending", because: stop.because }, ending: { ending: "hand_on" } };
    case "wait":
      return waiting(session, stop.afterMs, stop.because);
    case "failed":
      return consequenceOfVerdict(session, stop, stop.verdict);
  }
}

function consequenceOfVerdict(
  session: Session,
  stop: Extract<Stop, { stop: "failed" }>,
  verdict: Verdict,
): Consequence {
  const failure = summaryOf(stop.failure);
  const evidence = { question: stop.question, path: stop.failure.evidence.domain?.path };
  const { transient } = session.claim.attempts;
  switch (verdict.verdict) {
    case "retry": {
      const leaving: Leaving = {
        to: "waiting_for_retry",
        afterMs: verdict.afterMs,
        because: verdict.because,
        failure,
        transientAttempts: transient + 1,
      };
      return { leaving, ending: { ending: "retry", afterMs: verdict.afterMs } };
    }
    case "wait":
    // A save is tried again where the answer is; what reaches this point has lost the answer's holder, not the answer.
    case "retry_save": {
      const leaving: Leaving = {
        to: "waiting_for_retry",
        afterMs: verdict.afterMs,
        because: verdict.because,
        failure,
        transientAttempts: transient,
      };
      return { leaving, ending: { ending: "delay", afterMs: verdict.afterMs } };
    }
    case "repair":
    // A repair that is not possible any more (the call is over) goes to a person like any contract failure.
    case "park":
      return {
        leaving: { to: "needs_review", failure, halts: false, ...evidence },
        ending: { ending: "fail", reason: `${failure.kind}/${failure.code}` },
      };
    case "halt":
      return {
        leaving: { to: "needs_review", failure, halts: true, ...evidence },
        ending: { ending: "fail", reason: `${failure.kind}/${failure.code}` },
      };
  }
}

function waiting(session: Session, afterMs: number, because: string): Consequence {
  const { transient } = session.claim.attempts;
  return {
    leaving: { to: "waiting_for_retry", afterMs, because, failure: null, transientAttempts: transient },
    ending: { ending: "delay", afterMs },
  };
}
