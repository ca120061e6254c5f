/**
 * The ledger of credits under any order of what may happen to it, each sent up to three times and side by side, on a
 * real Redis. The checker that every test here ends with knows nothing of the commands; at the bottom it is shown to
 * catch the mistakes it is there for.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { balanceProblem, DEFAULT_FAILURE_LIMITS } from "../../src/domain/credits.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import {
  closeCreditReview,
  grantCredits,
  LEDGER_LUA,
  readBalance,
  readCreditReview,
  readHold,
  readLedger,
  refundCredits,
} from "../../src/store/credits.ts";
import { mayRunAgain } from "../../src/store/credit-review.ts";
import { readGroup } from "../../src/store/case-groups.ts";
import { listCases } from "../../src/store/cases.ts";
import { completeReport, type Completion } from "../../src/store/complete-report.ts";
import { deliver, saveArtefact, type Delivered, type DeliveryTerms } from "../../src/store/deliver.ts";
import { endReport } from "../../src/store/end-report.ts";
import { startRound } from "../../src/store/report-transitions.ts";
import { readReport } from "../../src/store/reports.ts";
import { run, savingScript } from "../../src/store/script.ts";
import { claimSection } from "../../src/store/sections.ts";
import { sweepHolds } from "../../src/store/sweep-holds.ts";
import { checkBooks } from "../support/check-books.ts";
import { admitOrder, aReportId, openTestStore, parkOrder } from "../support/store-for-tests.ts";

let store: ReturnType<typeof openTestStore>;
beforeAll(() => {
  store = openTestStore("credits");
});
afterAll(() => store.close());

/** Another fleet on the same connection, so that each case starts with empty books. */
function anEmptyStore(): typeof store {
  const fresh = openTestStore("ledger");
  fresh.close();
  return { ...fresh, redis: store.redis };
}

const HASH = "a".repeat(64);
async function saveDocument(id: ReportId): Promise<void> {
  await saveArtefact(
    store,
    {
      v: 1,
      report: id,
      type: "topic",
      title: "",
      markdown: "",
      sections: [],
      receipt: { credits: 0, typeVersion: 1, sourceHash: "", spentMicros: 0 },
    },
    HASH,
  );
}

async function read(id: ReportId) {
  const stored = await readReport(store, id);
  if (stored === null) throw new Error(`${id} is gone.`);
  return stored.report;
}

/** An order that is being written, with its document saved. */
async function aRunningReport(account: string, credits: number): Promise<ReportId> {
  const id = aReportId();
  expect((await admitOrder(store, { id, account, credits })).outcome).toBe("admitted");
  await begin(id);
  await saveDocument(id);
  return id;
}

async function begin(id: ReportId): Promise<void> {
  const report = await readReport(store, id);
  if (report === null) return;
  await startRound(store, report.report, report.report.round + 1, ["body"], 60_000);
}

const FULL: DeliveryTerms = { delivery: "full", sections: [] };
function part(commitCredits: number): DeliveryTerms {
  return { delivery: "partial", sections: [], commitCredits, by: "ada", why: "the rest is not to be had" };
}

async function deliverNow(id: ReportId, terms: DeliveryTerms, document = true): Promise<Delivered | "gone"> {
  const stored = await readReport(store, id);
  if (stored === null) return "gone";
  if (document) await saveDocument(id);
  return deliver(store, stored.report, document ? HASH : "f".repeat(64), terms);
}

/** Has the rest written, as its last reader saw the report. */
async function complete(id: ReportId): Promise<Completion> {
  const stored = await readReport(store, id);
  if (stored === null) return { outcome: "not_partial" };
  return completeReport(store, stored.report, ["body"], { by: "ada", why: "a test" }, 60_000);
}

async function endNow(id: ReportId, status: "failed" | "cancelled"): Promise<void> {
  const stored = await readReport(store, id);
  if (stored !== null) await endReport(store, stored.report, { status, because: "a test", by: "ada" });
}

/** Nobody waits a minute for the sweeper here: every open hold is due now. */
async function sweepNow(): Promise<string[]> {
  for (const hold of await store.redis.zrange(store.keys.openHolds, "0", "-1"))
    await store.redis.zadd(store.keys.openHolds, "XX", "0", hold);
  return sweepHolds(store);
}

const ACCOUNTS = ["acme", "zeta"] as const;
type Action = { times: number } & (
  | { do: "grant"; account: number; credits: number; reference: number }
  | { do: "order"; account: number; report: number; credits: number }
  /** Without its document there is nothing to charge for. */
  | { do: "deliver"; report: number; worth: number | null; document: boolean }
  | { do: "complete"; report: number }
  | { do: "end"; report: number; status: "failed" | "cancelled" }
  | { do: "refund"; report: number; credits: number; reference: number }
  | { do: "sweep" }
);

const times = fc.integer({ min: 1, max: 3 });
const account = fc.nat({ max: 1 });
const ordered = fc.nat({ max: 2 });
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    do: fc.constant("grant" as const),
    times,
    account,
    credits: fc.integer({ min: 1, max: 12 }),
    reference: fc.nat({ max: 3 }),
  }),
  fc.record({
    do: fc.constant("order" as const),
    times,
    account,
    report: ordered,
    credits: fc.integer({ min: 0, max: 8 }),
  }),
  fc.record({
    do: fc.constant("deliver" as const),
    times,
    report: ordered,
    worth: fc.option(fc.integer({ min: 0, max: 9 })),
    document: fc.boolean(),
  }),
  fc.record({ do: fc.constant("complete" as const), times, report: ordered }),
  fc.record({
    do: fc.constant("end" as const),
    times,
    report: ordered,
    status: fc.constantFrom("failed" as const, "cancelled" as const),
  }),
  fc.record({
    do: fc.constant("refund" as const),
    times,
    report: ordered,
    credits: fc.integer({ min: 1, max: 5 }),
    reference: fc.nat({ max: 2 }),
  }),
  fc.record({ do: fc.constant("sweep" as const), times }),
);

/** The reports of one case: an order may come again under its own id, as after a lost reply. */
class Case {
  readonly ids = [aReportId(), aReportId(), aReportId()];

  /** Two of the three are ordered already, so that short cases have something to happen to. */
  async open(): Promise<void> {
    for (const name of ACCOUNTS)
      await grantCredits(store, { account: name, credits: 12, reference: "start" });
    for (const nth of [0, 1])
      await this.carryOut({ do: "order", times: 1, account: nth, report: nth, credits: 6 });
  }

  async carryOut(what: Action): Promise<void> {
    const id = "report" in what ? (this.ids[what.report] as ReportId) : aReportId();
    switch (what.do) {
      case "grant":
        await grantCredits(store, {
          account: ACCOUNTS[what.account] as string,
          credits: what.credits,
          reference: `r${what.reference}`,
        });
        return;
      case "order":
        await admitOrder(store, {
          id,
          account: ACCOUNTS[what.account] as string,
          credits: what.credits,
        });
        return begin(id);
      case "deliver":
        await deliverNow(id, what.worth === null ? FULL : part(what.worth), what.document);
        return;
      case "complete":
        await complete(id);
        return;
      case "end":
        return endNow(id, what.status);
      case "refund": {
        const stored = await readReport(store, id);
        if (stored === null) return;
        const { account: of } = stored.report;
        await refundCredits(store, {
          report: id,
          account: of,
          credits: what.credits,
          reference: `f${what.reference}`,
          by: "ada",
          why: "a test",
        });
        return;
      }
      case "sweep":
        await sweepNow();
    }
  }
}

async function repeated(one: Case, what: Action): Promise<void> {
  await Promise.all(Array.from({ length: what.times }, () => one.carryOut(what)));
}

test("credits are conserved after every step, whatever happens to orders and however often it is sent", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 6, maxLength: 24, size: "max" }), async (actions) => {
      store = anEmptyStore();
      const one = new Case();
      await one.open();
      for (const what of actions) {
        await repeated(one, what);
        for (const name of ACCOUNTS) expect(balanceProblem(await readBalance(store, name))).toBeNull();
      }
      expect(await checkBooks(store)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test("credits are conserved when everything happens at the same time", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 6, maxLength: 24, size: "max" }), async (actions) => {
      store = anEmptyStore();
      const one = new Case();
      await one.open();
      await Promise.all(actions.map((what) => repeated(one, what)));
      expect(await checkBooks(store)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

test("a delivery in part charges what it is worth, returns the rest, and ends the hold", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  for (let sent = 0; sent < 2; sent++) expect(await deliverNow(id, part(3))).toBe("delivered");
  expect(await readBalance(store, "acme")).toMatchObject({ available: 17, held: 0, committed: 3 });
  expect(await readHold(store, `${id}.h1`)).toMatchObject({ status: "committed", credits: 5, committed: 3 });
  const rows = await readLedger(store, "acme");
  expect(rows.map(({ verb, credits, by }) => [verb, credits, by])).toEqual([
    ["reverse", 2, "ada"],
    ["commit", 3, "ada"],
    ["reserve", 5, null],
    ["grant", 20, null],
  ]);
  expect(await read(id)).toMatchObject({ status: "completed", delivery: "partial", charged: 3 });
  expect(await checkBooks(store)).toEqual([]);
});

test("completing it later costs the rest under a hold of its own, and no more than the price together", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  await deliverNow(id, part(3));
  const seen = await read(id);
  const begun = await Promise.all(
    Array.from({ length: 3 }, () =>
      completeReport(store, seen, ["body"], { by: "ada", why: "asked for" }, 60_000),
    ),
  );
  const once = { outcome: "begun", holdId: `${id}.h2`, credits: 2, run: 2 };
  expect(begun).toEqual([once, once, once]);
  expect(await complete(id)).toEqual({ outcome: "not_partial" });
  expect(await deliverNow(id, FULL)).toBe("delivered");
  expect(await readBalance(store, "acme")).toMatchObject({ available: 15, held: 0, committed: 5 });
  expect(await read(id)).toMatchObject({ delivery: "full", charged: 5 });
  expect(await checkBooks(store)).toEqual([]);
});

test("a second delivery in part charges only what it is worth beyond the first", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  await deliverNow(id, part(2));
  await complete(id);
  expect(await deliverNow(id, part(4))).toBe("delivered");
  expect(await readBalance(store, "acme")).toMatchObject({ available: 16, held: 0, committed: 4 });
  expect(await checkBooks(store)).toEqual([]);
});

test("an account that cannot cover the rest is refused with a sentence, and keeps what was delivered", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 5, reference: "start" });
  const id = await aRunningReport("acme", 5);
  await deliverNow(id, part(3));
  await aRunningReport("acme", 1);
  const refused = await complete(id);
  expect(refused).toMatchObject({ outcome: "insufficient_credits", available: 1, needed: 2 });
  expect("because" in refused && refused.because).toMatch(/costs 2 credits and account acme has 1 available/);
  expect(await read(id)).toMatchObject({ status: "completed", charged: 3 });
  expect(await checkBooks(store)).toEqual([]);
});

test("a case of a report that is being completed puts at stake what is held for the rest, not the whole price", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  await deliverNow(id, part(3));
  await complete(id);
  await parkOrder(store, id);
  const [found] = await listCases(store, { report: id, limit: 1 });
  expect(found?.creditsHeld).toBe(2);
  expect((await readGroup(store, found?.group ?? ""))?.creditsHeld).toBe(2);
});

test("a completion begins with nothing that runs, also after one that ended while a section was being written", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  await deliverNow(id, part(3));
  await complete(id);
  const wanted = { report: id, type: "topic", section: "body", version: 1, claimId: "c1", process: "p1" };
  expect((await claimSection(store, { ...wanted, run: 2 }, 60_000)).outcome).toBe("claimed");
  await endReport(store, await read(id), { status: "failed", because: "no", by: "ada" });
  expect((await complete(id)).outcome).toBe("begun");
  expect(await store.redis.hmget(store.keys.report(id), "running", "waiting")).toEqual(["0", "0"]);
});

test("a completion that fails gives its own hold back and leaves the first delivery as it was", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  await deliverNow(id, part(3));
  await complete(id);
  expect(await endReport(store, await read(id), { status: "failed", because: "no", by: "ada" })).toEqual({
    outcome: "ended",
    status: "completed",
  });
  expect(await read(id)).toMatchObject({ status: "completed", delivery: "partial", charged: 3 });
  expect(await readBalance(store, "acme")).toMatchObject({ available: 17, held: 0, committed: 3 });
  expect(await checkBooks(store)).toEqual([]);
});

test("a report that fails or is cancelled returns its credits once, however often and by whomever it is said", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  const report = await read(id);
  const said = await Promise.all(
    Array.from({ length: 6 }, (_, nth) =>
      endReport(store, report, {
        status: nth % 2 === 0 ? "failed" : "cancelled",
        because: "not wanted any more",
        by: `person ${nth}`,
      }),
    ),
  );
  expect(said.filter(({ outcome }) => outcome === "ended")).toHaveLength(1);
  expect(await readBalance(store, "acme")).toMatchObject({ available: 20, held: 0, committed: 0 });
  const [last] = await readLedger(store, "acme");
  expect(last).toMatchObject({ verb: "reverse", credits: 5, why: "not wanted any more" });
  expect(await store.redis.zscore(store.keys.wakeups, id)).toBeNull();
  expect(await checkBooks(store)).toEqual([]);
});

test("a refund is an entry of its own with a name and a reason, sent twice it is one, and never more than was charged", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const id = await aRunningReport("acme", 5);
  const refund = { report: id, account: "acme", credits: 2, by: "ada", why: "a wrong figure" };
  expect(await refundCredits(store, { ...refund, reference: "t-1" })).toEqual({
    outcome: "exceeds",
    left: 0,
  });
  await deliverNow(id, FULL);
  expect(await refundCredits(store, { ...refund, reference: "t-1" })).toMatchObject({ outcome: "refunded" });
  expect(await refundCredits(store, { ...refund, reference: "t-1" })).toEqual({ outcome: "repeated" });
  expect(await refundCredits(store, { ...refund, credits: 3, reference: "t-1" })).toMatchObject({
    outcome: "conflict",
    refundedBefore: 2,
  });
  expect(await refundCredits(store, { ...refund, credits: 4, reference: "t-2" })).toEqual({
    outcome: "exceeds",
    left: 3,
  });
  expect(await readBalance(store, "acme")).toMatchObject({ available: 17, committed: 3, deposits: 20 });
  expect((await readLedger(store, "acme"))[0]).toMatchObject({
    verb: "refund",
    reference: "t-1",
    by: "ada",
    why: "a wrong figure",
  });
  expect(await checkBooks(store)).toEqual([]);
});

test("a hold whose report is gone is given back by the sweeper, which says so; a live one is left alone", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 20, reference: "start" });
  const live = await aRunningReport("acme", 4);
  const gone = await aRunningReport("acme", 5);
  await store.redis.del(store.keys.report(gone));
  expect((await checkBooks(store)).join(" ")).toContain(`${gone}.h1 is reserved for a report that is gone`);
  expect(await sweepNow()).toEqual([`${gone}.h1`]);
  expect(await sweepNow()).toEqual([]);
  expect(await readHold(store, `${live}.h1`)).toMatchObject({ status: "reserved" });
  expect(await readBalance(store, "acme")).toMatchObject({ available: 16, held: 4 });
  const [[, fields] = ["", [] as string[]]] = await store.redis.xrevrange(
    store.keys.fleetEvents,
    "+",
    "-",
    "COUNT",
    1,
  );
  expect(fields[1]).toContain('"event":"repaired"');
  expect(await store.redis.exists(store.keys.report(gone))).toBe(0);
});

async function failAfterSpending(
  id: ReportId,
  micros: number,
  failureLimits = DEFAULT_FAILURE_LIMITS,
): Promise<void> {
  await store.redis.hincrby(store.keys.report(id), "spend.wasted", micros);
  await parkOrder(store, id, { failureLimits });
}

test("five reports that fail after money was spent stop the account's retries until a person has looked", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 100, reference: "start" });
  await failAfterSpending(await aRunningReport("acme", 1), 0);
  for (let nth = 0; nth < 4; nth++) await failAfterSpending(await aRunningReport("acme", 1), 40);
  expect(await mayRunAgain(store, "acme")).toEqual({ allowed: true });
  await failAfterSpending(await aRunningReport("acme", 1), 40);
  expect(await readCreditReview(store, "acme")).toMatchObject({
    because: "5 reports failed within 24 h after money was spent on them",
  });
  expect(await mayRunAgain(store, "acme")).toMatchObject({ allowed: false });
  // Whether the customer may order more is a person's decision.
  expect((await admitOrder(store, { account: "acme", credits: 1 })).outcome).toBe("admitted");

  expect(await closeCreditReview(store, "acme", "ada", "a bad prompt, mended")).toBe("closed");
  expect(await mayRunAgain(store, "acme")).toEqual({ allowed: true });
  await failAfterSpending(await aRunningReport("acme", 1), 40);
  expect(await readCreditReview(store, "acme")).toBeNull();
});

test("a report that fails in its third run puts its account under credit review", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 100, reference: "start" });
  const id = await aRunningReport("acme", 1);
  await store.redis.hset(store.keys.report(id), "run", 3);
  await failAfterSpending(id, 40);
  expect(await readCreditReview(store, "acme")).toMatchObject({
    because: `${id} failed in run 3 after money was spent on it`,
  });
});

test("a deployment says itself how often paid work may fail before somebody looks", async () => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 100, reference: "start" });
  const strict = { runsOfReport: 9, failedReports: 2, windowMs: 2 * 3_600_000 };
  const id = await aRunningReport("acme", 1);
  await store.redis.hset(store.keys.report(id), "run", 8);
  await failAfterSpending(id, 40, strict);
  expect(await readCreditReview(store, "acme")).toBeNull();
  await failAfterSpending(await aRunningReport("acme", 1), 40, strict);
  expect(await readCreditReview(store, "acme")).toMatchObject({
    because: "2 reports failed within 2 h after money was spent on them",
  });
});

/** Scripts as somebody might write them on a bad day; the checker has to see each. */
const PLANTED: [string, string, RegExp][] = [
  [
    "a refund without an operation id, sent twice",
    `move_credits(KEYS[2], KEYS[3], 'refund', 2, 'committed', 'available', 't-1', ARGV[1], now_ms())
     redis.call('HINCRBY', KEYS[1], 'refunded', 2)`,
    /refund with reference "t-1" is there twice/,
  ],
  [
    "a commit before the delivery",
    `end_hold(KEYS[2], KEYS[3], KEYS[4], KEYS[5], '', KEYS[6], ARGV[2], ARGV[1], 5, true, now_ms())
     redis.call('HINCRBY', KEYS[1], 'committed', 5)`,
    /is committed, and its report is running, not delivered/,
  ],
  [
    "a hold leaked by a throw on the way out",
    `redis.call('HSET', KEYS[1], 'status', 'failed')`,
    /is reserved, and its report is failed/,
  ],
  [
    "a balance moved without its row",
    `redis.call('HINCRBY', KEYS[2], 'available', 3)
     redis.call('HINCRBY', KEYS[2], 'deposits', 3)`,
    /its rows add up to \d+ available, its balance says \d+/,
  ],
  [
    "a hold ended twice",
    `for i = 1, 2 do end_hold(KEYS[2], KEYS[3], KEYS[4], KEYS[5], '', KEYS[6], ARGV[2], ARGV[1], 0, false, now_ms()) end
     redis.call('HSET', KEYS[1], 'status', 'failed')`,
    /is reversed twice/,
  ],
  ["a row lost", `redis.call('XDEL', KEYS[3], '1-0')`, /row 1 is missing before row 2/],
];

test.each(PLANTED)("the checker catches %s", async (_, mistake, says) => {
  store = anEmptyStore();
  await grantCredits(store, { account: "acme", credits: 50, reference: "start" });
  const delivered = await aRunningReport("acme", 5);
  await deliverNow(delivered, FULL);
  const id = mistake.includes("refund") ? delivered : await aRunningReport("acme", 5);
  expect(await checkBooks(store)).toEqual([]);
  const script = savingScript(`${LEDGER_LUA}\n${mistake}\nreturn 'done'`);
  const { keys } = store;
  for (let sent = 0; sent < (mistake.includes("refund") ? 2 : 1); sent++) {
    await run(
      store.redis,
      script,
      [
        keys.report(id),
        keys.account("acme"),
        keys.ledger("acme"),
        keys.hold(`${id}.h1`),
        keys.openHolds,
        keys.fleetEvents,
      ],
      [id, `${id}.h1`],
    );
  }
  expect((await checkBooks(store)).join("\n")).toMatch(says);
});
