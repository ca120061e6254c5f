/** A broken report type stops by itself, costs what it had begun and nothing more, and starts again without a storm. */
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { EXIT } from "../../src/cli/exit-codes.ts";
import type { FleetEvent } from "../../src/domain/events.ts";
import { isFleetError } from "../../src/domain/fleet-error.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { statusSentence } from "../../src/domain/status-sentence.ts";
import { defineReport, json, text, type ReportType } from "../../src/report-types/define-report.ts";
import { turnBreaker } from "../../src/store/breakers.ts";
import { readNewestEvents } from "../../src/store/read-events.ts";
import { listPostponed, readBreaker, readBreakerHistory } from "../../src/store/read-breakers.ts";
import { sectionsQueue } from "../../src/store/queues.ts";
import { startRound } from "../../src/store/report-transitions.ts";
import {
  startSimulatedProvider,
  startTestFleet,
  waitFor,
  type FaultRule,
  type SimulatedProvider,
  type TestFleet,
} from "../../src/testing.ts";
import { followBreakers } from "../../src/workers/follow-breakers.ts";
import type { Role } from "../../src/workers/fleet.ts";
import { runCommand } from "../support/command-line.ts";
import { billedByMark } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";
import { Topic } from "../support/report-types/topic-type.ts";

const Figures = z.object({ figures: z.array(z.string()).min(1) });

/** One section that a parser reads, and one that nothing can break. */
const aParsedType = defineReport<Topic>({
  type: "parsed",
  version: 1,
  title: "Parsed",
  source: Topic,
  credits: 5,
  budget: { usd: 1 },
  sections: [
    {
      key: "figures",
      title: "Figures",
      promptVersion: "1",
      output: json("figures", Figures),
      prompt: ({ source }) => [
        { role: "user", content: `[[parsed/figures/write]] Name figures about ${source.topic}.` },
      ],
    },
    {
      key: "body",
      title: "Body",
      promptVersion: "1",
      output: text({ minChars: 10 }),
      prompt: ({ source }) => [
        { role: "user", content: `[[parsed/body/write]] Write about ${source.topic}.` },
      ],
    },
  ],
  assemble: ({ source }) => ({ title: source.topic, markdown: "## Done" }),
  sample: { topic: "rivers" },
});

const FIGURES = "parsed/figures/write";
const WRONG: FaultRule = { match: { contains: FIGURES }, fault: { kind: "wrong_schema" } };
/** Every report of a type that sends it would fail alike, whatever was ordered. */
const NO_SUCH_PARAMETER: FaultRule = {
  match: { contains: "parsed/" },
  fault: {
    kind: "status",
    status: 400,
    body: {
      error: {
        message: "Unsupported parameter: 'temperature' is not supported with this model.",
        type: "invalid_request_error",
        param: "temperature",
        code: "unsupported_parameter",
      },
    },
  },
};

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface Setting {
  faults?: readonly FaultRule[];
  types?: readonly ReportType[];
  concurrency?: number;
  roles?: readonly Role[];
  fleet?: string;
  provider?: SimulatedProvider;
}

async function aFleet(setting: Setting = {}): Promise<TestFleet> {
  const { faults = [], types = [aParsedType, aTopicType], ...rest } = setting;
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("breaker"),
    types,
    faults,
    ...rest,
  });
  closing.push(() => fleet.stop());
  await fleet.grant("acme", 1_000);
  return fleet;
}

function order(topic: string, type = "parsed") {
  return { account: "acme", type, source: { topic } };
}

async function orderMany(fleet: TestFleet, count: number): Promise<ReportId[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => fleet.submit(order(`lake ${n}`))));
}

async function stateOf(fleet: TestFleet, state: string, type = "parsed"): Promise<void> {
  await waitFor(
    async () => (await readBreaker(fleet.store, type)).breaker.state === state,
    () => `the breaker of ${type} is not ${state}`,
  );
}

/** Every report has come to rest: parked, delivered, or told that it waits for its type. */
async function allRest(fleet: TestFleet, ids: readonly ReportId[]): Promise<Record<string, ReportId[]>> {
  return waitFor(
    async () => {
      const byRest = Object.groupBy(await Promise.all(ids.map((id) => fleet.read(id))), ({ report }) =>
        report.status === "waiting_for_retry" && report.postponed === true ? "postponed" : report.status,
      );
      const rests = Object.fromEntries(
        Object.entries(byRest).map(([rest, reports]) => [
          rest,
          (reports ?? []).map(({ report }) => report.id),
        ]),
      );
      return "running" in rests || "pending" in rests || "waiting_for_retry" in rests ? null : rests;
    },
    () => "some reports are neither parked nor told to wait",
  );
}

async function allEvents(fleet: TestFleet): Promise<FleetEvent[]> {
  return (await readNewestEvents(fleet.store, 20_000)).toReversed().map(({ event }) => event);
}

test("a parser bug stops the type within its votes: forty reports pay for a few, and other types go on", async () => {
  const held = { ...aParsedType, breaker: { whenOpen: "hold" as const } };
  const fleet = await aFleet({ faults: [WRONG], types: [held, aTopicType], concurrency: 8 });
  const ids = await orderMany(fleet, 40);
  const sibling = await fleet.submit(order("a lighthouse", "topic"));
  await stateOf(fleet, "open");
  await fleet.delivered(sibling);
  const rests = await allRest(fleet, ids);

  const threshold = 3;
  const inFlight = 8;
  const ladder = 2;
  const billed = billedByMark(fleet.ledger())[FIGURES] ?? 0;
  expect(billed).toBeGreaterThanOrEqual(threshold * ladder);
  expect(billed).toBeLessThanOrEqual((threshold + inFlight) * ladder);
  // Not one call of the type begins after the script that opened it.
  const events = await allEvents(fleet);
  const openedAt = events.findIndex((event) => event.event === "breaker" && event.to === "open");
  const ofType = new Set<string>(ids);
  expect(
    events.slice(openedAt).filter((event) => event.event === "call.begun" && ofType.has(event.report)),
  ).toEqual([]);

  const { breaker, waiting } = await readBreaker(fleet.store, "parsed");
  expect(breaker).toMatchObject({ state: "open", opening: { cause: "votes", version: 1 } });
  if (breaker.state !== "open") return;
  expect(breaker.opening.votes.map(({ section }) => section)).toEqual(["figures", "figures", "figures"]);
  expect(breaker.opening.burntMicros).toBeGreaterThan(0);
  expect(waiting).toBe(rests["postponed"]?.length);

  const [postponed] = rests["postponed"] ?? [];
  const { report } = await fleet.read(postponed as ReportId);
  expect(statusSentence(report, await fleet.sections(report.id), 0)).toBe(
    "Waiting: reports of this kind are stopped until a fault is repaired. Your 5 credits are held, not charged.",
  );

  // Mended: a person closes it, and those that waited are written and charged once.
  fleet.provider.setFaults?.([]);
  await turnBreaker(fleet.store, "parsed", { to: "closed", by: "ada", reason: "the schema was wrong" });
  for (const id of rests["postponed"] ?? []) {
    const after = await fleet.reaches(id, "completed", "needs_review");
    // Where this very section was parked before, only a person can go on.
    const parked = (await fleet.sections(id)).some(({ status }) => status === "needs_review");
    expect(after.status).toBe(parked ? "needs_review" : "completed");
  }
  const delivered = (await Promise.all(ids.map((id) => fleet.read(id)))).filter(
    (r) => r.report.status === "completed",
  );
  expect(delivered.length).toBeGreaterThan(20);
  expect((await fleet.balance("acme")).committed).toBe(5 * (delivered.length + 1));
});

test("a failure that every report would meet stops the type with the first call of one worker", async () => {
  const fleet = await aFleet({ faults: [NO_SUCH_PARAMETER], concurrency: 1 });
  const ids = await Promise.all(
    ["a", "b", "c", "d"].map((topic) => fleet.submit(order(topic)).catch(() => null)),
  );
  await stateOf(fleet, "open");
  await allRest(
    fleet,
    ids.filter((id) => id !== null),
  );
  expect(fleet.ledger()).toHaveLength(1);
  expect((await readBreaker(fleet.store, "parsed")).breaker).toMatchObject({
    opening: { cause: "at_once", votes: [{ failure: { kind: "workflow", scope: "type" } }] },
  });
});

test("an order for a stopped type is refused with the reason, the money and what to do; nothing is held", async () => {
  const fleet = await aFleet();
  await turnBreaker(fleet.store, "parsed", { to: "open", by: "ada", reason: "The figures are wrong" });
  const refusal = await fleet.submit(order("a lake")).catch((error: unknown) => error);
  if (!isFleetError(refusal)) throw new Error("It was accepted.");
  expect(refusal.code).toBe("type_disabled");
  expect(refusal.message).toMatch(
    /stopped since .* UTC, because The figures are wrong\. Nothing was held or charged\./,
  );
  expect(refusal.message).toContain("report-fleet types show parsed");
  expect(await fleet.balance("acme")).toMatchObject({ held: 0 });
  await fleet.delivered(await fleet.submit(order("a lake", "topic")));
});

test("a type that holds orders writes them, without a second order, once a person has closed it", async () => {
  const held = { ...aParsedType, breaker: { whenOpen: "hold" as const } };
  const fleet = await aFleet({ types: [held] });
  await turnBreaker(fleet.store, "parsed", { to: "open", by: "ada", reason: "looking into it" });
  const ids = await orderMany(fleet, 3);
  expect((await allRest(fleet, ids))["postponed"]).toHaveLength(3);
  expect(fleet.ledger()).toEqual([]);
  expect(await fleet.balance("acme")).toMatchObject({ held: 15 });
  await turnBreaker(fleet.store, "parsed", { to: "closed", by: "ada", reason: "all is well" });
  for (const id of ids) await fleet.delivered(id);
  expect((await readBreaker(fleet.store, "parsed")).waiting).toBe(0);
  expect(await readBreakerHistory(fleet.store, "parsed")).toMatchObject([
    { to: "closed", by: "ada", reason: "all is well" },
    { to: "open", by: "ada", reason: "looking into it" },
  ]);
});

test("a report that finds its type stopped again while it is rung is rung once more when the type starts", async () => {
  const held = { ...aParsedType, breaker: { whenOpen: "hold" as const } };
  // Nobody but the test takes parents and sweeps here.
  const { fleet, store, submit } = await parentless(held);
  const turn = (to: "open" | "closed") => turnBreaker(store, "parsed", { to, by: "ada", reason: "a test" });
  await turn("open");
  const id = await submit("a lake");
  const begin = (maxRunning: number | null = null) =>
    startRound(store, { id, type: "parsed", run: 1 }, 1, ["body"], 60_000, maxRunning);
  expect(await begin()).toBe("postponed");

  await turn("closed");
  await followBreakers(fleet.workshop, async () => {
    await turn("open");
    expect(await begin()).toBe("postponed");
    return "rung";
  });
  expect(await listPostponed(store, "parsed", 10)).toEqual([id]);

  await turn("closed");
  const rung: ReportId[] = [];
  await followBreakers(fleet.workshop, async (report) => {
    rung.push(report);
    // From here on the line of its account is the one that rings it.
    expect(await begin(0)).toBe("capped");
    return "rung";
  });
  expect(rung).toEqual([id]);
  expect(await listPostponed(store, "parsed", 10)).toEqual([]);
});

async function parentless(type: ReportType) {
  const fleet = await aFleet({ types: [type], roles: ["worker"] });
  return { fleet: fleet.fleet, store: fleet.store, submit: (topic: string) => fleet.submit(order(topic)) };
}

async function aBrokenTypeAndItsRepair(repaired: boolean) {
  const provider = await startSimulatedProvider({ latency: "none", faults: [WRONG] });
  closing.push(() => provider.close());
  const name = uniqueFleet("breaker");
  const held = { ...aParsedType, breaker: { whenOpen: "hold" as const } };
  const before = await aFleet({ types: [held], fleet: name, provider, concurrency: 2 });
  const ids = await orderMany(before, 12);
  await stateOf(before, "open");
  const rests = await allRest(before, ids);
  const seen = (await allEvents(before)).length;
  await before.stop();
  if (repaired) provider.setFaults([]);
  const after = await aFleet({ types: [{ ...held, version: 2 }], fleet: name, provider, concurrency: 4 });
  return { after, waiting: rests["postponed"] ?? [], seen };
}

function writersIn(events: readonly FleetEvent[]): Set<string> {
  return new Set(events.flatMap((event) => (event.event === "call.begun" ? [event.report] : [])));
}

test("a new version is tried with one report; once that is delivered, the others follow", async () => {
  const { after, waiting, seen } = await aBrokenTypeAndItsRepair(true);
  await stateOf(after, "closed");
  const events = (await allEvents(after)).slice(seen);
  const closed = events.findIndex((event) => event.event === "breaker" && event.to === "closed");
  const canaries = [...writersIn(events.slice(0, closed))];
  expect(canaries).toHaveLength(1);
  for (const id of waiting) await after.reaches(id, "completed", "needs_review");
  expect(await readBreakerHistory(after.store, "parsed")).toMatchObject([
    { to: "closed", cause: "canary_delivered", version: 2 },
    { to: "half_open", cause: "new_version", version: 2 },
    { to: "open", cause: "votes", version: 1 },
  ]);
});

test("a new version that is as broken as the last stops with its first report, and old votes do not speak for it", async () => {
  const { after, seen } = await aBrokenTypeAndItsRepair(false);
  await stateOf(after, "open");
  await waitFor(
    async () => (await readBreakerHistory(after.store, "parsed")).length === 3,
    () => "the canary has not failed yet",
  );
  const { breaker } = await readBreaker(after.store, "parsed");
  expect(breaker).toMatchObject({
    state: "open",
    opening: { cause: "canary_failed", version: 2, votes: [{ version: 2 }] },
  });
  expect(writersIn((await allEvents(after)).slice(seen)).size).toBe(1);
});

test("a careful type lets the first report of a version go alone", async () => {
  const careful = { ...aParsedType, breaker: { carefulStart: true } };
  const fleet = await aFleet({ types: [careful] });
  const ids = await orderMany(fleet, 5);
  for (const id of ids) await fleet.delivered(id);
  const events = await allEvents(fleet);
  const closed = events.findIndex((event) => event.event === "breaker" && event.to === "closed");
  expect(writersIn(events.slice(0, closed)).size).toBe(1);
});

test("Bull Board shows a stopped type as a paused queue, whatever somebody presses there", async () => {
  const fleet = await aFleet();
  const queue = fleet.fleet.workshop.queues.queue(sectionsQueue("parsed"));
  const shows = (paused: boolean) =>
    waitFor(
      async () => (await queue.isPaused()) === paused,
      () => `the queue is not ${paused ? "paused" : "running"}`,
    );
  await turnBreaker(fleet.store, "parsed", { to: "open", by: "ada", reason: "x" });
  await shows(true);
  await queue.resume();
  await shows(true);
  await turnBreaker(fleet.store, "parsed", { to: "closed", by: "ada", reason: "y" });
  await shows(false);
  await queue.pause();
  const id = await fleet.submit(order("a lake"));
  expect((await fleet.delivered(id)).report).toBe(id);
});

test("an operator stops a type with a name and a reason, sees it, and starts it again", async () => {
  const fleet = await aFleet({ types: [aTopicType] });
  const types = fileURLToPath(new URL("../support/report-types/index.ts", import.meta.url));
  const cli = (...args: string[]) =>
    runCommand([...args, "--json"], {
      env: { REDIS_URL: testRedisUrl(), FLEET: fleet.store.fleet, REPORT_TYPES: types },
    });
  const decision = ["--by", "ada", "--reason", "The prompt names a customer"];
  expect(await cli("types", "disable", "topic", "--by", "ada")).toMatchObject({ code: EXIT.usage });
  expect(await cli("types", "disable", "topik", ...decision)).toMatchObject({
    code: EXIT.notFound,
    stderr: expect.stringContaining('did you mean \\"topic\\"') as string,
  });
  expect(await cli("types", "disable", "topic", ...decision)).toMatchObject({ code: EXIT.ok });

  const refused = await cli("submit", "topic", "--account", "acme", "--input", '{"topic":"wells"}');
  expect(refused).toMatchObject({ code: EXIT.typeDisabled });
  expect(refused.stderr).toContain("The prompt names a customer");
  const shown = JSON.parse((await cli("types", "show", "topic")).stdout) as Record<string, unknown>;
  expect(shown).toMatchObject({
    state: "open",
    waiting: 0,
    burntMicros: 0,
    opening: { by: "ada", reason: "The prompt names a customer" },
    history: [{ from: "closed", to: "open", by: "ada" }],
  });

  const trial = await cli("types", "enable", "topic", "--canary", "--by", "bob", "--reason", "name removed");
  expect(JSON.parse(trial.stdout)).toMatchObject({ state: "half_open" });
  await fleet.delivered(await fleet.submit(order("wells", "topic")));
  await stateOf(fleet, "closed", "topic");
});
