/**
 * The six kinds side by side: what the provider billed, which attempts were spent, what became of the type's breaker and
 * of the credits, and what the buyer is told.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import type { ReportId } from "../../src/domain/ids.ts";
import { readSnapshot, reportView } from "../../src/producer/report-view.ts";
import { readBreaker } from "../../src/store/read-breakers.ts";
import { startTestFleet, waitFor, type FaultRule, type TestFleet } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType } from "../support/report-types/index.ts";

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).toReversed()) await close();
});

async function aFleet(faults: readonly FaultRule[], type = aChainedType): Promise<TestFleet> {
  const spoolDir = mkdtempSync(join(tmpdir(), "kinds-"));
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("kinds"),
    types: [type],
    faults,
    spoolDir,
  });
  cleanUp.push(
    async () => rmSync(spoolDir, { recursive: true, force: true }),
    () => fleet.stop(),
  );
  await fleet.grant("acme", 100);
  return fleet;
}

/** What is seen of a report once the fault has had its effect. */
async function seenOf(fleet: TestFleet, id: ReportId) {
  const view = reportView(await readSnapshot(fleet.store, id));
  const attempts = view.sections.reduce(
    (sum, section) => ({
      transient: sum.transient + section.attempts.transient,
      repair: sum.repair + section.attempts.repair,
      crash: sum.crash + section.attempts.crash,
    }),
    { transient: 0, repair: 0, crash: 0 },
  );
  return {
    billed: fleet.ledger().filter(({ billed }) => billed).length,
    attempts,
    breaker: (await readBreaker(fleet.store, "chained")).breaker.state,
    credits: view.credits.state,
    says: view.statusText,
  };
}

const ORDER = { account: "acme", type: "chained", source: { topic: "lighthouses" } };
const NO_ATTEMPTS = { transient: 0, repair: 0, crash: 0 };

test("transient: it waits, spends no attempt and no token, and says when it goes on", async () => {
  const fleet = await aFleet([{ fault: { kind: "rate_limit", seconds: 120 } }]);
  const id = await fleet.submit(ORDER);
  await fleet.reaches(id, "waiting_for_retry");
  const seen = await seenOf(fleet, id);
  expect(seen).toMatchObject({ billed: 0, attempts: NO_ATTEMPTS, breaker: "closed", credits: "reserved" });
  expect(seen.says).toMatch(
    /^Waiting to try again in about 2 min: .* Your 5 credits are held, not charged\.$/,
  );
});

test("contract: the ladder's two calls are billed, then a person looks, and the type has one vote", async () => {
  const fleet = await aFleet([{ match: { contains: "chained/outline" }, fault: { kind: "wrong_schema" } }]);
  const id = await fleet.submit(ORDER);
  await fleet.reaches(id, "needs_review");
  const seen = await seenOf(fleet, id);
  expect(seen).toMatchObject({
    billed: 2,
    attempts: { ...NO_ATTEMPTS, repair: 1 },
    breaker: "closed",
    credits: "reserved",
  });
  expect(seen.says).toBe("Being checked by our team. Your 5 credits are held, not charged.");
});

test("input: nothing is billed, the report halts, and the buyer is told what to send", async () => {
  const fleet = await aFleet([{ fault: { kind: "context_length" } }]);
  const id = await fleet.submit(ORDER);
  await fleet.reaches(id, "needs_review");
  const seen = await seenOf(fleet, id);
  expect(seen).toMatchObject({ billed: 0, attempts: NO_ATTEMPTS, breaker: "closed", credits: "reserved" });
  expect(seen.says).toMatch(/^Waiting for corrected data: .* Your 5 credits are held, not charged\.$/);
});

test("workflow: a broken type stops at once, before anybody else's report is paid for", async () => {
  const refused = {
    kind: "status" as const,
    status: 400,
    body: {
      error: {
        message: "Invalid schema for response_format 'outline'.",
        type: "invalid_request_error",
        param: "response_format",
        code: null,
      },
    },
  };
  const fleet = await aFleet([{ fault: refused }]);
  const id = await fleet.submit(ORDER);
  await fleet.reaches(id, "needs_review");
  await waitFor(
    async () => (await readBreaker(fleet.store, "chained")).breaker.state === "open",
    () => "the breaker stays closed",
  );
  const seen = await seenOf(fleet, id);
  expect(seen).toMatchObject({ billed: 0, attempts: NO_ATTEMPTS, breaker: "open", credits: "reserved" });
  expect(seen.says).toBe("Being checked by our team. Your 5 credits are held, not charged.");
  await expect(fleet.submit({ ...ORDER, source: { topic: "another" } })).rejects.toThrow(/stopped/);
});

test("persistence: what is written stays written, and nothing is generated again", async () => {
  const fleet = await aFleet([], {
    ...aChainedType,
    assemble: () => {
      throw new TypeError("undefined is not a function");
    },
  });
  const id = await fleet.submit(ORDER);
  await fleet.reaches(id, "needs_review");
  const seen = await seenOf(fleet, id);
  expect(seen).toMatchObject({ billed: 3, attempts: NO_ATTEMPTS, credits: "reserved" });
  expect(seen.says).toBe("Being checked by our team. Your 5 credits are held, not charged.");
});

test("cost: a provider out of money stops the report and closes the route for everybody", async () => {
  const fleet = await aFleet([{ fault: { kind: "quota" } }]);
  const id = await fleet.submit(ORDER);
  await fleet.reaches(id, "needs_review");
  const other = await fleet.submit({ ...ORDER, source: { topic: "another" } });
  await fleet.reaches(other, "waiting_for_retry");
  const seen = await seenOf(fleet, id);
  expect(seen).toMatchObject({ billed: 0, attempts: NO_ATTEMPTS, breaker: "closed", credits: "reserved" });
  expect(fleet.ledger()).toHaveLength(1);
});
