/** Credits and spend from the command line, as whoever keeps the books would ask. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { main } from "../../src/cli/main.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { billedMicros } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType, aTopicType } from "../support/report-types/index.ts";

let fleet: TestFleet;
let delivered: ReportId;
let parked: ReportId;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("books-cli"),
    types: [aTopicType, aChainedType],
    faults: [{ match: { contains: "chained/outline" }, fault: { kind: "empty" } }],
  });
  vi.stubEnv("REDIS_URL", testRedisUrl());
  vi.stubEnv("FLEET", fleet.store.fleet);
  await fleet.grant("acme", 100);
  delivered = await fleet.submit({ account: "acme", type: "topic", source: { topic: "tides" } });
  parked = await fleet.submit({ account: "acme", type: "chained", source: { topic: "tides" } });
  await fleet.delivered(delivered);
  await fleet.reaches(parked, "needs_review");
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await fleet.stop();
});

/** In this process: a page of questions would be a page of process starts. */
async function ask(...args: string[]) {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      written[stream] += String(text);
      return true;
    }),
  );
  try {
    const code = await main(args);
    return { code, ...written, json: () => JSON.parse(written.stdout) as Record<string, unknown> };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

test("spend is summed by what one wants to know, to the provider's last micro-USD", async () => {
  const byType = (await ask("spend", "--by", "type", "--json")).json()["data"] as {
    key: string;
    micros: number;
  }[];
  expect(byType.map(({ key }) => key).sort()).toEqual(["chained", "topic"]);
  expect(byType.reduce((sum, { micros }) => sum + micros, 0)).toBe(billedMicros(fleet.ledger()));
  const byOutcome = await ask("spend");
  expect(byOutcome.stdout).toMatch(/^useful +2 +\$/m);
  expect(byOutcome.stdout).toMatch(/^wasted /m);
  expect((await ask("spend", "--by", "kind")).stdout).toMatch(/^contract /m);
});

test("a receipt lists every call of a report with its model, prompt version and price", async () => {
  const { calls, credits } = (await ask("spend", "--report", delivered, "--json")).json();
  expect(credits).toEqual({ price: 5, hold: "committed", charged: 5 });
  expect(calls).toMatchObject([
    { section: "first", call: "draft", promptVersion: "1", outcome: "useful", exact: true },
    { section: "second", call: "draft", promptVersion: "1", outcome: "useful", exact: true },
  ]);
});

test("a held report's credits are listed, taken back once by name and reason, and charged ones are refunded instead", async () => {
  expect((await ask("credits", "ls")).stdout).toContain(`${parked}.h1`);
  expect((await ask("credits", "reverse", parked)).code).toBe(2);
  const by = ["--by", "ada", "--reason", "never to be written"];
  expect((await ask("credits", "reverse", parked, ...by, "--json")).json()).toMatchObject({
    status: "failed",
    repeated: false,
  });
  expect((await ask("credits", "reverse", parked, ...by, "--json")).json()).toMatchObject({ repeated: true });
  const charged = await ask("credits", "reverse", delivered, ...by);
  expect(charged.code).toBe(5);
  expect(charged.stderr).toContain(`credits refund ${delivered}`);

  const refund = ["credits", "refund", delivered, "--reference", "ticket-7", ...by, "--amount"];
  expect((await ask(...refund, "6")).stderr).toContain("has 5 credits charged and not refunded");
  expect((await ask(...refund, "2", "--json")).json()).toMatchObject({ committed: 3, repeated: false });
  expect((await ask(...refund, "2", "--json")).json()).toMatchObject({ committed: 3, repeated: true });
  expect((await ask(...refund, "1")).code).toBe(5);
  const shown = (await ask("credits", "show", "--account", "acme")).stdout;
  expect(shown).toMatch(/refund +2 .*ada: never to be written/);
});

test("reconcile says that everything agrees, and exits 1 with a sentence where it does not", async () => {
  const good = await ask("credits", "reconcile");
  expect([good.code, good.stdout]).toEqual([0, expect.stringContaining("everything agrees")]);
  await fleet.store.redis.hincrby(fleet.store.keys.account("acme"), "available", 1);
  const bad = await ask("credits", "reconcile");
  await fleet.store.redis.hincrby(fleet.store.keys.account("acme"), "available", -1);
  expect(bad.code).toBe(1);
  expect(bad.stdout).toMatch(/its rows add up to \d+ available, its balance says \d+/);
});

test("an account under credit review says so until somebody has looked", async () => {
  await fleet.store.redis.hset(fleet.store.keys.account("acme"), {
    credit_review: "5 reports failed within 24 h after money was spent on them",
    credit_review_at: 1,
  });
  expect((await ask("credits", "show", "--account", "acme")).stdout).toContain(
    "Under credit review: 5 reports failed",
  );
  const end = ["credits", "review", "--account", "acme", "--by", "ada", "--reason", "a bad prompt"];
  expect((await ask(...end)).stdout).toContain("has ended");
  expect((await ask("credits", "show", "--account", "acme", "--json")).json()["credit_review"]).toBeNull();
});
