/**
 * A fleet behind a real sentinel: its primary dies, or freezes and comes back. The fleet goes on by itself with what the
 * replica had received, which is all that a failover promises (docs/redis.md).
 */
import { afterEach, expect, test } from "vitest";
import { quickClient } from "../../scripts/redis/redis-server.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { duplicatesIn } from "../support/ledger.ts";
import { aSteppedType } from "../support/report-types/index.ts";
import { startWatchedPair, type Watched } from "../support/sentinel.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const REPORTS = 6;

async function writing(): Promise<{ fleet: TestFleet; watched: Watched; reports: ReportId[] }> {
  const watched = await startWatchedPair();
  closing.push(() => watched.stop());
  const fleet = await startTestFleet({
    redisUrl: watched.url,
    types: [aSteppedType],
    faults: [{ match: {}, fault: { kind: "slow_drip", everyMs: 50, chunks: 10 } }],
  });
  closing.push(() => fleet.stop());
  await fleet.grant("acme", 100);
  const reports: ReportId[] = [];
  for (let n = 0; n < REPORTS; n++)
    reports.push(await fleet.submit({ account: "acme", type: "stepped", source: { topic: `harbour ${n}` } }));
  await waitFor(
    async () => fleet.ledger().filter(({ billed }) => billed).length >= REPORTS / 2,
    () => "nothing is written yet",
  );
  // What the replica has is what this test may ask for.
  expect(await fleet.store.redis.call("WAIT", 1, 5_000)).toBe(1);
  return { fleet, watched, reports };
}

async function takenOver(watched: Watched): Promise<void> {
  await waitFor(
    async () => (await watched.primaryPort()) === watched.replica.port,
    () => "no replica took over",
  );
}

async function expectAllDelivered({ fleet, reports }: { fleet: TestFleet; reports: ReportId[] }) {
  for (const id of reports) await fleet.delivered(id);
  expect(await fleet.balance("acme")).toMatchObject({ held: 0, committed: REPORTS * 5 });
  // A call whose record was on its way is asked again, and no other: one a report may be on its way.
  expect(duplicatesIn(fleet.ledger())).toBeLessThanOrEqual(REPORTS);
}

test("the primary is killed: a replica takes over, and every report that it knows is delivered and charged once", async () => {
  const set = await writing();
  set.watched.primary.kill("SIGKILL");
  await takenOver(set.watched);
  await expectAllDelivered(set);
  // The provider may have been asked for what the lost moment had recorded, so only our own half must agree.
  expect(await checkBooks(set.fleet.store)).toEqual([]);
  const late = await set.fleet.submit({ account: "acme", type: "stepped", source: { topic: "afterwards" } });
  await set.fleet.delivered(late);
});

test("the primary freezes and wakes up as nobody's primary: nothing is written there any more", async () => {
  const set = await writing();
  set.watched.primary.kill("SIGSTOP");
  await takenOver(set.watched);
  await expectAllDelivered(set);
  set.watched.primary.kill("SIGCONT");
  const late = await set.fleet.submit({ account: "acme", type: "stepped", source: { topic: "afterwards" } });
  await set.fleet.delivered(late);
  await waitFor(
    () => isReplica(set.watched.primary.port),
    () => "the old primary is not told that it is one no longer",
  );
  expect(await checkBooks(set.fleet.store)).toEqual([]);
});

async function isReplica(port: number): Promise<boolean> {
  // It breaks its connections when it is demoted.
  const redis = quickClient(port);
  try {
    return (await redis.info("replication")).includes("role:slave");
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
