/**
 * What earlier releases left in Redis is read, resumed and delivered by this code; and what a later release writes is
 * left alone by this one until a newer worker comes.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { correctSource } from "../../src/desk/correct-source.ts";
import { completeRest } from "../../src/desk/complete-rest.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { readIntakeAnswer } from "../../src/store/intake.ts";
import { listApiKeys } from "../../src/store/api-keys.ts";
import { turnBreaker } from "../../src/store/breakers.ts";
import { listCases } from "../../src/store/cases.ts";
import { readArtefact } from "../../src/store/deliver.ts";
import { pack } from "../../src/store/packed.ts";
import { connectPatiently } from "../../src/store/redis.ts";
import { listReports } from "../../src/store/reports.ts";
import { listWebhooks } from "../../src/store/webhooks.ts";
import { startTestFleet, waitFor } from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { checkStakes } from "../support/check-reviews.ts";
import { listReleases, loadRelease } from "../support/load-release.ts";
import { startPrivateRedis, testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aSteppedType, aTopicType } from "../support/report-types/index.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const RULING = { by: "ops", why: "the upgrade is over" };

test.each(listReleases())(
  "reports of release %s in every state are read, resumed and delivered",
  async (version) => {
    const server = await startPrivateRedis({ aof: false });
    closing.push(() => server.stop());
    const redis = connectPatiently(server.url);
    closing.push(() => redis.disconnect());
    const data = await loadRelease(redis, version);
    const id = (state: string): ReportId => data.reports[state] ?? "rp-none";
    const fleet = await startTestFleet({
      redisUrl: server.url,
      fleet: data.fleet,
      types: [aTopicType, aSteppedType],
      durations: { suspectAfterMs: 1_000, wakeAfterMs: 1_000 },
    });
    closing.push(() => fleet.stop());
    const { store, workshop } = { store: fleet.store, workshop: fleet.fleet.workshop };

    for (const [state, report] of Object.entries(data.reports)) {
      const { tags, account } = (await fleet.read(report)).report;
      expect({ account, tags: tags["state"] ?? state }).toEqual({ account: "acme", tags: state });
    }
    // What had ended stays as it was, to the byte of the document.
    expect(await readArtefact(store, id("completed"))).toMatchObject({
      ok: true,
      artefact: { title: "rivers" },
    });
    expect((await fleet.read(id("failed"))).report).toMatchObject({ status: "failed", hold: "reversed" });
    expect((await fleet.read(id("cancelled"))).report).toMatchObject({
      status: "cancelled",
      hold: "reversed",
    });
    const repeat = {
      account: "acme",
      type: "topic",
      source: { topic: "rivers" },
      idempotencyKey: "key-completed",
    };
    expect(await fleet.submit(repeat)).toBe(id("completed"));
    // What was under way goes on, from whatever was paid.
    await fleet.delivered(id("running"));
    await fleet.delivered(id("waiting_for_retry"));
    await fleet.delivered(id("outbox"));
    // Sums, lists and ranks that the earlier release knew nothing of are there once it is gone.
    await waitFor(
      async () => (await store.redis.exists(store.keys.layout)) === 1 || null,
      () => "sums and lists of the earlier release are not complete",
    );
    const groups = await store.redis.zrange(store.keys.groups, "0", "-1");
    expect(groups.length).toBeGreaterThan(0);
    for (const group of groups) expect(await checkStakes(store, group)).toEqual([]);
    // What waited for a person takes their decision.
    await correctSource(workshop, id("needs_review"), { topic: "whole bridges" }, RULING);
    await fleet.delivered(id("needs_review"));
    await turnBreaker(store, "stepped", { to: "closed", by: "ops", reason: "the upgrade is over" });
    await fleet.delivered(id("postponed"));
    await completeRest(workshop, id("partial"), RULING);
    await fleet.delivered(id("partial"));
    expect((await fleet.read(id("partial"))).report).toMatchObject({ delivery: "full" });
    // Beside the reports: an order that nobody had answered, keys, endpoints, books.
    const answer = await waitFor(
      () => readIntakeAnswer(store, "acme", "by-stream", "0-0"),
      () => "the entry is not answered",
    );
    expect(answer).toMatchObject({ outcome: "admitted" });
    expect((await listApiKeys(store, 10)).map(({ name }) => name)).toEqual(["shop"]);
    expect((await listWebhooks(store)).map(({ id: endpoint }) => endpoint)).toEqual(["we-release"]);
    await waitFor(
      async () => ((await fleet.balance("acme"))?.held === 0 ? true : null),
      () => "credits are still held",
    );
    // Counters count from the first version that counts.
    const drift = (await checkBooks(store)).filter((problem) => !/^fleet_\w+_total/.test(problem));
    expect(drift).toEqual([]);
  },
);

test("a report that a newer release has written is left alone by this one: no attempt, no failure, and the others go on", async () => {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("newer"),
    types: [aTopicType],
    concurrency: 1,
    durations: { wakeAfterMs: 300 },
    faults: [{ match: { contains: "slow" }, fault: { kind: "slow_drip", everyMs: 100, chunks: 5 } }],
  });
  closing.push(() => fleet.stop());
  const { store } = fleet;
  await fleet.grant("acme", 50);
  const order = (topic: string) => fleet.submit({ account: "acme", type: "topic", source: { topic } });
  // Has the only place, so that the next one is not begun yet.
  const first = await order("slow rivers");
  const newer = await order("new rivers");
  await store.redis.hset(store.keys.report(newer), "v", "2");
  await fleet.delivered(first);
  await fleet.delivered(await order("other rivers"));

  await expect(fleet.read(newer)).rejects.toMatchObject({
    code: "newer_version",
    message: expect.stringMatching(/written by a newer release .* left alone here/),
  });
  expect((await listReports(store, { limit: 10 })).map(({ report }) => report.id)).not.toContain(newer);
  expect(fleet.ledger()).toHaveLength(4);
  // Whoever knows it will find it: it still has its job, and its row for the sweeper.
  expect(await store.redis.zscore(store.keys.wakeups, newer)).not.toBeNull();
  expect(await store.redis.hget(store.keys.report(newer), "failure")).toBeNull();

  await store.redis.hset(store.keys.report(newer), "v", "1");
  await fleet.delivered(newer);
  for (const { attempts } of await fleet.sections(newer))
    expect(attempts).toEqual({ transient: 0, repair: 0, crash: 0 });
});

test("documents, cases, endpoints and spooled answers of a newer release are left alone, too", async () => {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-newer-"));
  closing.push(() => rmSync(dir, { recursive: true }));
  mkdirSync(join(dir, "spool"));
  writeFileSync(join(dir, "spool", "1.answer.json"), JSON.stringify({ v: 2, later: "words" }));
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("newer-rest"),
    types: [aTopicType],
    spoolDir: join(dir, "spool"),
    faults: [{ match: { contains: "broken" }, fault: { kind: "context_length" } }],
  });
  closing.push(() => fleet.stop());
  const { store } = fleet;
  expect(readdirSync(join(dir, "spool"))).toEqual(["1.answer.json"]);
  await fleet.grant("acme", 50);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "broken mills" } });
  await fleet.reaches(id, "needs_review");
  const [found] = await listCases(store, { limit: 1 });
  await store.redis.hset(store.keys.case(found?.id ?? ""), "v", "2");
  expect((await listCases(store, { limit: 10 })).map((one) => one.id)).not.toContain(found?.id);

  const done = await fleet.submit({ account: "acme", type: "topic", source: { topic: "mills" } });
  const artefact = await fleet.delivered(done);
  const later = JSON.stringify({ ...artefact, v: 2 });
  const hash = await store.redis.hget(store.keys.artefact(done), "hash");
  await store.redis.hset(store.keys.artefact(done), `document:${hash}`, pack(later));
  await expect(readArtefact(store, done)).rejects.toMatchObject({ code: "newer_version" });
});
