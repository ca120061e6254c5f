import { execFileSync } from "node:child_process";
import { FlowProducer, Queue, UnrecoverableError, Worker } from "bullmq";
import { afterEach, expect, onTestFinished, test } from "vitest";
import {
  startSimulatedProvider,
  startTestFleet,
  waitFor,
  type TestFleet,
  type TestFleetSettings,
} from "../../src/testing.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { defineReport } from "../../src/report-types/define-report.ts";
import { deliver, saveArtefact } from "../../src/store/deliver.ts";
import { readLedger } from "../../src/store/credits.ts";
import { REPORTS_QUEUE, reportJobId, sectionsQueue, type SectionJobData } from "../../src/store/queues.ts";
import { connectForBlocking } from "../../src/store/redis.ts";
import { Sweeper } from "../../src/workers/sweeper.ts";
import { billedByMark, billedMicros, duplicatesIn } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType, aPlannedType, aSteppedType, aTopicType } from "../support/report-types/index.ts";

const open: TestFleet[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((fleet) => fleet.stop()));
});

async function aFleet(settings: Partial<TestFleetSettings> = {}): Promise<TestFleet> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("delivery"),
    types: [aTopicType, aChainedType, aPlannedType, aSteppedType],
    ...settings,
  });
  open.push(fleet);
  await fleet.grant("acme", 100);
  return fleet;
}

const ORDER = { account: "acme", source: { topic: "lighthouses" } };

test("a buyer gets the whole report and is charged once, with delivery", async () => {
  const fleet = await aFleet();
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  expect(await fleet.balance("acme")).toMatchObject({ available: 95, held: 5, committed: 0 });

  const artefact = await fleet.delivered(id);
  expect(artefact.title).toBe("lighthouses");
  expect(artefact.sections.map(({ key }) => key)).toEqual(["first", "second"]);
  expect(artefact.markdown).toContain("## The first part");
  expect(await fleet.balance("acme")).toEqual({
    account: "acme",
    available: 95,
    held: 0,
    committed: 5,
    deposits: 100,
  });
  const entries = await readLedger(fleet.store, "acme");
  expect(entries.map(({ id: nth, verb, credits }) => [nth, verb, credits])).toEqual([
    [3, "commit", 5],
    [2, "reserve", 5],
    [1, "grant", 100],
  ]);
});

test("every cent the provider billed is on the report's books, and has an outcome", async () => {
  const fleet = await aFleet();
  const id = await fleet.submit({ ...ORDER, type: "stepped" });
  await fleet.delivered(id);
  const spend = await fleet.spend(id);
  expect(spend.total).toBe(billedMicros(fleet.ledger()));
  expect(spend).toMatchObject({ pending: 0, wasted: 0, unknown: 0, useful: spend.total });
  expect((await fleet.read(id)).inFlightMicros).toBe(0);
});

test("sections that read others are written in later rounds, each once", async () => {
  const fleet = await aFleet();
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  await fleet.delivered(id);
  expect(billedByMark(fleet.ledger())).toEqual({
    "chained/outline/write": 1,
    "chained/body/write": 1,
    "chained/summary/write": 1,
  });
  const rounds = (await fleet.events(id)).filter(({ event }) => event === "run.started");
  expect(rounds).toMatchObject([
    { sections: ["outline"] },
    { sections: ["body"] },
    { sections: ["summary"] },
  ]);
});

test("Bull Board's flow shows the report with one child a section, in every round", async () => {
  const fleet = await aFleet({ latency: { firstByteMs: [150, 150], perTokenMs: 0 } });
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  const { store } = fleet;
  const flow = new FlowProducer({ connection: store.redis, prefix: store.keys.queuePrefix });
  const childrenNow = async () => {
    const tree = await flow.getFlow({
      id: reportJobId(id, 1),
      queueName: REPORTS_QUEUE,
      prefix: store.keys.queuePrefix,
    });
    return (tree?.children ?? []).map(({ job }) => job.name).sort();
  };
  for (const expected of [["outline"], ["body", "outline"], ["body", "outline", "summary"]]) {
    await waitFor(
      async () => (await childrenNow()).length === expected.length,
      () => `the flow has not ${expected.length} children`,
    );
    expect(await childrenNow()).toEqual(expected);
  }
  await fleet.delivered(id);
  expect(await childrenNow()).toEqual(["body", "outline", "summary"]);
  await flow.close();
});

test("a plan made by a model is paid once, as a section, and every planned section is delivered", async () => {
  const fleet = await aFleet();
  const id = await fleet.submit({ ...ORDER, type: "planned" });
  const artefact = await fleet.delivered(id);
  const plan = (await fleet.read(id)).plan ?? [];
  expect(plan[0]?.key).toBe("plan");
  expect(artefact.sections.map(({ key }) => key)).toEqual(plan.slice(1).map(({ key }) => key));
  expect(duplicatesIn(fleet.ledger())).toBe(0);
  expect(fleet.ledger()).toHaveLength(plan.length);
});

test("an orchestrator needs no provider and makes no LLM call, not even to plan", async () => {
  const fleetName = uniqueFleet("orchestrator");
  const worker = await aFleet({ fleet: fleetName, roles: ["worker"] });
  const provider = await startSimulatedProvider({ latency: "none" });
  const orchestrator = await aFleet({ fleet: fleetName, roles: ["orchestrator"], provider });
  const id = await orchestrator.submit({ ...ORDER, type: "planned" });
  await orchestrator.delivered(id);
  expect(provider.ledger()).toEqual([]);
  expect(worker.ledger().length).toBeGreaterThan(2);
  await provider.close();
});

test("a step is done once, and the call after it sees its result", async () => {
  const fleet = await aFleet();
  const id = await fleet.submit({ ...ORDER, type: "stepped" });
  await fleet.delivered(id);
  const names = (await fleet.events(id)).flatMap((event) =>
    event.event === "step.completed" ? [event.step] : [],
  );
  expect(names).toEqual(["count"]);
  expect(billedByMark(fleet.ledger())).toEqual({ "stepped/body/draft": 1, "stepped/body/polish": 1 });
});

test("a job that a stranger adds to our queues ends at once and costs nothing", async () => {
  const fleet = await aFleet();
  const { store } = fleet;
  const options = { connection: store.redis, prefix: store.keys.queuePrefix };
  const parents = new Queue(REPORTS_QUEUE, options);
  const sections = new Queue(sectionsQueue("topic"), options);
  const ghost = `rp-${"0".repeat(25)}`;
  const jobs = [
    await parents.add("report", { report: ghost, run: 1 }),
    await sections.add("first", { report: ghost, section: "first", run: 1, round: 1 }),
  ];
  for (const job of jobs)
    await waitFor(
      async () => (await job.getState()) === "completed",
      () => "the stranger's job does not end",
    );
  expect(fleet.ledger()).toEqual([]);
  await Promise.all([parents.close(), sections.close()]);
});

test("a process that has finished its work has nothing in hand", async () => {
  const fleet = await aFleet();
  const ids = await Promise.all([
    fleet.submit({ ...ORDER, type: "chained" }),
    fleet.submit({ ...ORDER, type: "planned" }),
  ]);
  for (const id of ids) await fleet.delivered(id);
  const { redis, keys } = fleet.store;
  await waitFor(
    async () => (await redis.hlen(keys.inHand(fleet.fleet.processId))) === 0,
    () => "jobs stay in hand",
    5_000,
  );
});

test("whoever assembles a document after the delivery does not replace what the customer was given", async () => {
  const fleet = await aFleet();
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  const delivered = await fleet.delivered(id);
  // An orchestrator that slept through the delivery, with another version of the type.
  await saveArtefact(fleet.store, { ...delivered, title: "stale" }, "another-hash");
  const { report } = await fleet.read(id);
  await deliver(fleet.store, report, "another-hash", { delivery: "full", sections: [] });
  expect((await fleet.delivered(id)).title).toBe("lighthouses");
});

test("a document made of a section that the store has forgotten is not delivered: the section is written again, from what was paid", async () => {
  let assembled = 0;
  const type = defineReport({
    ...aTopicType,
    assemble: (given) => {
      if (given.report.id === id && ++assembled === 1) forget(fleet.store.keys.section(id, "first"));
      return aTopicType.assemble(given);
    },
  });
  const fleet = await aFleet({ types: [type] });
  const id: ReportId = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.delivered(id);
  expect(assembled).toBe(2);
  expect(await fleet.balance("acme")).toMatchObject({ available: 95, held: 0, committed: 5 });
  expect(duplicatesIn(fleet.ledger())).toBe(0);
});

/** Before whoever calls this does anything else: as if a failover came in this very moment. */
function forget(section: string): void {
  const program = `
    import { Redis } from "ioredis";
    const redis = new Redis(${JSON.stringify(testRedisUrl())});
    await redis.hset(${JSON.stringify(section)}, "status", "pending");
    redis.disconnect();`;
  execFileSync(process.execPath, ["--input-type=module", "--eval", program]);
}

test("ten orders at once are each written once and charged once", async () => {
  const fleet = await aFleet();
  const ids = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      fleet.submit({ account: "acme", type: "topic", source: { topic: `harbour ${n}` } }),
    ),
  );
  for (const id of ids) await fleet.delivered(id);
  expect(fleet.ledger()).toHaveLength(20);
  expect(duplicatesIn(fleet.ledger())).toBe(0);
  expect(await fleet.balance("acme")).toMatchObject({ available: 50, held: 0, committed: 50 });
});

/** A report whose section jobs wait for a worker that is not there yet, and an orchestrator that soon looks after it. */
async function aReportBeforeItsWorkers() {
  const fleet = uniqueFleet("delivery");
  const provider = await startSimulatedProvider({ latency: "none" });
  const desk = await aFleet({ fleet, provider, roles: ["orchestrator"], durations: { wakeAfterMs: 500 } });
  const id = await desk.submit({ ...ORDER, type: "topic" });
  const { redis, keys } = desk.store;
  const queue = `${keys.queuePrefix}:${sectionsQueue("topic")}`;
  await waitFor(
    async () => (await redis.zcard(`${queue}:prioritized`)) === 2,
    () => "its sections are not in the queue",
  );
  return { id, desk, redis, queue, startWorker: () => aFleet({ fleet, provider, roles: ["worker"] }) };
}

test("a report whose section jobs were all deleted is begun anew and delivered", async () => {
  const { id, desk, redis, queue, startWorker } = await aReportBeforeItsWorkers();
  const deleted = await redis.keys(`${queue}:*`);
  expect(deleted.filter((key) => key.startsWith(`${queue}:${id}.`))).toHaveLength(2);
  await redis.del(...deleted);
  await startWorker();
  await desk.delivered(id);
  expect(await desk.balance("acme")).toMatchObject({ held: 0, committed: 5 });
});

test("a section that has failed and is queued once more for a lost reply keeps no report waiting", async () => {
  const { id, desk, startWorker } = await aReportBeforeItsWorkers();
  const { queues, store } = desk.fleet.workshop;
  const connection = connectForBlocking(testRedisUrl());
  const prefix = store.keys.queuePrefix;
  const worker = new Worker<SectionJobData>(sectionsQueue("topic"), null, {
    connection,
    prefix,
    autorun: false,
  });
  onTestFinished(async () => {
    await worker.close(true);
    connection.disconnect();
  });
  const job = await worker.getNextJob("token");
  if (job === undefined) throw new Error("No section is in the queue.");
  await job.moveToFailed(new UnrecoverableError("it has gone wrong"), "token", false);
  const parent = { id: reportJobId(id, 1), queueKey: `${prefix}:${REPORTS_QUEUE}` };
  const { report } = await desk.read(id);
  await queues.addSections(parent, "topic", report.turn, [job.data]);
  // BullMQ lets the parent wait for it again, though it has ended.
  const waitsFor = await store.redis.smembers(`${parent.queueKey}:${parent.id}:dependencies`);
  expect(waitsFor).toContain(`${prefix}:${sectionsQueue("topic")}:${job.id}`);

  await startWorker();
  await desk.delivered(id);
  expect(await desk.balance("acme")).toMatchObject({ held: 0, committed: 5 });
});

test("sections that a machine with a clock an hour ahead put off are written in time by the others", async () => {
  const { id, desk, redis, queue, startWorker } = await aReportBeforeItsWorkers();
  const jobs = await redis.zrange(`${queue}:prioritized`, "0", "-1");
  await redis.del(`${queue}:prioritized`);
  // As BullMQ keeps them: the time to go on, and twelve bits of order.
  const anHourAhead = (Date.now() + 3_600_000) * 0x1000;
  for (const job of jobs) await redis.zadd(`${queue}:delayed`, String(anHourAhead), job);
  await startWorker();
  await desk.delivered(id);
  for (const section of await desk.sections(id))
    expect(section.attempts).toEqual({ transient: 0, repair: 0, crash: 0 });
});

test("a chore that never ends is begun once, and the sweeper goes on with everything else", async () => {
  const { workshop } = (await aFleet({ roles: ["worker"] })).fleet;
  const begun: string[] = [];
  const sweeper = new Sweeper({
    ...workshop,
    chores: [
      () => {
        begun.push("endless");
        return new Promise<void>(() => undefined);
      },
      async () => {
        begun.push("short");
      },
    ],
  });
  await sweeper.sweep();
  await sweeper.sweep();
  expect(begun).toEqual(["endless", "short", "short"]);
  await sweeper.stop();
});
