import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportId } from "../../src/domain/ids.ts";
import type { FailureSummary } from "../../src/domain/report.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { endReport } from "../../src/store/end-report.ts";
import { countByStatus, findReports, type Place, type Sought } from "../../src/store/find-reports.ts";
import { readReport } from "../../src/store/reports.ts";
import { A_FAILURE, admitOrder, aReportId, openTestStore, parkOrder } from "../support/store-for-tests.ts";

let store: ReturnType<typeof openTestStore>;
const ids: ReportId[] = [];
beforeAll(async () => {
  store = openTestStore("find");
  for (const account of ["acme", "zeta"])
    await grantCredits(store, { account, credits: 10_000, reference: "a" });
  for (let nth = 0; nth < 30; nth++) {
    const id = aReportId();
    await admitOrder(store, {
      id,
      account: nth % 3 === 0 ? "zeta" : "acme",
      type: nth % 2 === 0 ? "topic" : "review",
      credits: 1,
      tags: { order: `#${nth}`, 'a "quoted" name': "x" },
    });
    ids.push(id);
  }
  await park(at(4), { kind: "contract", code: "schema_mismatch", message: "It lacks the FIELD (title)." });
  await park(at(7), { kind: "input", code: "invalid_source", message: "The topic is empty." });
  const stored = await readReport(store, at(9));
  if (stored !== null)
    await endReport(store, stored.report, {
      status: "cancelled",
      because: "the customer withdrew [50%]",
      by: "a test",
      action: "cancel",
    });
  await store.redis.hset(store.keys.report(at(11)), "spend.useful", 2_000_000, "spend.wasted", 1);
});
afterAll(() => store.close());

function at(nth: number): ReportId {
  const id = ids[nth];
  if (id === undefined) throw new Error(`There is no report ${nth}.`);
  return id;
}

async function park(id: ReportId, failure: Pick<FailureSummary, "kind" | "code" | "message">): Promise<void> {
  await parkOrder(store, id, { failure: { ...A_FAILURE, ...failure } });
}

async function all(sought: Sought, limit = 7): Promise<ReportId[]> {
  const found: ReportId[] = [];
  let after: Place | undefined;
  do {
    const page = await findReports(store, sought, { limit, after });
    found.push(...page.reports.map(({ report }) => report.id));
    after = page.next ?? undefined;
  } while (after !== undefined);
  return found;
}

test("pages show every report once, the newest first, whatever is asked for", async () => {
  const newestFirst = ids.toReversed();
  // Ordered in the same millisecond, they stand in the order of their ids, so only the sets are compared.
  expect(new Set(await all({}))).toEqual(new Set(newestFirst));
  expect(await all({})).toHaveLength(30);
  const zeta = ids.filter((_id, nth) => nth % 3 === 0);
  expect(new Set(await all({ account: "zeta" }, 3))).toEqual(new Set(zeta));
  const both = ids.filter((_id, nth) => nth % 6 === 0);
  expect(new Set(await all({ account: "zeta", type: "topic" }, 2))).toEqual(new Set(both));
});

test("a report is found by status, kind, tag, words of its reason, part of its id and what was spent", async () => {
  expect(new Set(await all({ status: "needs_review" }))).toEqual(new Set([at(4), at(7)]));
  expect(await all({ kind: "contract" })).toEqual([at(4)]);
  expect(await all({ kind: "cost" })).toEqual([]);
  expect(await all({ status: "cancelled" })).toEqual([at(9)]);
  expect(await all({ status: "cancelled", type: "topic" })).toEqual([]);
  expect(await all({ tag: { name: "order", value: "#12" } })).toEqual([at(12)]);
  expect(await all({ tag: { name: 'a "quoted" name', value: "x" } })).toHaveLength(30);
  expect(await all({ text: "lacks the field (TITLE)" })).toEqual([at(4)]);
  // Signs of a pattern are only signs.
  expect(await all({ text: "[50%]" })).toEqual([at(9)]);
  expect(await all({ text: ".*" })).toEqual([]);
  expect(await all({ text: at(21).slice(3, 15) })).toEqual([at(21)]);
  expect(await all({ overMicros: 2_000_000 })).toEqual([at(11)]);
  expect(await all({ overMicros: 2_000_001 })).toEqual([]);
});

test("the counts by status are those of the reports, and the oldest that waits is known", async () => {
  const counts = Object.fromEntries(
    (await countByStatus(store)).map(({ status, count, oldestAt }) => [status, { count, oldestAt }]),
  );
  const oldest = await readReport(store, at(0));
  expect(counts).toMatchObject({
    pending: { count: 27, oldestAt: oldest?.report.createdAt },
    needs_review: { count: 2 },
    cancelled: { count: 1 },
    failed: { count: 0, oldestAt: null },
  });
});

test("a search that finds nothing among very many says where it stopped, and goes on from there", async () => {
  const many = openTestStore("find-many");
  try {
    const pipeline = many.redis.pipeline();
    for (let nth = 0; nth < 2_500; nth++) {
      const id = aReportId();
      pipeline.hset(many.keys.report(id), { id, account: "acme", type: "topic", status: "completed" });
      pipeline.zadd(many.keys.indexAll, nth + 1, id);
    }
    await pipeline.exec();
    const seen: number[] = [];
    let after: Place | undefined;
    do {
      const page = await findReports(many, { text: "nowhere" }, { limit: 50, after });
      expect(page.reports).toEqual([]);
      seen.push(page.lookedAt);
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(seen).toEqual([1_000, 1_000, 500]);
  } finally {
    many.close();
  }
});
