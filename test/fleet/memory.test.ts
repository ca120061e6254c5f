/** The memory budget on a Redis that is really small: what is begun is finished, what is new waits or is told so. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { readRedisFacts } from "../../src/store/redis-facts.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { runCommand } from "../support/command-line.ts";
import { duplicatesIn } from "../support/ledger.ts";
import { startPrivateRedis, uniqueFleet, type PrivateRedis } from "../support/redis.ts";
import { aSteppedType, aTopicType } from "../support/report-types/index.ts";

let server: PrivateRedis;
let fleet: TestFleet;

beforeAll(async () => {
  server = await startPrivateRedis({ aof: false });
  fleet = await startTestFleet({
    redisUrl: server.url,
    fleet: uniqueFleet("memory"),
    types: [aTopicType, aSteppedType],
    // One place, so that a test knows who has it.
    concurrency: 1,
    durations: { intakeClaimMs: 200 },
    // A "slow" report's answers take a second each.
    faults: [{ match: { contains: "slow" }, fault: { kind: "slow_drip", everyMs: 100, chunks: 10 } }],
  });
  await fleet.grant("acme", 1_000);
  // Beside this, what connections and jobs take comes to nothing.
  await fleet.store.redis.setrange("ballast", 60 * 1_048_576, "!");
});
afterAll(async () => {
  await fleet?.stop();
  await server?.stop();
});
beforeEach(() => makeRoom());

function makeRoom(): Promise<unknown> {
  return fleet.store.redis.config("SET", "maxmemory", "0");
}

/** Sets the limit so that what is in use now is this share of it. */
async function fill(share: number): Promise<void> {
  const { usedBytes } = await readRedisFacts(fleet.store.redis);
  await fleet.store.redis.config("SET", "maxmemory", Math.round(usedBytes / share));
}

let orders = 0;
function order(word = "quick", type = "topic") {
  orders += 1;
  return { account: "acme", type, source: { topic: `${word} wells ${orders}` } };
}

test("from 70 % on an order is refused with the reason and nothing held, and what was ordered before is written", async () => {
  const before = { ...order(), idempotencyKey: "before" };
  const id = await fleet.submit(before);
  await fill(0.77);
  const held = await fleet.balance("acme");

  await expect(fleet.submit(order())).rejects.toMatchObject({
    code: "store_full",
    message: expect.stringMatching(/Redis uses 7[67] % .* Nothing was held or charged; submit again later/),
  });
  expect((await fleet.balance("acme")).deposits).toBe(held.deposits);
  expect(await fleet.submit(before)).toBe(id);
  await fleet.delivered(id);

  const { code, stderr } = await runCommand(
    ["submit", "topic", "--account", "acme", "--input", '{"topic":"from a terminal"}', "--json"],
    {
      env: {
        REDIS_URL: server.url,
        FLEET: fleet.store.fleet,
        REPORT_TYPES: "./test/support/report-types/index.ts",
      },
    },
  );
  expect(code).toBe(EXIT.storeFull);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: "store_full" } });
});

test("an order in the intake stream waits while there is no room, and is admitted once there is", async () => {
  const { redis, keys } = fleet.store;
  await fill(0.77);
  const entry = { v: "1", account: "acme", type: "topic", key: "patient", source: '{"topic":"harbours"}' };
  await redis.xadd(keys.intake, "*", ...Object.entries(entry).flat());
  await waitFor(
    async () => (await redis.xpending(keys.intake, "fleet"))[0] === 1,
    () => "nobody reads it",
  );
  await makeRoom();
  const status = await waitFor(
    async () => {
      const answer = await redis.hgetall(keys.intakeStatus("acme", "patient"));
      return answer["status"] === undefined ? null : answer;
    },
    () => "it is not answered",
  );
  expect(status).toMatchObject({ status: "admitted" });
  expect(await redis.xlen(keys.intakeRejected)).toBe(0);
});

test("from 85 % on no section is begun, what is begun goes on to its end, and waiting costs no attempt", async () => {
  const begun = await fleet.submit(order("slow", "stepped"));
  await waitFor(
    async () => (await fleet.events(begun)).some(({ event }) => event === "call.begun"),
    () => "its first call is not begun",
  );
  const waiting = await fleet.submit(order());
  await fill(0.9);
  expect((await fleet.read(begun)).report.status).toBe("running");
  await fleet.delivered(begun);
  const paid = fleet.ledger().length;
  const [section] = await waitFor(
    async () => {
      const sections = await fleet.sections(waiting);
      return sections.some(({ status }) => status === "waiting_for_retry") ? sections : null;
    },
    () => "its sections do not wait",
  );
  expect(section).toMatchObject({
    status: "waiting_for_retry",
    because: "Redis has no room for more",
    failure: { kind: "persistence", code: "store_full" },
    attempts: { transient: 0, repair: 0, crash: 0 },
  });
  expect(fleet.ledger()).toHaveLength(paid);

  await makeRoom();
  await fleet.delivered(waiting);
  expect((await fleet.sections(waiting)).every(({ attempts }) => attempts.transient === 0)).toBe(true);
});

test("an answer that is paid while the memory is full is saved all the same, and nothing is paid twice", async () => {
  const id = await fleet.submit(order("slow"));
  await waitFor(
    async () => (await fleet.events(id)).some(({ event }) => event === "call.begun"),
    () => "its first call is not begun",
  );
  await fill(1.2);
  await waitFor(
    async () => (await fleet.spend(id)).pending > 0,
    () => "the answer is not recorded",
  );
  await makeRoom();
  await fleet.delivered(id);
  expect(duplicatesIn(fleet.ledger())).toBe(0);
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("a fleet that comes up while there is no room at all writes as soon as there is some", async () => {
  await fleet.store.redis.config("SET", "maxmemory", "1mb");
  const late = await startTestFleet({
    redisUrl: server.url,
    fleet: uniqueFleet("late"),
    types: [aTopicType],
  });
  try {
    await makeRoom();
    await late.grant("acme", 5);
    await late.delivered(await late.submit(order()));
  } finally {
    await late.stop();
  }
});
