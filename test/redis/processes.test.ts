import { spawnSync } from "node:child_process";
import { Worker } from "bullmq";
import { expect, onTestFinished, test } from "vitest";
import { beat, listProcesses, noteFetchers } from "../../src/store/processes.ts";
import { sectionsQueue } from "../../src/store/queues.ts";
import { connectForBlocking, openStore } from "../../src/store/redis.ts";
import { startTestFleet, waitFor } from "../../src/testing.ts";
import { identifyProcess, isCertainlyGone } from "../../src/workers/process-identity.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

/** A process of this host that has ended: its pid is free. */
function aDeadProcess() {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  return { ...identifyProcess(["worker"]), id: `dead-${pid}`, pid, started: "1" };
}

test("a job that a process fetched and had no time to write down is handed on at once", async () => {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("processes"),
    types: [aTopicType],
    roles: ["orchestrator"],
  });
  const { store, workshop } = { store: fleet.store, workshop: fleet.fleet.workshop };
  const connection = connectForBlocking(testRedisUrl());
  const name = sectionsQueue("topic");
  const fetcher = new Worker(name, null, {
    connection,
    prefix: store.keys.queuePrefix,
    autorun: false,
    lockDuration: 60_000,
  });
  try {
    const job = await workshop.queues.queue(name).add("first", {});
    const dead = aDeadProcess();
    await noteFetchers(store, dead.id, { [fetcher.id]: name });
    expect((await fetcher.getNextJob(`${fetcher.id}:0`))?.id).toBe(job.id);
    expect(await job.getState()).toBe("active");

    await beat(store, dead);
    await waitFor(
      async () => (await job.getState()) === "waiting",
      () => "the job stays with the dead",
      10_000,
    );
    await waitFor(
      async () => !(await listProcesses(store)).some(({ id }) => id === dead.id),
      () => "the dead is still registered",
      10_000,
    );
  } finally {
    await fetcher.close(true);
    connection.disconnect();
    await fleet.stop();
  }
});

test("the work of a sweeper that died is handed on though its lease has not ended", async () => {
  const redis = connectForBlocking(testRedisUrl());
  const store = openStore(redis, uniqueFleet("processes"));
  onTestFinished(() => redis.disconnect());
  const dead = aDeadProcess();
  await store.redis.set(store.keys.sweeperLease, dead.id, "PX", 600_000);
  await beat(store, dead);
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: store.fleet,
    types: [aTopicType],
    roles: ["orchestrator"],
  });
  onTestFinished(() => fleet.stop());
  await waitFor(
    async () => !(await listProcesses(store)).some(({ id }) => id === dead.id),
    () => "the dead is still registered",
    10_000,
  );
  expect(await store.redis.get(store.keys.sweeperLease)).toBe(dead.id);
});

test("only a process of this very host, boot and pid namespace is certainly gone", () => {
  const dead = { ...aDeadProcess(), beat: 1, drainedBy: null };
  expect(isCertainlyGone(dead)).toBe(true);
  expect(isCertainlyGone({ ...dead, home: "another-host/boot/pid:[1]" })).toBe(false);
  expect(isCertainlyGone({ ...identifyProcess(["worker"]), beat: 1, drainedBy: null })).toBe(false);
  // The pid lives, but it is another process by now.
  expect(isCertainlyGone({ ...identifyProcess(["worker"]), started: "1", beat: 1, drainedBy: null })).toBe(
    true,
  );
});
