/**
 * Every misbehaviour of a provider at every step at which a call is made: nothing crashes, the books know each request,
 * nothing is paid blindly again, and the report ends where a person can see why and act.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReportType } from "../../src/report-types/define-report.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { listCases } from "../../src/store/cases.ts";
import { readReceipt } from "../../src/store/receipt.ts";
import { readSections } from "../../src/store/reports.ts";
import { PLANNING } from "../../src/domain/report.ts";
import { reconcile } from "../../src/store/reconcile.ts";
import { MAX_BODY_BYTES } from "../../src/llm/exchange.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { MISBEHAVIOURS } from "./misbehaviours.ts";
import { startRawProvider, type Asked, type Misbehaviour, type RawProvider } from "./raw-provider.ts";
import { responderOf, STEPS, type Step } from "./steps.ts";

const RETRIES = { transient: 1, backoff: { baseMs: 10, factor: 1, maxMs: 10 } };
/** A question that may have been billed without an answer is asked once more, and a contract is repaired once. */
const MOST_PER_TAKE = 2;
const TIMES = {
  callConnectMs: 3_000,
  callIdleMs: 1_500,
  callTotalMs: 2_500,
  troubleFreeMs: 1,
  troubleFirstMs: 10,
};

const MIB = 1_048_576;
const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
beforeAll(() => {
  process.on("unhandledRejection", note);
});
afterAll(() => {
  process.off("unhandledRejection", note);
});

interface Scene {
  fleet: TestFleet;
  provider: RawProvider;
  id: ReportId;
  /** The questions that met the misbehaviour. */
  suffered: Asked[];
}

async function suffer(step: Step, misbehave: Misbehaviour): Promise<Scene> {
  const suffered: Asked[] = [];
  const respond = responderOf(step, misbehave);
  const provider = await startRawProvider((asked) => {
    const answer = respond(asked);
    if (answer === misbehave) suffered.push(asked);
    return answer;
  });
  const type: ReportType = { ...step.type, retries: RETRIES, breaker: { threshold: 100 } };
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("hostile"),
    types: [type],
    provider,
    durations: { ...TIMES, troubleLongestMs: 20, graceMs: 100 },
    concurrency: 2,
  });
  await fleet.grant("acme", 1_000);
  const id = await fleet.submit({ account: "acme", type: type.type, source: { topic: "bridges" } });
  return { fleet, provider, id, suffered };
}

/** Where it stands once a person can see why; null while it moves by itself. */
async function standing(fleet: TestFleet, id: ReportId): Promise<string | null> {
  const { report } = await fleet.read(id);
  if (report.status === "completed") return "completed";
  if (report.status === "needs_review") {
    const [found] = await listCases(fleet.store, { report: id, limit: 1 });
    return found === undefined ? null : `needs review: ${found.failure.kind} ${found.failure.code}`;
  }
  if (report.status !== "waiting_for_retry") return null;
  const plan = (await fleet.read(id)).plan ?? [PLANNING];
  const [waits] = (await readSections(fleet.store, id, plan)).filter(
    (section) => section.status === "waiting_for_retry",
  );
  return waits !== undefined && waits.retryAt > Date.now() + 1_000 ? `waits: ${waits.because}` : null;
}

describe.concurrent.each(Object.entries(MISBEHAVIOURS))("%s", (_, misbehave) => {
  test.concurrent.each(Object.entries(STEPS))("at %s", async (__, step) => {
    const { fleet, provider, id, suffered } = await suffer(step, misbehave);
    try {
      let last = "";
      const stands = await waitFor(
        async () => {
          last = JSON.stringify((await fleet.read(id)).report);
          return standing(fleet, id);
        },
        () => `it goes on and on: ${last} ${JSON.stringify(provider.asked.length)}`,
        40_000,
      );
      expect(stands).not.toMatch(/undefined|null|\[object|NaN/);
      // The author's code is not to blame, and what blames it stops the type for everybody.
      expect(stands).not.toContain("configuration_invalid");
      expect(suffered.length).toBeGreaterThanOrEqual(1);
      const { calls } = await readReceipt(fleet.store, id);
      expect(calls.length).toBeGreaterThanOrEqual(suffered.length);
      for (const { micros } of calls) expect(Number.isSafeInteger(micros) && micros >= 0).toBe(true);
      // What was refused unbilled may be asked again at leisure.
      const maybeBilled = calls.filter(({ outcome }) => outcome !== "not_billed");
      const perTake = Map.groupBy(maybeBilled, ({ section, call, take }) => `${section}/${call}#${take}`);
      for (const asks of perTake.values()) expect(asks.length).toBeLessThanOrEqual(MOST_PER_TAKE);
      expect((await reconcile(fleet.store)).problems).toEqual([]);
      expect(Reflect.get({}, "polluted")).toBeUndefined();
    } finally {
      await fleet.stop();
      await provider.close();
    }
  });
});

test.each(["content that is null", "tool calls nobody asked for", "a refusal that is an object"])(
  "a cut text whose continuation is %s is not delivered as if it were whole",
  async (name) => {
    const step = known(STEPS["a continuation"]);
    const { fleet, provider, id } = await suffer(step, known(MISBEHAVIOURS[name]));
    const report = await fleet.reaches(id, "needs_review", "completed");
    expect(report).toMatchObject({ status: "needs_review", failure: { code: "truncated" } });
    await fleet.stop();
    await provider.close();
  },
);

test("a provider that never stops is cut off at its sixteenth megabyte", async () => {
  const step = known(STEPS["the first call"]);
  const { fleet, provider, id } = await suffer(step, known(MISBEHAVIOURS["a stream without an end"]));
  await fleet.reaches(id, "needs_review");
  const askedFor = provider.asked.length * MAX_BODY_BYTES;
  // What lies in the buffers of both ends of a connection comes on top.
  expect(provider.written()).toBeLessThan(askedFor + provider.asked.length * 8 * MIB);
  await fleet.stop();
  await provider.close();
});

test("a hundred floods in one process leave nothing behind", async () => {
  const floods = [
    "twenty megabytes",
    "a gzip bomb",
    "content of a megabyte of brackets",
    "an id of a megabyte",
  ];
  let nth = 0;
  const flood: Misbehaviour = (socket, asked) =>
    known(MISBEHAVIOURS[known(floods[nth++ % floods.length])])(socket, asked);
  const { fleet, provider } = await suffer(known(STEPS["the first call"]), flood);
  const wave = async (): Promise<NodeJS.MemoryUsage> => {
    const asked = provider.asked.length;
    for (let order = 0; order < 10; order++) {
      const topic = `bridges ${asked}.${order}`;
      const id = await fleet.submit({ account: "acme", type: "stepped", source: { topic } });
      await fleet.reaches(id, "needs_review", "completed");
    }
    globalThis.gc?.();
    return process.memoryUsage();
  };
  const [, second, , fourth] = [await wave(), await wave(), await wave(), await wave()];
  expect(provider.asked.length).toBeGreaterThanOrEqual(40);
  // A wave sends 120 MiB, which unpacks to half a gigabyte more. Bytes outside of the heap are given back when it pleases them.
  expect(fourth.heapUsed - second.heapUsed).toBeLessThan(6 * MIB);
  expect(fourth.external - second.external).toBeLessThan(64 * MIB);
  await fleet.stop();
  await provider.close();
});

test("after all of it no rejection was left to itself", () => {
  expect(unhandled).toEqual([]);
});

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("There is nothing of that name.");
  return value;
}
