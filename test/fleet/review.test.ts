/** What a person decides about a parked report, and what becomes of the work, the money and the buyer's document. */
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { correctSource } from "../../src/desk/correct-source.ts";
import { acceptEdited, resumeCase, revalidateCase, skipSection } from "../../src/desk/decide-case.ts";
import { deliverPartial } from "../../src/desk/deliver-partial.ts";
import { cancelReport, rejectReport } from "../../src/desk/end-by-person.ts";
import { decideGroup, requireOperation } from "../../src/desk/group-operation.ts";
import { previewResume } from "../../src/desk/preview.ts";
import {
  defineReport,
  json,
  text,
  type ReportType,
  type SectionDefinition,
} from "../../src/report-types/define-report.ts";
import { readBreaker } from "../../src/store/read-breakers.ts";
import { readAudit } from "../../src/store/audit.ts";
import { listGroups } from "../../src/store/case-groups.ts";
import { listCases, readCase, readQuestion } from "../../src/store/cases.ts";
import type { OperationOrder } from "../../src/store/operations.ts";
import {
  startSimulatedProvider,
  startTestFleet,
  waitFor,
  type FaultRule,
  type SimulatedProvider,
  type TestFleet,
  type TestFleetSettings,
} from "../../src/testing.ts";
import { checkBooks } from "../support/check-books.ts";
import { startFleetProcess } from "../support/fleet-process.ts";
import { billedByMark, billedMicros } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType, aSteppedType, aTopicType } from "../support/report-types/index.ts";
import { Topic } from "../support/report-types/topic-type.ts";

const open: TestFleet[] = [];
const providers: SimulatedProvider[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((fleet) => fleet.stop()));
  await Promise.all(providers.splice(0).map((provider) => provider.close()));
});

async function aFleet(
  faults: readonly FaultRule[],
  settings: Partial<TestFleetSettings> = {},
): Promise<TestFleet> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("review"),
    types: [aTopicType, aChainedType, aSteppedType],
    faults,
    ...settings,
  });
  open.push(fleet);
  await fleet.grant("acme", 1_000);
  return fleet;
}

const desk = (fleet: TestFleet) => fleet.fleet.workshop;
const ORDER = { account: "acme", source: { topic: "lighthouses" } };
const BY = { by: "ada", why: "looked at it" };
function groupOrder(id: string, group = "", more: Partial<OperationOrder> = {}): OperationOrder {
  const limits = { maxMicros: null, canary: 1, perSweep: 5 };
  return { id, action: "resume", group, prompt: "current", ...limits, ...BY, ...more };
}
const EMPTY_FIRST: FaultRule = { match: { contains: "topic/first" }, fault: { kind: "empty" } };

/** Orders a report whose first section gets nothing but empty answers, and returns its case. */
async function aParkedTopic(fleet: TestFleet, topic = "lighthouses") {
  const id = await fleet.submit({ account: "acme", source: { topic }, type: "topic" });
  await fleet.reaches(id, "needs_review");
  const [found] = await listCases(fleet.store, { report: id, limit: 10 });
  if (found === undefined) throw new Error(`${id} is parked and has no case.`);
  return { id, found };
}

test("a parked section has one case, with the question word for word and what it has cost so far", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const { id, found } = await aParkedTopic(fleet);
  expect(await listCases(fleet.store, { report: id, limit: 10 })).toHaveLength(1);
  expect(found).toMatchObject({
    report: id,
    section: "first",
    type: "topic",
    state: { status: "open" },
    failure: { kind: "contract" },
    evidence: { call: "draft", promptVersion: "1", take: 2 },
  });
  expect(found.spentMicros).toBeGreaterThan(0);
  const question = await readQuestion(fleet.store, found.id);
  expect(question?.messages[0]?.content).toContain("[[topic/first/write]]");
  const [group] = await listGroups(fleet.store, { limit: 5 });
  expect(group).toMatchObject({ type: "topic", section: "first", open: 1, seen: 1, creditsHeld: 5 });
});

test("a report parked for a reason of its own has a case of its own, closed by what restarts it", async () => {
  let broken = true;
  const type: ReportType = {
    ...aTopicType,
    assemble: (input) => {
      if (broken) throw new TypeError("no title");
      return aTopicType.assemble(input);
    },
  };
  const fleet = await aFleet([], { types: [type] });
  const { found } = await aParkedTopic(fleet);
  expect(found).toMatchObject({ section: null, failure: { kind: "persistence" } });
  await expect(acceptEdited(desk(fleet), found.id, "text", BY)).rejects.toThrow(/itself is parked/);
  broken = false;
  await resumeCase(desk(fleet), found.id, BY, "current");
  await fleet.delivered(found.report);
  expect(fleet.ledger()).toHaveLength(2);
});

test("resume asks the failed call once more, and everything else is read from its checkpoint", async () => {
  const fleet = await aFleet([{ match: { contains: "topic/first" }, fault: { kind: "truncated" } }]);
  const { id, found } = await aParkedTopic(fleet);
  const before = billedByMark(fleet.ledger());
  fleet.provider.setFaults?.([]);
  const operation = "resume-once";
  const [first, second] = [
    await resumeCase(desk(fleet), found.id, { ...BY, operation }, "current"),
    await resumeCase(desk(fleet), found.id, { ...BY, operation }, "current"),
  ];
  expect([first.run, second.run]).toEqual([2, 2]);
  await expect(resumeCase(desk(fleet), found.id, BY, "current")).rejects.toThrow(/already decided/);
  await fleet.delivered(id);
  const billed = billedByMark(fleet.ledger());
  expect(billed["topic/first/write"]).toBe((before["topic/first/write"] ?? 0) + 1);
  expect(billed["topic/second/write"]).toBe(1);
  // The question itself, not one that shows the model what was wrong with an answer nobody wants any more.
  const asked = fleet.ledger().filter(({ marker }) => marker === "topic/first/write");
  expect(asked.at(-1)?.promptHash).toBe(asked[0]?.promptHash);
  expect(await fleet.balance("acme")).toMatchObject({ held: 0, committed: 5 });
  expect((await fleet.spend(id)).total).toBe(billedMicros(fleet.ledger()));
  expect(await readAudit(fleet.store, 10, { report: id })).toMatchObject([
    { action: "resume", by: "ada", why: "looked at it", before: "needs_review", after: "running" },
  ]);
});

test("a section resumed while others are still being written joins the run at once, and does not wait for them", async () => {
  const fleet = await aFleet([
    EMPTY_FIRST,
    { match: { contains: "topic/second" }, fault: { kind: "slow_drip", everyMs: 100, chunks: 30 } },
  ]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  const statuses = async () => (await fleet.sections(id)).map(({ status }) => status);
  await waitFor(
    async () => (await statuses())[0] === "needs_review",
    () => "the first section is not parked",
  );
  fleet.provider.setFaults?.([]);
  const [found] = await listCases(fleet.store, { report: id, limit: 1 });
  const resumed = await resumeCase(desk(fleet), found?.id ?? "", BY, "current");
  expect(resumed.run).toBe(1);
  await waitFor(
    async () => (await statuses())[0] === "completed",
    () => "the resumed section is not written",
  );
  expect(await statuses()).toEqual(["completed", "running"]);
  await fleet.delivered(id);
  expect((await fleet.read(id)).report).toMatchObject({ run: 1, round: 2, delivery: "full" });
  expect(billedByMark(fleet.ledger())["topic/second/write"]).toBe(1);
});

test("a resumed call that fails again has a whole repair budget again, and opens a case of its own", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const { id, found } = await aParkedTopic(fleet);
  const once = fleet.ledger().filter(({ marker }) => marker === "topic/first/write").length;
  await resumeCase(desk(fleet), found.id, BY, "current");
  await waitFor(
    async () => (await listCases(fleet.store, { report: id, limit: 10 })).length === 2,
    () => "no second case was opened",
  );
  expect(fleet.ledger().filter(({ marker }) => marker === "topic/first/write")).toHaveLength(2 * once);
  expect((await fleet.reaches(id, "needs_review")).run).toBe(2);
});

test("resuming with the stored prompt asks it word for word, although today's version asks otherwise", async () => {
  const name = uniqueFleet("review");
  const provider = await aProvider([EMPTY_FIRST]);
  const first = await aFleet([], { fleet: name, provider });
  const { id, found } = await aParkedTopic(first);
  await first.stop();
  open.splice(open.indexOf(first), 1);
  provider.setFaults([]);
  const reworded: ReportType = {
    ...aTopicType,
    sections: ["first", "second"].map((key) => ({
      key,
      title: key,
      promptVersion: "2",
      output: text({ minChars: 10 }),
      prompt: () => [{ role: "user" as const, content: `[[reworded/${key}]] Write.` }],
    })),
  };
  const second = await aFleet([], { fleet: name, provider, types: [reworded] });
  await resumeCase(desk(second), found.id, BY, "stored");
  await second.delivered(id);
  const marks = provider.ledger().map(({ marker }) => marker);
  expect(marks.at(-1)).toBe("topic/first/write");
  expect(marks).not.toContain("reworded/first");
});

test("an edited output is checked like any other, delivered, and said to be edited", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const { id, found } = await aParkedTopic(fleet);
  await expect(acceptEdited(desk(fleet), found.id, "short", BY)).rejects.toMatchObject({ code: "usage" });
  await acceptEdited(desk(fleet), found.id, "Written by hand, and long enough.", BY);
  const artefact = await fleet.delivered(id);
  expect(artefact.sections[0]).toMatchObject({
    output: "Written by hand, and long enough.",
    edited: { by: "ada", why: "looked at it" },
  });
  expect(artefact.sections[1]?.edited).toBeUndefined();
  expect((await fleet.sections(id))[0]).toMatchObject({ status: "completed", edited: { by: "ada" } });
  expect((await fleet.spend(id)).total).toBe(billedMicros(fleet.ledger()));
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("a skipped section is not delivered and not charged, and what cannot do without it is skipped too", async () => {
  const fleet = await aFleet([{ match: { contains: "chained/body" }, fault: { kind: "empty" } }]);
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  await fleet.reaches(id, "needs_review");
  const [found] = await listCases(fleet.store, { report: id, limit: 1 });
  await skipSection(desk(fleet), found?.id ?? "", BY);
  await fleet.delivered(id);
  expect((await fleet.sections(id)).map(({ status }) => status)).toEqual(["completed", "skipped", "skipped"]);
  const report = await fleet.reaches(id, "completed");
  expect(report).toMatchObject({ delivery: "partial", hold: "committed" });
  expect(await fleet.balance("acme")).toMatchObject({ held: 0, committed: 1, available: 999 });
});

test("a section that calls the skipped one optional is written without it", async () => {
  const sections = aChainedType.sections as readonly SectionDefinition<unknown, unknown>[];
  const type = {
    ...aChainedType,
    sections: sections.map((one) => (one.key === "summary" ? { ...one, optional: ["body"] } : one)),
  } as ReportType;
  const fleet = await aFleet([{ match: { contains: "chained/body" }, fault: { kind: "empty" } }], {
    types: [type],
  });
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  await fleet.reaches(id, "needs_review");
  const [found] = await listCases(fleet.store, { report: id, limit: 1 });
  await skipSection(desk(fleet), found?.id ?? "", BY);
  await fleet.delivered(id);
  expect((await fleet.sections(id)).map(({ status }) => status)).toEqual([
    "completed",
    "skipped",
    "completed",
  ]);
});

test("what is finished can be delivered for its share of the price, and the rest of the credits goes back", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const { id } = await aParkedTopic(fleet);
  await deliverPartial(desk(fleet), id, BY);
  const artefact = await fleet.delivered(id);
  expect(artefact.sections.map(({ key }) => key)).toEqual(["second"]);
  expect(await fleet.balance("acme")).toMatchObject({ held: 0, committed: 2, available: 998 });
  expect(await listGroups(fleet.store, { limit: 5 })).toEqual([]);
});

test("a rejected report gives the credits back once, and its cases are closed", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const { id, found } = await aParkedTopic(fleet);
  expect(await rejectReport(desk(fleet), id, BY)).toMatchObject({ status: "failed", repeated: false });
  expect(await rejectReport(desk(fleet), id, BY)).toMatchObject({ status: "failed", repeated: true });
  expect(await fleet.balance("acme")).toMatchObject({ available: 1_000, held: 0, committed: 0 });
  expect(await readCase(fleet.store, found.id)).toMatchObject({
    state: { status: "resolved", action: "reject", by: "ada" },
  });
  await expect(resumeCase(desk(fleet), found.id, BY, "current")).rejects.toThrow(
    /already decided|was already/,
  );
  expect(await fleet.spend(id)).toMatchObject({ pending: 0, useful: 0 });
});

test("corrected data pays only for the questions it changes", async () => {
  const Pair = z.object({ one: z.string(), two: z.string() });
  const type = defineReport<z.infer<typeof Pair>>({
    type: "pair",
    version: 1,
    title: "Pair",
    source: Pair,
    credits: 5,
    budget: { usd: 1 },
    sections: (["one", "two"] as const).map((key) => ({
      key,
      title: key,
      promptVersion: "1",
      output: text({ minChars: 10 }),
      prompt: ({ source }) => [
        { role: "user", content: `[[pair/${key}/${source[key]}]] Write about ${source[key]}.` },
      ],
    })),
    assemble: ({ sections }) => ({
      title: "Pair",
      markdown: sections.map((s) => String(s.output)).join("\n\n"),
    }),
  });
  const fleet = await aFleet([{ match: { contains: "pair/two/tpyo" }, fault: { kind: "context_length" } }], {
    types: [type],
  });
  const id = await fleet.submit({ account: "acme", type: "pair", source: { one: "sea", two: "tpyo" } });
  await fleet.reaches(id, "needs_review");
  await waitFor(
    async () => (await fleet.sections(id))[0]?.status === "completed" || fleet.ledger().length === 2,
    () => "the other section was not written",
  );
  await expect(correctSource(desk(fleet), id, { one: "sea" }, BY)).rejects.toMatchObject({
    code: "invalid_source",
  });
  const corrected = await correctSource(desk(fleet), id, { one: "sea", two: "land" }, BY);
  expect(corrected.kept).toEqual(["one"]);
  await fleet.delivered(id);
  expect(billedByMark(fleet.ledger())).toEqual({ "pair/one/sea": 1, "pair/two/land": 1 });
  expect(await fleet.balance("acme")).toMatchObject({ held: 0, committed: 5 });
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
});

test("a cancelled report starts no call, aborts the one in flight within 2 s, and returns the credits once", async () => {
  const fleet = await aFleet([], {
    latency: { firstByteMs: [20_000, 20_000], perTokenMs: 0 },
    // As in production.
    durations: { heartbeatMs: 1_000 },
  });
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  await waitFor(
    async () => (await fleet.read(id)).inFlightMicros > 0,
    () => "no call is in flight",
  );
  const cancelledAt = performance.now();
  expect(await cancelReport(desk(fleet), id, BY)).toMatchObject({ status: "cancelled", repeated: false });
  expect(await cancelReport(desk(fleet), id, BY)).toMatchObject({ status: "cancelled", repeated: true });
  expect(await fleet.balance("acme")).toMatchObject({ available: 1_000, held: 0 });
  await waitFor(
    async () => (await fleet.store.redis.hlen(fleet.store.keys.inHand(fleet.fleet.processId))) === 0,
    () => "the call in flight was not aborted",
  );
  expect(performance.now() - cancelledAt).toBeLessThan(2_000 + 500);
  expect(fleet.ledger().length).toBeLessThanOrEqual(1);
  expect((await fleet.spend(id)).unknown).toBeGreaterThan(0);
  expect(await fleet.balance("acme")).toMatchObject({ available: 1_000, held: 0, committed: 0 });
});

test("cancelling after delivery changes nothing and says so; before anything is written it costs nothing", async () => {
  const fleet = await aFleet([]);
  const done = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.delivered(done);
  await expect(cancelReport(desk(fleet), done, BY)).rejects.toThrow(/already delivered/);
  expect(await fleet.balance("acme")).toMatchObject({ committed: 5, held: 0 });
});

test("a report nobody decides about fails at its review deadline, and the credits go back", async () => {
  const fleet = await aFleet([EMPTY_FIRST], { types: [{ ...aTopicType, reviewDeadlineMs: 50 }] });
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  expect(await fleet.reaches(id, "failed")).toMatchObject({ hold: "reversed" });
  expect(await fleet.balance("acme")).toMatchObject({ available: 1_000, held: 0 });
  expect(await listCases(fleet.store, { limit: 5 })).toEqual([]);
});

test("when the next run starts, an active and a waiting job of the old one end without an extra call", async () => {
  const Three = z.object({ topic: z.string() });
  const type = defineReport<z.infer<typeof Three>>({
    type: "three",
    version: 1,
    title: "Three",
    source: Three,
    credits: 5,
    budget: { usd: 1 },
    retries: { backoff: { baseMs: 1_500, factor: 1, maxMs: 1_500 } },
    sections: [
      {
        key: "active",
        title: "Active",
        output: text({ minChars: 5 }),
        promptVersions: ["1"],
        write: async (context) => {
          const ask = (mark: string) =>
            context.call(mark, {
              promptVersion: "1",
              output: text({ minChars: 5 }),
              messages: [{ role: "user", content: `[[three/${mark}]] Write.` }],
            });
          await ask("slow");
          return ask("after");
        },
      },
      ...["delayed", "parked"].map((key) => ({
        key,
        title: key,
        promptVersion: "1",
        output: text({ minChars: 5 }),
        prompt: () => [{ role: "user" as const, content: `[[three/${key}]] Write.` }],
      })),
    ],
    assemble: ({ sections }) => ({
      title: "Three",
      markdown: sections.map((s) => String(s.output)).join("\n"),
    }),
  });
  const provider = await aProvider([
    { match: { contains: "[[three/slow]]" }, fault: { kind: "slow_drip", everyMs: 50, chunks: 50 } },
    { match: { contains: "[[three/delayed]]", first: 1 }, fault: { kind: "rate_limit", seconds: 1 } },
    { match: { contains: "[[three/parked]]" }, fault: { kind: "context_length" } },
  ]);
  const fleet = await aFleet([], { types: [type], provider });
  const id = await fleet.submit({ ...ORDER, type: "three" });
  const statusOf = async (key: string) => (await fleet.sections(id)).find((s) => s.key === key)?.status;
  await waitFor(
    async () =>
      (await statusOf("active")) === "running" &&
      (await statusOf("parked")) === "needs_review" &&
      (await statusOf("delayed")) === "waiting_for_retry" &&
      (await fleet.read(id)).inFlightMicros > 0,
    () => "the sections are not where the story begins",
  );
  provider.setFaults([]);
  await correctSource(desk(fleet), id, { topic: "other lighthouses" }, BY);
  await fleet.delivered(id);
  expect((await fleet.read(id)).report.run).toBe(2);
  const asked = provider.ledger().map(({ marker }) => marker);
  // What was in flight for the old run is its only request: the new run waits for it and reads it from its checkpoint.
  for (const mark of ["three/slow", "three/after", "three/parked"])
    expect([mark, billedByMark(provider.ledger())[mark]]).toEqual([mark, 1]);
  expect(asked.filter((mark) => mark === "three/delayed")).toHaveLength(2);
  const written = (await fleet.events(id)).filter(
    (event) => event.event === "section.status" && event.section === "active" && event.status === "completed",
  );
  expect(written).toHaveLength(1);
  expect((await fleet.spend(id)).total).toBe(billedMicros(provider.ledger()));
  expect((await fleet.read(id)).inFlightMicros).toBe(0);
});

const Points = z.object({ points: z.array(z.string()).min(1) });

/** A type whose only section is read by the given parser. */
function aListType(schema: z.ZodType): ReportType {
  return defineReport<Topic>({
    type: "buggy",
    version: 1,
    title: "Buggy",
    source: Topic,
    credits: 5,
    budget: { usd: 1 },
    breaker: { threshold: 100 },
    sections: [
      {
        key: "list",
        title: "List",
        promptVersion: "1",
        output: json("points", schema),
        prompt: ({ source }) => [{ role: "user", content: `[[buggy/list]] Points of ${source.topic}.` }],
      },
    ],
    assemble: () => ({ title: "Points", markdown: "Points." }),
  });
}

test("forty reports parked by a bug of the parser are recovered as a group at zero tokens, and charged once", async () => {
  const name = uniqueFleet("review");
  const provider = await aProvider([]);
  const broken = aListType(Points.refine(() => false, "is refused by a bug"));
  const before = await aFleet([], { fleet: name, provider, types: [broken] });
  const ids = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      before.submit({ account: "acme", type: "buggy", source: { topic: `pier ${n}` } }),
    ),
  );
  for (const id of ids) await before.reaches(id, "needs_review");
  await before.stop();
  open.splice(open.indexOf(before), 1);
  const billed = provider.ledger().length;
  expect(billed).toBeLessThanOrEqual(40 * 2);

  const fixed = await aFleet([], { fleet: name, provider, types: [aListType(Points)] });
  const [group] = await listGroups(fixed.store, { limit: 5 });
  expect(group).toMatchObject({ open: 40, creditsHeld: 200 });
  const order = groupOrder("op-1", group?.group, { action: "revalidate", maxMicros: 1_000, perSweep: 20 });
  await decideGroup(desk(fixed), order);
  for (const id of ids) await fixed.reaches(id, "completed");
  expect(provider.ledger()).toHaveLength(billed);
  expect(await fixed.balance("acme")).toMatchObject({ available: 800, held: 0, committed: 200 });
  await waitFor(
    async () => (await requireOperation(desk(fixed), "op-1")).status === "done",
    () => "the operation does not end",
  );
  let spent = 0;
  for (const id of ids) spent += (await fixed.spend(id)).total;
  expect(spent).toBe(billedMicros(provider.ledger()));
});

test("a parser's bug stops a type after a few of forty reports; mended, the parked ones are re-validated at zero tokens, and each is charged once", async () => {
  const name = uniqueFleet("review");
  const provider = await aProvider([]);
  const broken = aListType(Points.refine(() => false, "is refused by a bug"));
  const before = await aFleet([], {
    fleet: name,
    provider,
    concurrency: 2,
    types: [{ ...broken, breaker: { threshold: 3, whenOpen: "hold" } }],
  });
  const ids = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      before.submit({ account: "acme", type: "buggy", source: { topic: `dock ${n}` } }),
    ),
  );
  await waitFor(
    async () => (await readBreaker(before.store, "buggy")).breaker.state === "open",
    () => "the type was not stopped",
  );
  await waitFor(
    async () => (await before.store.redis.hlen(before.store.keys.inHand(before.fleet.processId))) === 0,
    () => "something is still written",
  );
  let asked = 0;
  for (const id of ids) if ((await before.spend(id)).total > 0) asked += 1;
  await before.stop();
  open.splice(open.indexOf(before), 1);
  const billed = billedByPrompt(provider);
  // Its votes, and what was in flight when it opened, each with the one repair the ladder allows.
  const [votes, inFlight, ladder] = [3, 2, 2];
  expect(provider.ledger().length).toBeLessThanOrEqual((votes + inFlight) * ladder);

  const mended = { ...aListType(Points), version: 2, breaker: { threshold: 3 } };
  const after = await aFleet([], { fleet: name, provider, types: [mended] });
  const [group] = await listGroups(after.store, { limit: 5 });
  const parked = (await listCases(after.store, { limit: 100 })).map(({ report }) => report);
  expect(parked.length).toBeLessThanOrEqual(votes + inFlight);
  await decideGroup(desk(after), groupOrder("op-3", group?.group, { action: "revalidate", perSweep: 20 }));
  for (const id of ids) await after.reaches(id, "completed");
  // What was asked under the bug is not asked again, be its report parked or held between an answer and its repair:
  // everything new is the one question of a report that had waited.
  const now = billedByPrompt(provider);
  for (const [prompt, count] of billed) expect(now.get(prompt)).toBe(count);
  expect(now.size).toBe(billed.size + 40 - asked);
  expect(await after.balance("acme")).toMatchObject({ available: 800, held: 0, committed: 200 });
  expect(await checkBooks(after.store, provider.ledger())).toEqual([]);
});

function billedByPrompt(provider: SimulatedProvider): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { promptHash, billed } of provider.ledger())
    if (billed) counts.set(promptHash, (counts.get(promptHash) ?? 0) + 1);
  return counts;
}

test("re-validation refuses what today's parser still rejects, and changes nothing", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const { id, found } = await aParkedTopic(fleet);
  await expect(revalidateCase(desk(fleet), found.id, BY)).rejects.toThrow(/nothing was paid/);
  expect((await fleet.reaches(id, "needs_review")).run).toBe(1);
  expect(await readCase(fleet.store, found.id)).toMatchObject({ version: 1, state: { status: "open" } });
});

test("nobody resumes for an account whose reports fail again and again, until somebody has looked at the money", async () => {
  const fleet = await aFleet([EMPTY_FIRST], { failureLimits: { failedReports: 2 } });
  const first = await aParkedTopic(fleet, "a");
  expect(await previewResume(desk(fleet), first.found.id, "current")).toMatchObject({ possible: true });
  await aParkedTopic(fleet, "b");
  await expect(resumeCase(desk(fleet), first.found.id, BY, "current")).rejects.toThrow(/credit review/);
  await expect(previewResume(desk(fleet), first.found.id, "current")).rejects.toThrow(/credit review/);
  await rejectReport(desk(fleet), first.id, BY);
});

test("a group action stops at a canary that is parked again, and leaves the others alone; a refused case is no canary", async () => {
  const fleet = await aFleet([EMPTY_FIRST], { types: [{ ...aTopicType, breaker: { threshold: 100 } }] });
  await fleet.grant("nova", 5);
  const refused = await fleet.submit({ account: "nova", source: { topic: "piers" }, type: "topic" });
  await fleet.reaches(refused, "needs_review");
  await fleet.store.redis.hset(fleet.store.keys.account("nova"), "credit_review", "it failed often");
  const parked = [
    await aParkedTopic(fleet),
    await aParkedTopic(fleet, "piers"),
    await aParkedTopic(fleet, "locks"),
  ];
  await decideGroup(desk(fleet), groupOrder("op-2", parked[0]?.found.group));
  const ended = await waitFor(
    async () => {
      const operation = await requireOperation(desk(fleet), "op-2");
      return operation.status === "running" ? null : operation;
    },
    () => "the operation does not stop",
  );
  expect(ended).toMatchObject({ status: "stopped", because: expect.stringMatching(/canary/) });
  expect(ended.cases.map(({ state }) => state)).toEqual(["refused", "applied", "waiting", "waiting"]);
});

test("a group's decision that is sent again is the same operation, also when its last case is decided", async () => {
  const fleet = await aFleet([EMPTY_FIRST]);
  const { found, id } = await aParkedTopic(fleet);
  const order = groupOrder("op-5", found.group, { action: "reject" });
  await decideGroup(desk(fleet), order);
  await fleet.reaches(id, "failed");
  const done = await waitFor(
    async () => {
      const operation = await requireOperation(desk(fleet), "op-5");
      return operation.status === "running" ? null : operation;
    },
    () => "the operation does not end",
  );
  expect(await decideGroup(desk(fleet), order)).toEqual(done);
  await expect(decideGroup(desk(fleet), { ...order, action: "resume" })).rejects.toThrow(
    /another decision: reject/,
  );
});

test("a group's decision outlives the orchestrator that carries it out, and decides each case once", async () => {
  const name = uniqueFleet("review");
  // Refused as too long for the model, so nobody's type is stopped for it.
  const provider = await aProvider([
    { match: { contains: "topic/first" }, fault: { kind: "context_length" } },
  ]);
  const before = await aFleet([], { fleet: name, provider, failureLimits: { failedReports: 100 } });
  const parked = [];
  for (let nth = 0; nth < 8; nth++) parked.push(await aParkedTopic(before, `quay ${nth}`));
  await before.stop();
  open.splice(open.indexOf(before), 1);
  provider.setFaults([]);
  const after = await aFleet([], { fleet: name, provider, roles: [] });
  await decideGroup(desk(after), groupOrder("op-4", parked[0]?.found.group, { perSweep: 1 }));
  const settings = { redisUrl: testRedisUrl(), fleet: name, providerUrl: provider.url, timeScale: 0.2 };
  const first = await startFleetProcess({ ...settings, roles: "orchestrator,worker" });
  const decided = async () => {
    const { cases } = await requireOperation(desk(after), "op-4");
    return cases.filter(({ state }) => state === "applied").length;
  };
  await waitFor(
    async () => (await decided()) >= 2,
    () => "nothing is decided",
  );
  await first.kill("SIGKILL");
  expect(await decided()).toBeLessThan(8);
  const second = await startFleetProcess({ ...settings, roles: "orchestrator,worker" });
  try {
    for (const { id } of parked) expect((await after.reaches(id, "completed")).run).toBe(2);
    await waitFor(
      async () => (await requireOperation(desk(after), "op-4")).status === "done",
      () => "the operation does not end",
    );
  } finally {
    await second.kill("SIGKILL");
  }
  for (const { id } of parked)
    expect((await readAudit(after.store, 10, { report: id })).map(({ action }) => action)).toEqual([
      "resume",
    ]);
  expect(await after.balance("acme")).toMatchObject({ held: 0, committed: 40 });
});

async function aProvider(faults: readonly FaultRule[]): Promise<SimulatedProvider> {
  const provider = await startSimulatedProvider({ latency: "none", faults });
  providers.push(provider);
  return provider;
}
