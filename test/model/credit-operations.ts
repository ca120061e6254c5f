/** What moves credits by itself: deposits, orders, refunds, and the sweeper that looks for leaked holds. */
import * as fc from "fast-check";
import { admit, type Order } from "../../src/store/admit.ts";
import { grantCredits, refundCredits } from "../../src/store/credits.ts";
import { sweepHolds } from "../../src/store/sweep-holds.ts";
import { see } from "./twin-breaker.ts";
import { moveCredits, reserve } from "./twin-money.ts";
import { command, type Operation } from "./operation.ts";
import {
  accountOf,
  ACCOUNTS,
  ESTIMATE,
  isOver,
  pick,
  reportId,
  TYPE,
  type Report,
  type Twin,
} from "./twin.ts";

const WAKE_MS = 60_000;
const MOST_REPORTS = 3;
const BY = { by: "ada", why: "a test" };

export function granting(account: string, credits: number, reference: string): Operation {
  return {
    name: "grant",
    says: `grant ${credits} to ${account} (${reference})`,
    twin(twin) {
      const { grants } = accountOf(twin, account);
      const known = grants.get(reference);
      if (known !== undefined) return { reply: known === credits ? "repeated" : "conflict", done: false };
      grants.set(reference, credits);
      moveCredits(twin, account, "grant", credits, reference);
      return { reply: "granted", done: true };
    },
    again: (reply) => (reply === "granted" ? "repeated" : reply),
    send: async (store) => (await grantCredits(store, { account, credits, reference })).outcome,
    lasting: true,
  };
}

export interface Ordering {
  account: string;
  credits: number;
  budget: number;
  source: string;
  key: string | null;
  again: boolean;
  maxWaiting: number | null;
  hold: boolean;
}

export function ordering(nth: number, what: Ordering): Operation {
  const { account, source, key } = what;
  const id = reportId(nth);
  const order: Order = {
    id,
    account,
    type: TYPE,
    typeVersion: 1,
    credits: what.credits,
    budgetMicros: what.budget,
    source: { canonical: "{}", hash: source, bytes: 2 },
    idempotencyKey: key,
    again: what.again,
    whenOpen: what.hold ? "hold" : "refuse",
    maxWaiting: what.maxWaiting,
  };
  return {
    name: "order",
    says: `order ${id.slice(-1)} of ${account} for ${what.credits} (key ${key}, source ${source}${what.again ? ", again" : ""})`,
    twin(twin) {
      const refusal = refusalOf(twin, what);
      if (refusal !== null) return { reply: refusal, done: false };
      const report = newReport(nth, what);
      twin.reports.push(report);
      reserve(twin, report, what.credits);
      if (key !== null) twin.keys.set(`${account} ${key}`, { source, report: id });
      twin.sameOrder.set(`${account} ${source}`, report);
      return { reply: `admitted ${id}`, done: true };
    },
    // The key is bound also where an equal order is still open.
    again: (reply) => (key === null ? reply : reply.replace("open_order", "repeated")),
    send: async (store) => {
      const answered = await admit(store, order, WAKE_MS);
      return "report" in answered ? `${answered.outcome} ${answered.report}` : answered.outcome;
    },
    lasting: true,
  };
}

/** In the order in which an order is looked at; null where nothing is against it. */
function refusalOf(
  twin: Twin,
  { account, source, key, again, maxWaiting, credits, hold }: Ordering,
): string | null {
  const known = key === null ? undefined : twin.keys.get(`${account} ${key}`);
  if (known !== undefined) return `${known.source === source ? "repeated" : "conflict"} ${known.report}`;
  const same = twin.sameOrder.get(`${account} ${source}`);
  // Corrected since, it is written from other data than these.
  if (same !== undefined && !again && !isOver(same) && same.source === source) {
    // The key is bound all the same.
    if (key !== null) twin.keys.set(`${account} ${key}`, { source, report: same.id });
    return `open_order ${same.id}`;
  }
  const waiting = twin.reports.filter((report) => report.account === account && report.waiting).length;
  if (maxWaiting !== null && waiting >= maxWaiting) return "too_many_reports";
  if (accountOf(twin, account).available < credits) return "insufficient_credits";
  see(twin, { saw: "version", version: 1 });
  if (twin.breaker.state === "open" && !hold) return "type_disabled";
  return null;
}

function newReport(nth: number, { account, credits, budget, source }: Ordering): Report {
  return {
    id: reportId(nth),
    account,
    credits,
    budget,
    source,
    run: 1,
    round: 0,
    decisions: 0,
    hold: 1,
    status: "pending",
    committed: 0,
    refunded: 0,
    delivery: null,
    planned: false,
    document: false,
    halted: false,
    operation: "",
    sections: new Map(),
    takes: new Map(),
    marks: new Map(),
    answers: new Map(),
    onItsWay: new Map(),
    asks: new Map(),
    cases: [],
    wake: true,
    outbox: true,
    deadline: false,
    waiting: true,
    running: false,
    capped: false,
    views: [],
  };
}

function refunding(report: Report, credits: number, reference: string): Operation {
  const { id, account } = report;
  return {
    name: "refund",
    says: `refund ${credits} of ${id.slice(-1)} (${reference})`,
    twin(twin) {
      const { refunds } = accountOf(twin, account);
      const known = refunds.get(reference);
      if (known !== undefined) {
        const isSame = known.credits === credits && known.report === id;
        return { reply: isSame ? "repeated" : "conflict", done: false };
      }
      if (credits > report.committed - report.refunded) return { reply: "exceeds", done: false };
      refunds.set(reference, { credits, report: id });
      report.refunded += credits;
      moveCredits(twin, account, "refund", credits, reference);
      return { reply: "refunded", done: true };
    },
    again: (reply) => (reply === "refunded" ? "repeated" : reply),
    send: async (store) =>
      (await refundCredits(store, { report: id, account, credits, reference, ...BY })).outcome,
    lasting: true,
  };
}

/** Every script that ends a report ends its hold, so there is never one for the sweeper to give back. */
const sweeping: Operation = {
  name: "sweep",
  says: "sweep all holds",
  twin: () => ({ reply: "", done: false }),
  send: async (store) => {
    for (const hold of await store.redis.zrange(store.keys.openHolds, "0", "-1"))
      await store.redis.zadd(store.keys.openHolds, "XX", "0", hold);
    return (await sweepHolds(store)).join();
  },
  lasting: false,
};

const account = fc.constantFrom(...ACCOUNTS);
const ofReport = fc.nat({ max: MOST_REPORTS - 1 });

export const creditCommands = {
  grant: command(
    fc.record({
      account,
      credits: fc.integer({ min: 1, max: 9 }),
      reference: fc.constantFrom("g1", "g2", "g3"),
    }),
    ({ account: to, credits, reference }) => granting(to, credits, reference),
  ),
  order: command(
    fc.record({
      account,
      credits: fc.integer({ min: 0, max: 8 }),
      budget: fc.constantFrom(2 * ESTIMATE, 1_000_000),
      source: fc.constantFrom("s1", "s2"),
      key: fc.constantFrom(null, null, "k1", "k2"),
      again: fc.boolean(),
      maxWaiting: fc.constantFrom(null, null, 1),
      hold: fc.boolean(),
    }),
    (what, twin) => (twin.reports.length < MOST_REPORTS ? ordering(twin.reports.length + 1, what) : null),
  ),
  refund: command(
    fc.record({
      report: ofReport,
      credits: fc.integer({ min: 1, max: 5 }),
      reference: fc.constantFrom("f1", "f2"),
    }),
    ({ report, credits, reference }, twin) => {
      const of = pick(twin.reports, report);
      return of === undefined ? null : refunding(of, credits, reference);
    },
  ),
  sweep: command(fc.constant(null), () => sweeping),
};
