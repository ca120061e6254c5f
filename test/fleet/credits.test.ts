/** What becomes of credits and of every cent of spend, from the order to the end, beside the provider's own ledger. */
import { afterEach, expect, test } from "vitest";
import { completeRest } from "../../src/desk/complete-rest.ts";
import { resumeCase } from "../../src/desk/decide-case.ts";
import { deliverPartial } from "../../src/desk/deliver-partial.ts";
import { cancelReport, rejectReport } from "../../src/desk/end-by-person.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { totalSpend } from "../../src/domain/failure.ts";
import { statusSentence } from "../../src/domain/status-sentence.ts";
import { readDocument } from "../../src/producer/read-document.ts";
import { renderArtefact } from "../../src/producer/render-artefact.ts";
import { readSnapshot, reportView } from "../../src/producer/report-view.ts";
import { dayName, readSpend } from "../../src/store/books.ts";
import { closeCreditReview, readHold, readLedger, refundCredits } from "../../src/store/credits.ts";
import { listCases } from "../../src/store/cases.ts";
import { readReceipt } from "../../src/store/receipt.ts";
import { readEvents } from "../../src/store/read-events.ts";
import {
  startTestFleet,
  waitFor,
  type FaultRule,
  type TestFleet,
  type TestFleetSettings,
} from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { billedByMark, billedMicros } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType, aSteppedType, aTopicType } from "../support/report-types/index.ts";

const open: TestFleet[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((fleet) => fleet.stop()));
});

async function aFleet(
  faults: readonly FaultRule[] = [],
  settings: Partial<TestFleetSettings> = {},
): Promise<TestFleet> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("credits"),
    types: [aTopicType, aChainedType, aSteppedType],
    faults,
    ...settings,
  });
  open.push(fleet);
  await fleet.grant("acme", 100);
  return fleet;
}

const ORDER = { account: "acme", source: { topic: "lighthouses" } };
const BY = { by: "ada", why: "the model is not up to it" };
const EMPTY_FIRST: FaultRule = { match: { contains: "topic/first" }, fault: { kind: "empty" } };

test("half a report costs half, the rest of the credits goes back, and the buyer is told both", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.reaches(id, "needs_review");
  await deliverPartial(fleet.fleet.workshop, id, BY);
  const report = await fleet.reaches(id, "completed");
  expect(report).toMatchObject({ delivery: "partial", hold: "committed", charged: 2 });
  expect(await fleet.balance("acme")).toMatchObject({ available: 98, held: 0, committed: 2 });
  expect(statusSentence(report, await fleet.sections(id), 0)).toBe(
    "Ready, with parts missing. 2 of 5 credits were charged.",
  );
  // Only what the delivered half was written from is useful.
  expect(report.spend.useful).toBeGreaterThan(0);
  expect(report.spend.useful + report.spend.wasted).toBe(billedMicros(fleet.ledger()));
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("a type's own rule says what a part costs", async () => {
  const dear = { ...aTopicType, partialPrice: (delivered: readonly unknown[]) => delivered.length * 4 };
  const fleet = await aFleet([EMPTY_FIRST], { types: [dear] });
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.reaches(id, "needs_review");
  await deliverPartial(fleet.fleet.workshop, id, BY);
  expect(await fleet.reaches(id, "completed")).toMatchObject({ charged: 4 });
  expect(await fleet.balance("acme")).toMatchObject({ available: 96, held: 0, committed: 4 });
});

test("half a report is completed later for the rest of its price, and nothing is paid twice", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.reaches(id, "needs_review");
  await deliverPartial(fleet.fleet.workshop, id, BY);
  await fleet.reaches(id, "completed");
  const before = billedByMark(fleet.ledger());

  // The rest hangs, and whoever reads what was delivered does not wait for it.
  fleet.provider.setFaults?.([{ fault: { kind: "rate_limit", seconds: 0.5 } }]);
  const begun = await completeRest(fleet.fleet.workshop, id, { by: "ada", why: "the provider is mended" });
  expect(begun).toMatchObject({ run: 3, credits: 3 });
  await fleet.reaches(id, "waiting_for_retry");
  const part = await readDocument(fleet.store, id, () => aTopicType);
  expect(part.stillOpen).toMatch(/3 credits are held, not charged. 2 credits were charged before/);
  expect(JSON.parse(renderArtefact(part, "json"))).toMatchObject({
    delivered: true,
    delivery: "partial",
    sections: [{ key: "second" }],
    missing: ["The first part"],
  });
  expect(reportView(await readSnapshot(fleet.store, id))).toMatchObject({
    status: "waiting_for_retry",
    delivery: "partial",
    artefactHash: part.hash,
  });
  fleet.provider.setFaults?.([]);
  const artefact = await fleet.delivered(id);
  expect(artefact.sections.map(({ key }) => key)).toEqual(["first", "second"]);
  expect((await readDocument(fleet.store, id, () => aTopicType)).stillOpen).toBeNull();
  expect((await fleet.read(id)).report).toMatchObject({ delivery: "full", charged: 5 });
  expect(await fleet.balance("acme")).toMatchObject({ available: 95, held: 0, committed: 5 });
  expect(billedByMark(fleet.ledger())["topic/second/write"]).toBe(before["topic/second/write"]);
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("a report given up returns its credits once, and everything spent on it is wasted", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.reaches(id, "needs_review");
  await Promise.all(Array.from({ length: 4 }, () => rejectReport(fleet.fleet.workshop, id, BY)));
  const report = await fleet.reaches(id, "failed");
  expect(report).toMatchObject({ hold: "reversed", because: BY.why });
  expect(report.spend).toMatchObject({ pending: 0, useful: 0, wasted: billedMicros(fleet.ledger()) });
  expect(await fleet.balance("acme")).toMatchObject({ available: 100, held: 0, committed: 0 });
  const ends = (await readLedger(fleet.store, "acme")).filter(({ verb }) => verb === "reverse");
  expect(ends).toMatchObject([{ credits: 5, by: "ada", why: BY.why }]);
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("an answer that comes after a cancel is on the books, and changes nothing else", async () => {
  const fleet = await aFleet([], { latency: { firstByteMs: [600, 600], perTokenMs: 0 } });
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  await waitFor(
    async () => (await fleet.events(id)).some(({ event }) => event === "call.begun"),
    () => "nothing is asked",
  );
  await cancelReport(fleet.fleet.workshop, id, { by: "ada", why: "ordered twice" });
  expect(await fleet.balance("acme")).toMatchObject({ available: 100, held: 0, committed: 0 });
  await waitFor(
    async () =>
      (await fleet.events(id)).some(({ event }) => event === "call.answered" || event === "call.unanswered"),
    () => "what became of the call in flight is not booked",
  );
  const { report, inFlightMicros } = await fleet.read(id);
  expect(report).toMatchObject({ status: "cancelled", hold: "reversed" });
  expect(inFlightMicros).toBe(0);
  expect(report.spend.wasted + report.spend.unknown).toBeGreaterThan(0);
  expect(await fleet.balance("acme")).toMatchObject({ available: 100, held: 0, committed: 0 });
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("a refund after delivery leaves the report delivered and the reason in the ledger", async () => {
  const fleet = await aFleet();
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.delivered(id);
  const refund = { report: id, account: "acme", credits: 5, reference: "ticket-7", by: "ada", why: "late" };
  expect(await refundCredits(fleet.store, refund)).toMatchObject({ outcome: "refunded" });
  const { report } = await fleet.read(id);
  expect(report).toMatchObject({ status: "completed", hold: "committed", charged: 0 });
  expect(await fleet.balance("acme")).toMatchObject({ available: 100, committed: 0, deposits: 100 });
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("credits held for a report that is gone come back by themselves, and an event says so", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.reaches(id, "needs_review");
  const { redis, keys } = fleet.store;
  await redis.del(keys.report(id));
  // The sweeper looks at each hold once a minute; this one is due now.
  await redis.zadd(keys.openHolds, "XX", "0", `${id}.h1`);
  await waitFor(
    async () => (await fleet.balance("acme")).held === 0,
    () => "the credits are still held",
  );
  expect(await fleet.balance("acme")).toMatchObject({ available: 100, committed: 0 });
  expect(await readHold(fleet.store, `${id}.h1`)).toMatchObject({ status: "reversed" });
  expect((await readEvents(fleet.store, "fleet", "0")).map(({ event }) => event)).toContainEqual(
    expect.objectContaining({ event: "repaired", report: id }),
  );
});

test("an account whose reports keep failing after they cost money is not resumed until somebody has looked", async () => {
  // The type's own breaker would stop them first.
  const fleet = await aFleet([EMPTY_FIRST], { types: [{ ...aTopicType, breaker: { threshold: 100 } }] });
  const ids: ReportId[] = [];
  for (let nth = 0; nth < 5; nth++)
    ids.push(await fleet.submit({ account: "acme", type: "topic", source: { topic: `harbour ${nth}` } }));
  for (const id of ids) await fleet.reaches(id, "needs_review");
  const [found] = await listCases(fleet.store, { limit: 1 });
  const resume = () => resumeCase(fleet.fleet.workshop, found?.id ?? "", BY, "stored");
  const billed = fleet.ledger().length;
  await expect(resume()).rejects.toThrow(/acme is under credit review: 5 reports failed within 24 h/);
  expect(fleet.ledger()).toHaveLength(billed);

  await closeCreditReview(fleet.store, "acme", "ada", "the prompt is mended");
  fleet.provider.setFaults?.([]);
  const { report } = await resume();
  await fleet.delivered(report);
});

test("twelve reports through malformed answers, overload and cut connections balance to the cent and to the credit", async () => {
  const fleet = await aFleet(
    [
      { match: { contains: "chained/outline", first: 2 }, fault: { kind: "wrong_schema" } },
      { match: { contains: "topic/second", first: 1 }, fault: { kind: "empty" } },
      { match: { contains: "stepped/body/draft", first: 2 }, fault: { kind: "cut_mid_body" } },
      { match: { contains: "chained/body", first: 1 }, fault: { kind: "reset" } },
    ],
    {
      types: [aTopicType, aChainedType, aSteppedType].map((type) => ({
        ...type,
        retries: { backoff: { baseMs: 20, factor: 1, maxMs: 20 } },
      })),
    },
  );
  const ids = await Promise.all(
    Array.from({ length: 12 }, (_, nth) =>
      fleet.submit({
        account: "acme",
        type: ["topic", "chained", "stepped"][nth % 3] as string,
        source: { topic: `harbour ${nth}` },
      }),
    ),
  );
  const reports = await Promise.all(ids.map((id) => fleet.reaches(id, "completed", "needs_review")));
  for (const { id, status } of reports)
    if (status === "needs_review") await rejectReport(fleet.fleet.workshop, id, BY);
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);

  // The receipt and the fleet's days tell the same story as the reports, in other columns.
  const receipts = await Promise.all(ids.map((id) => readReceipt(fleet.store, id)));
  const total = receipts.reduce((sum, { spend }) => sum + totalSpend(spend), 0);
  const today = dayName(Math.floor(Date.now() / 86_400_000));
  const lines = await readSpend(fleet.store, dayName(Math.floor(Date.now() / 86_400_000) - 1), today);
  expect(lines.reduce((sum, { micros }) => sum + micros, 0)).toBe(total);
  expect(new Set(lines.map(({ type }) => type))).toEqual(new Set(["topic", "chained", "stepped"]));
  const calls = receipts.flatMap((receipt) => receipt.calls);
  expect(new Set(calls.map(({ promptVersion }) => promptVersion))).toEqual(new Set(["1"]));
  expect(
    calls.filter(({ outcome, exact, lostTo }) => outcome === "useful" && !(exact && lostTo === null)),
  ).toEqual([]);
  expect(calls.filter(({ tokens, priceTable }) => tokens !== null && priceTable === null)).toEqual([]);
});
