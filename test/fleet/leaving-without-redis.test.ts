/** A process that is told to end while its Redis is away, perhaps for good: it ends by itself, says so, and loses nothing. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { startSimulatedProvider, startTestFleet, waitFor } from "../../src/testing.ts";
import { connectForCommand } from "../../src/store/redis.ts";
import { checkBooks } from "../support/check-books.ts";
import { startFleetProcess } from "../support/fleet-process.ts";
import { startPrivateRedis, uniqueFleet } from "../support/redis.ts";
import { aSteppedType } from "../support/report-types/index.ts";

const ENDED_WITHOUT = expect.stringContaining(
  "Redis does not answer, so this process ends without it",
) as string;

/** On a Redis of its own. */
async function aProcess(roles: string, onTestFinished: TestContext["onTestFinished"]) {
  const redis = await startPrivateRedis({ aof: true });
  onTestFinished(() => redis.stop());
  const provider = await startSimulatedProvider({ latency: "none" });
  onTestFinished(() => provider.close());
  const role = await startFleetProcess({
    redisUrl: redis.url,
    fleet: uniqueFleet("leaving"),
    roles,
    providerUrl: provider.url,
    timeScale: 0.1,
    env: { PORT: "0" },
  });
  onTestFinished(() => role.kill("SIGKILL"));
  return { redis, role };
}

for (const [how, signal] of [
  ["is gone for good", "SIGKILL"],
  ["is frozen", "SIGSTOP"],
] as const)
  test.concurrent(`a process whose Redis ${how} ends when it is told to, once, and says that it went without it`, async ({
    onTestFinished,
  }) => {
    const { redis, role } = await aProcess("api,orchestrator,worker", onTestFinished);
    await redis.kill(signal);
    onTestFinished(() => (signal === "SIGSTOP" ? redis.kill("SIGCONT") : undefined));
    role.child.kill("SIGTERM");
    expect(await role.finished).toMatchObject({ code: EXIT.ok, stderr: ENDED_WITHOUT });
  });

test.concurrent("a process whose Redis takes no write ends when it is told to, once, and says that it could not sign off", async ({
  onTestFinished,
}) => {
  const { redis, role } = await aProcess("worker", onTestFinished);
  const admin = connectForCommand(redis.url);
  onTestFinished(() => admin.disconnect());
  await admin.config("SET", "min-replicas-to-write", "1");
  role.child.kill("SIGTERM");
  expect(await role.finished).toMatchObject({
    code: EXIT.ok,
    stderr: expect.stringContaining("this process could not sign off") as string,
  });
});

test.concurrent("what was paid while Redis was away is not paid again, though its worker was told to end before Redis came back", async ({
  onTestFinished,
}) => {
  const redis = await startPrivateRedis({ aof: true });
  onTestFinished(() => redis.stop());
  const provider = await startSimulatedProvider({ latency: { firstByteMs: [1_000, 1_000], perTokenMs: 0 } });
  onTestFinished(() => provider.close());
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const fleet = uniqueFleet("leaving");
  const desk = await startTestFleet({
    redisUrl: redis.url,
    fleet,
    types: [aSteppedType],
    roles: ["orchestrator"],
    provider,
  });
  onTestFinished(() => desk.stop());
  const startWorker = async () => {
    const worker = await startFleetProcess({
      redisUrl: redis.url,
      fleet,
      roles: "worker",
      providerUrl: provider.url,
      timeScale: 0.1,
      env: { DATA_DIR: dir },
    });
    onTestFinished(() => worker.kill("SIGKILL"));
    return worker;
  };
  await desk.grant("acme", 10);
  const worker = await startWorker();
  const id = await desk.submit({ account: "acme", type: "stepped", source: { topic: "tides" } });
  await waitFor(
    async () => (await desk.events(id)).some(({ event }) => event === "call.begun"),
    () => "nothing is asked",
  );
  await redis.kill("SIGKILL");
  worker.child.kill("SIGTERM");
  expect(await worker.finished).toMatchObject({ code: EXIT.ok, stderr: ENDED_WITHOUT });
  expect(readdirSync(join(dir, "spool"))).toHaveLength(1);

  await redis.restart();
  await startWorker();
  await desk.delivered(id);
  const billed = provider.ledger().filter((row) => row.billed);
  // The draft of before, and the polish.
  expect(billed).toHaveLength(2);
  expect(await checkBooks(desk.store, provider.ledger())).toEqual([]);
});
