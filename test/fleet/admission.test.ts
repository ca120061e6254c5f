import { afterAll, beforeAll, expect, test } from "vitest";
import { isFleetError, type FleetErrorCode } from "../../src/domain/fleet-error.ts";
import { submitReport, type ReportRequest } from "../../src/producer/submit-report.ts";
import { listReports } from "../../src/store/reports.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("admission"),
    types: [aTopicType],
  });
});
afterAll(() => fleet.stop());

let accounts = 0;
async function anAccount(credits = 20): Promise<string> {
  accounts += 1;
  const account = `buyer-${accounts}`;
  if (credits > 0) await fleet.grant(account, credits);
  return account;
}

function order(account: string, more: Partial<ReportRequest> = {}): ReportRequest {
  return { account, type: "topic", source: { topic: `wells of ${account}` }, ...more };
}

async function refusal(
  request: ReportRequest,
): Promise<{ code: FleetErrorCode; message: string; fields: readonly string[] }> {
  try {
    await submitReport(fleet.fleet.workshop, request);
  } catch (error) {
    if (isFleetError(error))
      return { code: error.code, message: error.message, fields: error.fields.map(({ path }) => path) };
    throw error;
  }
  throw new Error("It was accepted.");
}

test("the same order under the same key is the same report, and is held once", async () => {
  const account = await anAccount();
  const first = await submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "order-7" }));
  const again = await Promise.all(
    Array.from({ length: 5 }, () =>
      submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "order-7" })),
    ),
  );
  expect(new Set(again.map(({ id }) => id))).toEqual(new Set([first.id]));
  expect(again.every(({ repeated }) => repeated)).toBe(true);
  await fleet.delivered(first.id);
  expect(await fleet.balance(account)).toMatchObject({ available: 15, committed: 5 });
});

test("twenty equal orders sent at the same time are one report", async () => {
  const account = await anAccount();
  const sent = await Promise.all(
    Array.from({ length: 20 }, () =>
      submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "rush" })),
    ),
  );
  expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  expect(sent.filter(({ repeated }) => !repeated)).toHaveLength(1);
});

test("another order under a used key is refused and names the report that has it", async () => {
  const account = await anAccount();
  const first = await submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "k" }));
  const refused = await refusal(order(account, { idempotencyKey: "k", source: { topic: "another" } }));
  expect(refused.code).toBe("idempotency_conflict");
  expect(refused.message).toContain(first.id);
});

test("pressing twice is one order: an equal order that is still open is answered with its report", async () => {
  const account = await anAccount();
  const first = await submitReport(fleet.fleet.workshop, order(account));
  const second = await submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "second" }));
  expect(second).toMatchObject({ id: first.id, repeated: true, openOrder: true });
  const anew = await submitReport(fleet.fleet.workshop, order(account, { again: true }));
  expect(anew.id).not.toBe(first.id);

  await fleet.delivered(first.id);
  await fleet.delivered(anew.id);
  // Delivered orders are no longer in the way, but the key still means the report it was answered with.
  expect((await submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "second" }))).id).toBe(
    first.id,
  );
  expect((await submitReport(fleet.fleet.workshop, order(account))).openOrder).toBe(false);
});

test("two accounts may use the same key", async () => {
  const [one, other] = [await anAccount(), await anAccount()];
  const ids = await Promise.all(
    [one, other].map((account) =>
      submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "shared" })),
    ),
  );
  expect(ids[0]?.id).not.toBe(ids[1]?.id);
});

test("an order that is refused for lack of credits leaves its key free and nothing behind", async () => {
  const account = await anAccount(4);
  const keysBefore = await fleet.store.redis.keys(`{${fleet.store.fleet}}:*${account}`);
  const refused = await refusal(order(account, { idempotencyKey: "later" }));
  expect(refused).toMatchObject({ code: "insufficient_credits" });
  expect(refused.message).toMatch(/costs 5 credits and account .* has 4 available/);
  expect(await fleet.store.redis.keys(`{${fleet.store.fleet}}:*${account}`)).toEqual(keysBefore);

  await fleet.grant(account, 6);
  const accepted = await submitReport(fleet.fleet.workshop, order(account, { idempotencyKey: "later" }));
  expect(accepted.repeated).toBe(false);
});

test.each<[string, Partial<ReportRequest>, FleetErrorCode, string]>([
  ["a missing field", { source: {} }, "invalid_source", "topic"],
  ["a field of the wrong type", { source: { topic: 7 } }, "invalid_source", "topic"],
  ["a source that is no object", { source: "lighthouses" }, "invalid_source", "expected object"],
  [
    "a source of five megabytes",
    { source: { topic: "x".repeat(5_000_000) } },
    "source_too_large",
    "at most 1048576",
  ],
  ["a type nobody sells", { type: "topik" }, "unknown_type", "topic"],
  ["an account that is no name", { account: "no spaces please" }, "usage", "no account"],
  ["an endless idempotency key", { idempotencyKey: "k".repeat(201) }, "usage", "201"],
])("%s is refused in words, before anything is held or spent", async (_, wrong, code, says) => {
  const account = await anAccount();
  const refused = await refusal(order(account, wrong));
  expect(refused.code).toBe(code);
  expect(refused.message).toContain(says);
  expect(await fleet.balance(account)).toMatchObject({ available: 20, held: 0 });
  // No report, so nothing that a call could be made for.
  expect(await listReports(fleet.store, { account, limit: 10 })).toEqual([]);
});
