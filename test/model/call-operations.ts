/** What is asked of a provider: begun, answered early, late or twice, or never. */
import * as fc from "fast-check";
import { NO_CAPS, NO_LIMITS } from "../../src/domain/route.ts";
import { concludeUnanswered, recordAnswer } from "../../src/store/call-outcomes.ts";
import { beginCall, type Asking } from "../../src/store/calls.ts";
import { startSpending, stopSpending } from "../../src/store/spending.ts";
import { command, type Operation } from "./operation.ts";
import { asClaim, claimAt, judge, judging, ofClaim, settlementsOf } from "./section-operations.ts";
import { askBreaker } from "./twin-breaker.ts";
import { book } from "./twin-money.ts";
import { nameOf, sectionOf, settle, type Verdict } from "./twin-sections.ts";
import {
  ESTIMATE,
  FAR_MS,
  found,
  isOver,
  pick,
  spentBy,
  spentIn,
  type Ask,
  type HeldClaim,
  type Report,
  type Twin,
} from "./twin.ts";
import { anAnswer, noAnswer } from "../support/an-answer.ts";
import { A_FAILURE } from "../support/store-for-tests.ts";

const GATE = { limits: NO_LIMITS, caps: NO_CAPS, leaseMs: FAR_MS };

function askingOf(ask: Pick<Ask, "id" | "callKey" | "take">): Asking {
  return {
    callKey: ask.callKey,
    call: found(ask.callKey.split("/")[1]),
    take: ask.take,
    askId: ask.id,
    route: "r",
    estimateMicros: ESTIMATE,
    estimateTokens: 2,
    promptVersion: "1",
  };
}

function beginning(
  held: HeldClaim,
  callKey: string,
  wanted: number,
  verdicts: Verdict[],
  ask: Pick<Ask, "id" | "answerMicros">,
): Operation {
  const { report, section } = held;
  const claim = asClaim(held);
  const asking = askingOf({ id: ask.id, callKey, take: wanted });
  return {
    name: "begin",
    says: `begin ${callKey} take ${wanted} as ${ask.id} for ${nameOf(held)}`,
    twin(twin) {
      settle(report, verdicts);
      const first = report.marks.get(callKey) ?? 1;
      const take = Math.max(wanted, first);
      const current = report.takes.get(callKey);
      if (current !== undefined && take <= current.n && report.answers.has(`${callKey}#${current.n}`))
        return { reply: `checkpoint ${current.n} ${current.state}`, done: false };
      const refusal = refusalOf(twin, held);
      if (refusal !== null) return { reply: refusal, done: false };

      const n = Math.max(current?.n ?? 0, take);
      const before = report.onItsWay.get(`${callKey}#${n}`);
      const lost = before === undefined ? undefined : report.asks.get(before.ask);
      if (lost?.state === "open" && before?.fence === held.fence)
        return { reply: "wait on_its_way", done: false };
      const { in_flight: inFlight = 0 } = spentBy(report);
      if (spentIn(report) + inFlight + ESTIMATE > report.budget) return { reply: "over_budget", done: false };

      if (lost?.state === "open") {
        lost.state = "unknown";
        book(lost, "unknown", ESTIMATE, "transient");
      }
      if (take > (current?.n ?? 0)) {
        if (take > first) sectionOf(report, section).attempts.repair += 1;
        report.takes.set(callKey, { n: take, state: "open", micros: 0 });
      }
      report.onItsWay.set(`${callKey}#${n}`, { ask: ask.id, fence: held.fence });
      report.asks.set(ask.id, {
        ...ask,
        section,
        callKey,
        take: n,
        state: "open",
        book: { outcome: "in_flight", micros: ESTIMATE, kind: "" },
      });
      return { reply: `go ${n}`, done: true };
    },
    async send(store) {
      const begun = await beginCall(store, claim, asking, GATE, settlementsOf(verdicts));
      switch (begun.outcome) {
        case "go":
          return `go ${begun.take}`;
        case "checkpoint":
          return `checkpoint ${begun.take} ${begun.state}`;
        case "wait":
          return `wait ${begun.why}`;
        default:
          return begun.outcome;
      }
    },
    lasting: false,
  };
}

/** Who may pay at all, whatever is asked; null for whoever may. */
function refusalOf(twin: Twin, { report, section, fence }: HeldClaim): string | null {
  const own = sectionOf(report, section);
  if (own.fence !== fence || own.status !== "running" || own.claim === "") return "superseded";
  if (report.status !== "running" && report.status !== "waiting_for_retry") return "superseded";
  if (own.run !== report.run) return "superseded";
  if (report.halted) return "stopped";
  const word = askBreaker(twin, report, own.version);
  if (word === "open" || word === "older") return "postponed";
  return twin.spendingStopped ? "wait spending_stopped" : null;
}

function answering(report: Report, ask: Ask): Operation {
  const { answerMicros: micros, id } = ask;
  const claim = { report: report.id, section: ask.section };
  const asking = askingOf(ask);
  const answer = anAnswer({ text: textOf(id), micros });
  return {
    name: "answer",
    says: `answer ${id} (${ask.callKey} take ${ask.take}) for ${micros}`,
    twin() {
      if (ask.state === "answered") return { reply: "recorded", done: false };
      if (ask.state === "duplicate") return { reply: "duplicate", done: false };
      const take = `${ask.callKey}#${ask.take}`;
      const current = report.takes.get(ask.callKey);
      const isWanted = current?.n === ask.take && current.state === "open" && !report.answers.has(take);
      if (!isWanted) {
        ask.state = "duplicate";
        book(ask, "wasted", micros, "duplicate");
        return { reply: "duplicate", done: true };
      }
      ask.state = "answered";
      if (isOver(report)) book(ask, "wasted", micros, "late");
      else book(ask, "pending", micros, "");
      report.answers.set(take, id);
      report.onItsWay.delete(take);
      current.micros = micros;
      return { reply: "recorded", done: true };
    },
    send: async (store) => (await recordAnswer(store, claim, asking, answer, "p0")).outcome,
    lasting: true,
  };
}

export function textOf(ask: string): string {
  return `the answer to ${ask}`;
}

function concluding(report: Report, ask: Ask, billing: "unknown" | "not_billed"): Operation {
  const claim = { report: report.id, section: ask.section };
  const asking = askingOf(ask);
  return {
    name: "conclude",
    says: `no answer to ${ask.id}: ${billing}`,
    twin() {
      if (ask.state !== "open") return { reply: "", done: false };
      ask.state = billing;
      book(ask, billing, billing === "unknown" ? ESTIMATE : 0, A_FAILURE.kind);
      const take = `${ask.callKey}#${ask.take}`;
      if (report.onItsWay.get(take)?.ask === ask.id) report.onItsWay.delete(take);
      return { reply: "", done: true };
    },
    send: async (store) => {
      await concludeUnanswered(store, claim, asking, noAnswer({ billing }));
      return "";
    },
    lasting: true,
  };
}

function spending(stop: boolean): Operation {
  return {
    name: "spending",
    says: stop ? "stop all spending" : "start spending",
    twin(twin) {
      const turns = twin.spendingStopped !== stop;
      twin.spendingStopped = stop;
      if (stop) return { reply: turns ? "stopped" : "stopped_before", done: turns };
      return { reply: turns ? "started" : "not_stopped", done: turns };
    },
    again: () => (stop ? "stopped_before" : "not_stopped"),
    send: (store) => (stop ? stopSpending(store, "a test", "ada") : startSpending(store, "ada")),
    lasting: false,
  };
}

const ofAsk = fc.nat({ max: 5 });

function askAt(twin: Twin, nth: number): { report: Report; ask: Ask } | undefined {
  const all = twin.reports.flatMap((report) => [...report.asks.values()].map((ask) => ({ report, ask })));
  return pick(all.toReversed(), nth);
}

export const callCommands = {
  begin: command(
    fc.record({
      claim: ofClaim,
      key: fc.constantFrom(0, 0, 1),
      how: judging,
      repair: fc.boolean(),
      micros: fc.constantFrom(0, 300, ESTIMATE, 2 * ESTIMATE),
    }),
    ({ claim, key, how, repair, micros }, twin) => {
      const held = claimAt(twin, claim);
      if (held === undefined) return null;
      const callKey = `${held.section}/k${key}/0000000000000000`;
      const verdicts = judge(held, how);
      const current = held.report.takes.get(callKey);
      const rejected =
        current?.state === "rejected" || verdicts.some((one) => one.callKey === callKey && !one.accepted);
      const take = repair && rejected && current !== undefined ? current.n + 1 : 1;
      const asks = twin.reports.reduce((sum, { asks: { size } }) => sum + size, 0);
      return beginning(held, callKey, take, verdicts, { id: `ask${asks + 1}`, answerMicros: micros });
    },
  ),
  answer: command(fc.record({ ask: ofAsk }), ({ ask }, twin) => {
    const of = askAt(twin, ask);
    return of === undefined ? null : answering(of.report, of.ask);
  }),
  conclude: command(
    fc.record({ ask: ofAsk, billing: fc.constantFrom("unknown" as const, "not_billed" as const) }),
    ({ ask, billing }, twin) => {
      const of = askAt(twin, ask);
      return of === undefined ? null : concluding(of.report, of.ask, billing);
    },
  ),
  spending: command(fc.constantFrom(true, false, false), (stop) => spending(stop)),
};
