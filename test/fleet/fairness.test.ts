import { isDeepStrictEqual } from "node:util";
import { Job } from "bullmq";
import { afterEach, expect, test } from "vitest";
import { cancelReport } from "../../src/desk/end-by-person.ts";
import { isFleetError } from "../../src/domain/fleet-error.ts";
import { isFinished } from "../../src/domain/report.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { readSnapshot, reportRow } from "../../src/producer/report-view.ts";
import { submitReport, type ReportRequest } from "../../src/producer/submit-report.ts";
import { listInHand } from "../../src/store/processes.ts";
import { countPlaces } from "../../src/store/places.ts";
import { REPORTS_QUEUE, reportJobId, sectionsQueue } from "../../src/store/queues.ts";
import { redisNow } from "../../src/store/redis.ts";
import { readEvents } from "../../src/store/read-events.ts";
import { startTestFleet, waitFor, type TestFleet, type TestFleetSettings } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const open: TestFleet[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((fleet) => fleet.stop()));
});

async function aFleet(settings: Partial<TestFleetSettings> = {}): Promise<TestFleet> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("fairness"),
    types: [aTopicType],
    ...settings,
  });
  open.push(fleet);
  return fleet;
}

function order(account: string, nth: number, more: Partial<ReportRequest> = {}): ReportRequest {
  return { account, type: "topic", source: { topic: `${account} ${nth}` }, ...more };
}

/** Orders them in groups, as a busy client would. */
async function orderMany(fleet: TestFleet, account: string, number: number): Promise<ReportId[]> {
  const ids: ReportId[] = [];
  for (let start = 0; start < number; start += 50)
    ids.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(50, number - start) }, (_, n) =>
          fleet.submit(order(account, start + n)),
        ),
      )),
    );
  return ids;
}

/** From the order to the first section, by the clock of Redis. */
async function startMs(fleet: TestFleet, id: ReportId): Promise<number> {
  return waitFor(
    async () => {
      const events = await readEvents(fleet.store, id, "0");
      const [ordered] = events;
      const begun = events.find(
        ({ event }) => event.event === "section.status" && event.status === "running",
      );
      return ordered === undefined || begun === undefined ? null : Math.max(1, begun.at - ordered.at);
    },
    () => `${id} has not begun`,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

test("with a thousand reports of one account waiting, another account's report begins about as soon as on an idle fleet", async () => {
  const concurrency = 16;
  // Sections of a third of a second: the places are always taken, and one is given back every 20 ms or so.
  const fleet = await aFleet({ concurrency, latency: { firstByteMs: [300, 350], perTokenMs: 0 } });
  await fleet.grant("flood", 10_000);
  const idle: number[] = [];
  for (let nth = 0; nth < 5; nth++) {
    await fleet.grant(`early-${nth}`, 5);
    idle.push(await startMs(fleet, await fleet.submit(order(`early-${nth}`, 0))));
  }

  await orderMany(fleet, "flood", 1_000);
  const late: number[] = [];
  const overtaken: number[] = [];
  for (let nth = 0; nth < 5; nth++) {
    await fleet.grant(`late-${nth}`, 5);
    const before = fleet.ledger().length;
    late.push(await startMs(fleet, await fleet.submit(order(`late-${nth}`, 0))));
    overtaken.push(fleet.ledger().length - before);
  }
  const { waiting, running } = await countPlaces(fleet.store, "flood");
  // Otherwise it would prove nothing: most of the flood's two thousand sections still wait.
  expect(waiting + running).toBeGreaterThan(700);
  // The floor is for machines that are busy with other tests; first come, first served would be half a minute.
  expect(median(late)).toBeLessThanOrEqual(Math.max(2 * median(idle), 2_000));
  expect(median(overtaken)).toBeLessThanOrEqual(3 * concurrency);
});

const PLACES = 10;

/** A fleet whose places are all taken by one account's calls, none of which ends by itself. */
async function aFullFleet(types = [aTopicType]): Promise<{ fleet: TestFleet; first: ReportId }> {
  const fleet = await aFleet({
    concurrency: PLACES,
    types,
    latency: { firstByteMs: [300_000, 300_000], perTokenMs: 0 },
    durations: { graceMs: 100, callIdleMs: 600_000, callTotalMs: 600_000 },
  });
  await fleet.grant("flood", 1_000);
  // Its first report is first in its own line; it begins while there are places.
  const [first] = await orderMany(fleet, "flood", 1);
  await writes(fleet, { flood: 2 });
  await orderMany(fleet, "flood", PLACES);
  await writes(fleet, { flood: PLACES });
  return { fleet, first: first as ReportId };
}

/** Waits until so many sections of each account are being written, and none of others. */
async function writes(fleet: TestFleet, expected: Record<string, number>): Promise<void> {
  const { store, processId } = fleet.fleet.workshop;
  let last = {};
  await waitFor(
    async () => {
      const sections = (await listInHand(store, processId)).filter(({ section }) => section !== null);
      const accounts = await Promise.all(
        sections.map(async ({ report }) =>
          report === null ? "" : (await fleet.read(report)).report.account,
        ),
      );
      last = Object.fromEntries(
        Object.entries(Object.groupBy(accounts, (account) => account)).map(([account, of]) => [
          account,
          of?.length,
        ]),
      );
      return isDeepStrictEqual(last, expected);
    },
    () => `written are ${JSON.stringify(last)}, not ${JSON.stringify(expected)}`,
    20_000,
  );
}

test("a worker whose every place is held by slow calls of one account begins another account's first section at once", async () => {
  const { fleet } = await aFullFleet();
  await fleet.grant("late", 5);
  const id = await fleet.submit(order("late", 1));
  // No call has ended, so no place was given back.
  expect(await startMs(fleet, id)).toBeLessThan(5_000);
  await writes(fleet, { flood: 10, late: 1 });
});

test("so does one that writes several report types, whichever of them the other account orders", async () => {
  const { fleet } = await aFullFleet([aTopicType, { ...aTopicType, type: "another" }]);
  for (const [nth, type] of ["another", "topic"].entries()) {
    await fleet.grant(`late-${nth}`, 5);
    const id = await fleet.submit(order(`late-${nth}`, 1, { type }));
    expect(await startMs(fleet, id)).toBeLessThan(5_000);
    // The place comes back once it has ended.
    await cancelReport(fleet.fleet.workshop, id, { by: "anna", why: "seen enough" });
    await writes(fleet, { flood: 10 });
  }
});

test("a full worker lends a tenth of its places, to first reports only, and nobody else begins before they are paid back", async () => {
  const { fleet, first } = await aFullFleet();
  const { queues } = fleet.fleet.workshop;
  for (const account of ["late", "later"]) {
    await fleet.grant(account, 5);
    await fleet.submit(order(account, 1));
    await writes(fleet, { flood: 10, late: 1 });
  }
  await waitFor(
    async () => (await queues.firstInLine("topic")) === 3,
    () => "the late accounts' other sections do not wait",
  );
  await cancelReport(fleet.fleet.workshop, first, { by: "anna", why: "to free two places" });
  await writes(fleet, { flood: 8, late: 2, later: 1 });
});

test("the parent and all sections of a report stand at the same place, first among them whoever has fewest outstanding", async () => {
  const fleet = await aFleet({ roles: ["orchestrator"], durations: { sweepMs: 60_000 } });
  await fleet.grant("acme", 100);
  await fleet.grant("bolt", 100);
  const [first, second] = [await fleet.submit(order("acme", 1)), await fleet.submit(order("acme", 2))];
  const urgent = await fleet.submit(order("acme", 3, { priority: "high" }));
  const patient = await fleet.submit(order("acme", 4, { priority: "low" }));
  const other = await fleet.submit(order("bolt", 1));

  async function places(id: ReportId): Promise<number[]> {
    const { queues } = fleet.fleet.workshop;
    const jobIds = [`${id}.first.r1.1`, `${id}.second.r1.1`];
    const children = await waitFor(
      async () => {
        const jobs = await Promise.all(
          jobIds.map((job) => Job.fromId(queues.queue(sectionsQueue("topic")), job)),
        );
        return jobs.every((job) => job !== undefined) ? jobs : null;
      },
      () => `the sections of ${id} are not in the queue`,
    );
    const parent = await Job.fromId(queues.queue(REPORTS_QUEUE), reportJobId(id, 1));
    return [parent, ...children].map((job) => job?.priority ?? Number.NaN);
  }
  expect(await places(first)).toEqual([4, 4, 4]);
  expect(await places(second)).toEqual([8, 8, 8]);
  expect(await places(urgent)).toEqual([3, 3, 3]);
  expect(await places(patient)).toEqual([64, 64, 64]);
  expect(await places(other)).toEqual([4, 4, 4]);
});

test("an account with as many reports waiting as it may is refused, in words, and nothing is held", async () => {
  const fleet = await aFleet({ roles: [], accountLimits: { maxWaiting: 2 } });
  await fleet.grant("acme", 100);
  await fleet.grant("bolt", 100);
  await orderMany(fleet, "acme", 2);
  const refused = await submitReport(
    fleet.fleet.workshop,
    order("acme", 3, { idempotencyKey: "third" }),
  ).catch((error: unknown) => error);
  expect(isFleetError(refused) && [refused.code, refused.message]).toEqual([
    "too_many_reports",
    "Account acme has 2 reports waiting, as many as it may. Nothing was held; submit again once some of them have begun.",
  ]);
  expect(await fleet.balance("acme")).toMatchObject({ available: 90, held: 10 });
  // Others are not affected, and the refusal has not used up the key.
  await fleet.submit(order("bolt", 1));
});

test("reports above an account's running places wait without a job or an attempt, and all are delivered", async () => {
  const fleet = await aFleet({
    accountLimits: { maxRunning: 2 },
    latency: { firstByteMs: [60, 80], perTokenMs: 0 },
  });
  await fleet.grant("acme", 100);
  const ids = await orderMany(fleet, "acme", 6);
  let most = 0;
  await waitFor(
    async () => {
      const { running } = await countPlaces(fleet.store, "acme");
      most = Math.max(most, running);
      const reports = await Promise.all(ids.map((id) => fleet.read(id)));
      return reports.every(({ report }) => isFinished(report.status));
    },
    () => "not all have ended",
  );
  expect(most).toBe(2);
  for (const id of ids) {
    expect((await fleet.read(id)).report.status).toBe("completed");
    for (const section of await fleet.sections(id))
      expect(section.attempts).toEqual({ transient: 0, repair: 0, crash: 0 });
  }
  expect(await countPlaces(fleet.store, "acme")).toEqual({ waiting: 0, running: 0 });
  expect(await fleet.store.redis.exists(fleet.store.keys.cappedAccounts)).toBe(0);
});

test("a report that is late is told of once, in its events, its status and its sentence", async () => {
  const fleet = await aFleet({ latency: { firstByteMs: [1_500, 1_600], perTokenMs: 0 } });
  await fleet.grant("acme", 100);
  const deliverBy = (await redisNow(fleet.store)) + 300;
  const id = await fleet.submit(order("acme", 1, { deliverBy }));
  await waitFor(
    async () => (await fleet.read(id)).report.deadlineMissedAt !== null,
    () => "nobody said that it is late",
  );
  const row = reportRow(await readSnapshot(fleet.store, id));
  expect(row.deliverBy).toBe(deliverBy);
  expect(row.statusText).toContain(
    "It will be later than you asked for. Your 5 credits are held, not charged.",
  );
  await fleet.delivered(id);
  const told = (await fleet.events(id)).filter(({ event }) => event === "report.deadline_missed");
  expect(told).toEqual([
    { event: "report.deadline_missed", report: id, type: "topic", deliverBy, expectedAt: null },
  ]);
  expect(reportRow(await readSnapshot(fleet.store, id)).statusText).not.toContain("later");
});

test("where earlier runs tell, a report's lateness is told long before its time", async () => {
  const fleet = await aFleet({ roles: ["orchestrator"] });
  await fleet.grant("acme", 100);
  for (const section of ["first", "second"])
    await fleet.store.redis.lpush(
      fleet.store.keys.durations("topic", section),
      ...Array.from({ length: 10 }, () => 600_000),
    );
  const deliverBy = (await redisNow(fleet.store)) + 300_000;
  const id = await fleet.submit(order("acme", 1, { deliverBy }));
  await waitFor(
    async () => (await fleet.read(id)).report.deadlineMissedAt !== null,
    () => "nobody said that it will be late",
  );
  const told = (await fleet.events(id)).find(({ event }) => event === "report.deadline_missed");
  expect(told).toMatchObject({ expectedAt: expect.any(Number) as number });
});

test("a time that has passed is refused", async () => {
  const fleet = await aFleet({ roles: [] });
  await fleet.grant("acme", 100);
  await expect(fleet.submit(order("acme", 1, { deliverBy: 1_000 }))).rejects.toThrow(
    "a time that has passed",
  );
  expect(await fleet.balance("acme")).toMatchObject({ available: 100, held: 0 });
});
