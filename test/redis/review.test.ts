/**
 * People who decide, workers that die, wake up late or are replaced, in any order and each up to three times, on a real
 * Redis. What every case ends with is a checker that knows nothing of the commands; at the bottom it is shown to catch
 * the mistakes it is there for, by running the same commands over scripts with that very check taken out.
 */
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { correctSource } from "../../src/desk/correct-source.ts";
import { acceptEdited, resumeCase, skipSection } from "../../src/desk/decide-case.ts";
import { deliverPartial } from "../../src/desk/deliver-partial.ts";
import { cancelReport, rejectReport } from "../../src/desk/end-by-person.ts";
import { NO_ACCOUNT_LIMITS } from "../../src/domain/fairness.ts";
import { isFleetError } from "../../src/domain/fleet-error.ts";
import { DEFAULT_FAILURE_LIMITS } from "../../src/domain/credits.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { REPORT_STATUSES, type FailureSummary, type ReportStatus } from "../../src/domain/report.ts";
import { ACTIONS, PERMISSIONS, type Action } from "../../src/domain/review.ts";
import { submitReport, type Counter } from "../../src/producer/submit-report.ts";
import { planSections } from "../../src/report-types/plan.ts";
import { registryOf } from "../../src/report-types/registry.ts";
import { listCases } from "../../src/store/cases.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { deliver, saveArtefact } from "../../src/store/deliver.ts";
import { endReport } from "../../src/store/end-report.ts";
import { Queues } from "../../src/store/queues.ts";
import type { Store } from "../../src/store/redis.ts";
import { parkReport, savePlan, startRound } from "../../src/store/report-transitions.ts";
import { readReport, readSections } from "../../src/store/reports.ts";
import { breakClaim } from "../../src/store/lost-claims.ts";
import { readOutput } from "../../src/store/read-sections.ts";
import {
  claimSection,
  finishSection,
  leaveSection,
  type Claim,
  type Leaving,
} from "../../src/store/sections.ts";
import { nextMove } from "../../src/workers/next-move.ts";
import { checkReviews, checkStakes, readClaims, stolenClaims } from "../support/check-reviews.ts";
import { A_FAILURE, openTestStore } from "../support/store-for-tests.ts";
import { aTopicType } from "../support/report-types/index.ts";

let store: ReturnType<typeof openTestStore>;
let queues: Queues;
beforeAll(async () => {
  store = openTestStore("decisions");
  queues = new Queues(store);
  await grantCredits(store, { account: "acme", credits: 1_000_000, reference: "tests" });
  // The workers of these tests live as long as the tests do, except where a command says that one dies.
  await store.redis.hset(store.keys.process("alive"), "beat", "1");
});
afterAll(async () => {
  await queues.close();
  store.close();
});

const WAKE_MS = 60_000;
const BY = { by: "ada", why: "a test" };
const SECTIONS = ["first", "second"] as const;

function deskOf(of: Store): Counter {
  return {
    store: of,
    queues,
    types: registryOf([aTopicType]),
    durations: { wakeAfterMs: WAKE_MS },
    accountLimits: NO_ACCOUNT_LIMITS,
  };
}

/** What a worker does, with its claims kept for later: a zombie still has them. */
class Story {
  readonly #store: Store;
  readonly #desk: Counter;
  readonly id: ReportId;
  readonly claims: Claim[] = [];
  #operations = 0;

  constructor(of: Store, id: ReportId) {
    this.#store = of;
    this.#desk = deskOf(of);
    this.id = id;
  }

  async claim(section: string, by: "alive" | "dead"): Promise<void> {
    const { report } = await this.#read();
    const claimed = await claimSection(
      this.#store,
      {
        report: this.id,
        type: "topic",
        section,
        version: 1,
        run: report.run,
        claimId: `claim-${this.#operations++}`,
        process: by,
      },
      WAKE_MS,
    );
    if (claimed.outcome === "claimed") this.claims.push(claimed.claim);
  }

  async finish(nth: number): Promise<void> {
    const claim = this.#claim(nth);
    if (claim === undefined) return;
    const output = JSON.stringify(writtenUnder(claim.fence));
    const hash = createHash("sha256").update(output).digest("hex");
    await finishSection(this.#store, claim, { output, hash, unreviewed: null }, [], WAKE_MS, []);
  }

  async leave(nth: number, how: "park" | "halt" | "wait"): Promise<void> {
    const claim = this.#claim(nth);
    if (claim === undefined) return;
    const leaving: Leaving =
      how === "wait"
        ? {
            to: "waiting_for_retry",
            afterMs: 1,
            because: "busy",
            failure: leftUnder(claim.fence),
            transientAttempts: 1,
          }
        : { to: "needs_review", failure: leftUnder(claim.fence), halts: how === "halt" };
    await leaveSection(this.#store, claim, leaving, [], WAKE_MS, []);
  }

  async die(section: string): Promise<void> {
    await breakClaim(this.#store, { report: this.id, section, type: "topic", process: "dead" }, 1, A_FAILURE);
  }

  /** What the parent job does: the next round, the review, or the delivery. */
  async advance(): Promise<void> {
    const stored = await this.#read();
    const { report } = stored;
    if (!["pending", "running", "waiting_for_retry"].includes(report.status)) return;
    const plan = stored.plan ?? (await savePlan(this.#store, report, planSections(aTopicType))) ?? [];
    const sections = await readSections(this.#store, this.id, plan);
    const move = nextMove(plan, sections, stored.halted);
    if (move.move === "write") {
      await startRound(this.#store, report, report.round + 1, move.sections, WAKE_MS);
    } else if (move.move === "review") {
      await parkReport(this.#store, stored, {
        failure: move.failure,
        sections: move.sections,
        deadlineMs: WAKE_MS,
        version: 1,
        ballot: [],
        failureLimits: DEFAULT_FAILURE_LIMITS,
      });
    } else if (move.move === "deliver") {
      const there = sections.flatMap((section) => (section.status === "completed" ? [section] : []));
      const receipt = { credits: 5, typeVersion: 1, sourceHash: "", spentMicros: 0 };
      const words = { title: "", markdown: "", sections: [], receipt };
      await saveArtefact(this.#store, { v: 1, report: this.id, type: "topic", ...words }, HASH);
      await deliver(
        this.#store,
        report,
        HASH,
        there.length === sections.length
          ? { delivery: "full", sections: there }
          : { delivery: "partial", sections: there, commitCredits: there.length, ...BY },
      );
    }
  }

  /** The same operation as often as it is sent; what the desk refuses is an answer. */
  async decide(action: Action, nth: number, times: number): Promise<void> {
    const cases = await listCases(this.#store, { report: this.id, limit: 100 });
    const chosen = cases[nth % Math.max(1, cases.length)];
    const operation = `${this.id}-${this.#operations++}`;
    const ruling = { ...BY, operation };
    for (let time = 0; time < times; time++) await settled(this.#act(action, chosen?.id ?? "", ruling, nth));
  }

  async #act(action: Action, caseId: string, ruling: typeof BY, nth: number): Promise<unknown> {
    const desk = this.#desk;
    switch (action) {
      case "resume":
        return resumeCase(desk, caseId, ruling, nth % 2 === 0 ? "current" : "stored");
      // Without a stored answer there is nothing to validate; the fleet's stories do that.
      case "revalidate":
        return undefined;
      case "accept_edited":
        return acceptEdited(desk, caseId, "Written by hand, and long enough.", ruling);
      case "skip_section":
        return skipSection(desk, caseId, ruling);
      case "correct_source":
        return correctSource(desk, this.id, { topic: `corrected ${nth}` }, ruling);
      case "deliver_partial":
        return deliverPartial(desk, this.id, ruling);
      case "reject":
        return rejectReport(desk, this.id, ruling);
      case "cancel":
        return cancelReport(desk, this.id, ruling);
    }
  }

  async #read() {
    const stored = await readReport(this.#store, this.id);
    if (stored === null) throw new Error(`${this.id} is gone.`);
    return stored;
  }

  #claim(nth: number): Claim | undefined {
    return this.claims[nth % Math.max(1, this.claims.length)];
  }
}

const HASH = "a".repeat(64);

async function settled(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isFleetError(error)) throw error;
  }
}

async function anOrder(of: Store): Promise<Story> {
  const order = { account: "acme", type: "topic", source: { topic: "rivers" }, again: true };
  const { id } = await submitReport(deskOf(of), order);
  return new Story(of, id);
}

type Command =
  | { do: "claim"; section: number; by: "alive" | "dead" }
  | { do: "finish"; claim: number }
  | { do: "leave"; claim: number; how: "park" | "halt" | "wait" }
  | { do: "die"; section: number }
  | { do: "advance" }
  | { do: "decide"; action: Action; nth: number; times: number };

const small = fc.nat({ max: 5 });
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("claim" as const),
      section: fc.nat({ max: 1 }),
      by: fc.constantFrom("alive" as const, "dead" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("finish" as const), claim: small }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("leave" as const),
      claim: small,
      how: fc.constantFrom("park" as const, "halt" as const, "wait" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("die" as const), section: fc.nat({ max: 1 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("decide" as const),
      // Ends of the report are rarer, so that stories get long.
      action: fc.constantFrom<Action>(
        "resume",
        "resume",
        "accept_edited",
        "skip_section",
        "correct_source",
        "correct_source",
        "deliver_partial",
        "reject",
        "cancel",
      ),
      nth: small,
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

async function carryOut(story: Story, one: Command): Promise<void> {
  switch (one.do) {
    case "claim":
      return story.claim(SECTIONS[one.section] ?? "first", one.by);
    case "finish":
      return story.finish(one.claim);
    case "leave":
      return story.leave(one.claim, one.how);
    case "die":
      return story.die(SECTIONS[one.section] ?? "first");
    case "advance":
      return story.advance();
    case "decide":
      return story.decide(one.action, one.nth, one.times);
  }
}

async function problemsAfter(of: Store, commands: readonly Command[]): Promise<string[]> {
  const story = await anOrder(of);
  await story.advance();
  for (const one of commands) {
    const before = await readClaims(of, story.id);
    await carryOut(story, one);
    const problems = [
      ...(await checkReviews(of, story.id)),
      ...stolenClaims(before, await readClaims(of, story.id)),
      ...(await foreignWrites(of, story.id)),
    ];
    if (problems.length > 0) return problems;
  }
  return [];
}

/** The workers of these tests write their fence, so that an output tells whose it is, and a failure who left with it. */
async function foreignWrites(of: Store, id: ReportId): Promise<string[]> {
  const sections = await readSections(of, id, (await readReport(of, id))?.plan ?? []);
  const problems: string[] = [];
  for (const section of sections) {
    const [, left] =
      /under fence (\d+)/.exec("failure" in section ? (section.failure?.message ?? "") : "") ?? [];
    if (left !== undefined && Number(left) !== section.fence)
      problems.push(`a zombie left ${section.key}, which another claim had in hand`);
    if (section.status !== "completed" || section.edited !== null) continue;
    const read = await readOutput(of, id, section.key);
    if (!read.ok || read.output !== writtenUnder(section.fence))
      problems.push(`${section.key} was overwritten by a zombie`);
  }
  return problems;
}

function leftUnder(fence: string): FailureSummary {
  return { ...A_FAILURE, message: `It did not fit under fence ${fence}.` };
}

function writtenUnder(fence: number | string): string {
  return `Written under fence ${fence}.`;
}

test("whatever people and workers do, in any order and how often, cases, sections and reports agree", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 25 }), async (commands) => {
      expect(await problemsAfter(store, commands)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

test("decisions at the same moment leave one decision, one next run and one row of the audit", async () => {
  const story = await parkedStory();
  const [found] = await listCases(store, { report: story.id, limit: 1 });
  const desk = deskOf(store);
  const answers = await Promise.allSettled([
    resumeCase(desk, found?.id ?? "", { ...BY, version: 1 }, "current"),
    skipSection(desk, found?.id ?? "", { ...BY, version: 1 }),
    acceptEdited(desk, found?.id ?? "", "Written by hand, and long enough.", { ...BY, version: 1 }),
    rejectReport(desk, story.id, BY),
  ]);
  const done = answers.filter(({ status }) => status === "fulfilled");
  expect(done.length).toBeGreaterThanOrEqual(1);
  expect(done.length).toBeLessThanOrEqual(1);
  expect(await checkReviews(store, story.id)).toEqual([]);
  expect((await readReport(store, story.id))?.report.run).toBeLessThanOrEqual(2);
});

/** Brings a report into a status the way it gets there. */
const INTO: Record<ReportStatus, () => Promise<Story>> = {
  pending: async () => anOrder(store),
  running: async () => {
    const story = await anOrder(store);
    await story.advance();
    await story.claim("first", "alive");
    await story.leave(0, "park");
    return story;
  },
  waiting_for_retry: async () => {
    const story = await INTO.running();
    await story.claim("second", "alive");
    await story.leave(1, "wait");
    return story;
  },
  needs_review: () => parkedStory(),
  completed: async () => {
    const story = await INTO.running();
    await story.decide("accept_edited", 0, 1);
    await story.claim("second", "alive");
    await story.finish(1);
    await story.advance();
    return story;
  },
  failed: async () => {
    const story = await parkedStory();
    await story.decide("reject", 0, 1);
    return story;
  },
  cancelled: async () => {
    const story = await INTO.running();
    await story.decide("cancel", 0, 1);
    return story;
  },
};

/** One section parked, the other written. */
async function parkedStory(): Promise<Story> {
  const story = await INTO.running();
  await story.claim("second", "alive");
  await story.finish(1);
  await story.advance();
  return story;
}

test.for(REPORT_STATUSES)(
  "the desk does for a real report that is %s what the table says, no more",
  async (status) => {
    for (const action of ACTIONS) {
      // A stored answer is what the stories of the fleet bring.
      if (action === "revalidate") continue;
      const story = await INTO[status]();
      const before = await readReport(store, story.id);
      expect(before?.report.status).toBe(status);
      const snapshot = await store.redis.hgetall(store.keys.report(story.id));
      await story.decide(action, 0, 1);
      const after = await store.redis.hgetall(store.keys.report(story.id));
      const changed = JSON.stringify(after) !== JSON.stringify(snapshot);
      expect(`${action} on ${status}: ${changed}`).toBe(
        `${action} on ${status}: ${PERMISSIONS[action][status].allowed}`,
      );
      expect(await checkReviews(store, story.id)).toEqual([]);
    }
  },
);

test("a report whose end comes between reading and deciding is not brought back to life", async () => {
  const story = await parkedStory();
  const stored = await readReport(store, story.id);
  if (stored === null) throw new Error("it is gone");
  await endReport(store, stored.report, { status: "cancelled", because: "a test", by: "ada" });
  await story.decide("resume", 0, 2);
  await story.decide("deliver_partial", 0, 2);
  expect((await readReport(store, story.id))?.report.status).toBe("cancelled");
  expect(await checkReviews(store, story.id)).toEqual([]);
});

test("an order of the data that an open report was corrected from is an order of its own", async () => {
  const desk = deskOf(store);
  const order = { account: "acme", type: "topic", source: { topic: "marshes" } };
  const { id } = await submitReport(desk, order);
  expect(await submitReport(desk, order)).toMatchObject({ id, openOrder: true });
  await correctSource(desk, id, { topic: "moors" }, BY);
  const again = await submitReport(desk, order);
  expect(again.openOrder).toBe(false);
  expect(again.id).not.toBe(id);
});

test("a correction is refused when the plan and a section from the old data came while it was weighed", async () => {
  const story = await anOrder(store);
  const before = (await readReport(store, story.id))?.report.sourceHash;
  const meanwhile = withScripts(async (body) => {
    if (body.includes("earlierSources")) {
      await story.advance();
      await story.claim("first", "alive");
      await story.finish(0);
    }
    return body;
  });
  await expect(correctSource(deskOf(meanwhile), story.id, { topic: "moors" }, BY)).rejects.toMatchObject({
    code: "stale_version",
  });
  expect((await readReport(store, story.id))?.report).toMatchObject({ sourceHash: before, run: 1 });
  // Looked at again, nothing that was written from the old data is kept.
  expect((await correctSource(deskOf(store), story.id, { topic: "moors" }, BY)).kept).toEqual([]);
  expect((await readOutput(store, story.id, "first")).ok).toBe(false);
  expect(await checkReviews(store, story.id)).toEqual([]);
});

test("resuming one of two sections that halted a running report leaves it halted by the other", async () => {
  const story = await anOrder(store);
  await story.advance();
  for (const section of SECTIONS) await story.claim(section, "alive");
  for (const nth of [0, 1]) await story.leave(nth, "halt");
  const [first, second] = await listCases(store, { report: story.id, limit: 2 });
  await resumeCase(deskOf(store), first?.id ?? "", BY, "current");
  expect(await readReport(store, story.id)).toMatchObject({
    report: { run: 1 },
    halted: { kind: "contract" },
  });
  await story.claim("first", "alive");
  expect(story.claims).toHaveLength(2);
  await resumeCase(deskOf(store), second?.id ?? "", BY, "current");
  expect((await readReport(store, story.id))?.halted).toBeNull();
  for (const section of SECTIONS) await story.claim(section, "alive");
  expect(story.claims).toHaveLength(4);
  expect(await checkReviews(store, story.id)).toEqual([]);
});

test("a report is not put before people for a section of which a failover has forgotten that it failed", async () => {
  const story = await anOrder(store);
  await story.advance();
  for (const section of SECTIONS) await story.claim(section, "alive");
  await story.finish(0);
  await story.leave(1, "park");
  let parkings = 0;
  const forgetful = withScripts(async (body) => {
    if (body.includes("note_failed_report(KEYS[1]") && ++parkings === 1)
      await store.redis.hset(store.keys.section(story.id, "second"), "status", "pending");
    return body;
  });
  await new Story(forgetful, story.id).advance();
  expect(parkings).toBe(1);
  expect((await readReport(store, story.id))?.report).toMatchObject({ status: "running", round: 1 });
  // Looked at again, there is something to write.
  await story.advance();
  expect((await readReport(store, story.id))?.report).toMatchObject({ status: "running", round: 2 });
});

test("what waits in a group, and the money that waits with it, is what its open cases say, whatever became of the others", async () => {
  const kept = [await parkedStory(), await parkedStory(), await INTO.running()];
  await kept[0]?.decide("resume", 0, 2);
  const [left] = await listCases(store, { report: kept[1]?.id, limit: 1 });
  expect(left?.creditsHeld).toBe(5);
  expect(await checkStakes(store, left?.group ?? "")).toEqual([]);
});

type Doing = (story: Story) => Promise<void>;
const UNREADABLE: { does: string; argument: string; parked: boolean; act: Doing }[] = [
  { does: "finishes a section", argument: '"papers"', parked: false, act: (story) => story.finish(0) },
  {
    does: "votes for a section",
    argument: '"papers"',
    parked: false,
    act: (story) => story.leave(0, "park"),
  },
  { does: "opens a case", argument: '"casesOf"', parked: false, act: (story) => story.leave(0, "park") },
  { does: "breaks a claim", argument: '"casesOf"', parked: false, act: (story) => story.die("second") },
  { does: "parks a report", argument: '"papers"', parked: true, act: (story) => story.advance() },
  {
    does: "ends a report",
    argument: '"casesOf"',
    parked: true,
    act: (story) => story.decide("cancel", 0, 1),
  },
];

test.for(UNREADABLE)(
  "a script that $does writes nothing where it cannot read an argument ($argument)",
  async ({ argument, parked, act }) => {
    const story = await anOrder(store);
    await story.advance();
    await story.claim("first", "alive");
    // One more death of its worker, and a person is asked.
    await story.claim("second", "dead");
    await story.die("second");
    await story.claim("second", "dead");
    if (parked) {
      await story.leave(0, "park");
      await story.die("second");
    }
    const garbled = withScripts((body, args) => {
      for (const [at, arg] of args.entries()) if (String(arg).includes(argument)) args[at] = "{";
      return body;
    });
    const teller = new Story(garbled, story.id);
    teller.claims.push(...story.claims);
    const before = await dumpOf(story.id);
    await expect(act(teller)).rejects.toThrow(/json|Expected/i);
    expect(await dumpOf(story.id)).toEqual(before);
  },
);

/** Everything a script about one report may write that is the report's own. */
async function dumpOf(id: ReportId): Promise<unknown[]> {
  const { redis, keys } = store;
  const own = [keys.report(id), keys.events(id), keys.casesOf(id), keys.hold(`${id}.h1`)];
  const sections = SECTIONS.map((section) => keys.section(id, section));
  // By their values: the bytes of a hash differ with its order, which changes by being read.
  return Promise.all(
    [...own, ...sections].map(async (key) => {
      switch (await redis.type(key)) {
        case "hash":
          return redis.hgetall(key);
        case "stream":
          return redis.xrange(key, "-", "+");
        case "zset":
          return redis.zrange(key, "0", "-1", "WITHSCORES");
        default:
          return null;
      }
    }),
  );
}

/** The same store, seen through somebody who reads every script and its arguments before they are sent, and may change them. */
function withScripts(
  reader: (body: string, args: (string | number | Buffer)[]) => string | Promise<string>,
): Store {
  const redis = new Proxy(store.redis, {
    get(target, name) {
      if (name === "evalsha") return () => Promise.reject(new Error("NOSCRIPT for this test"));
      if (name === "eval")
        return async (body: string, keyCount: number, ...args: (string | number | Buffer)[]) => {
          const sent = await reader(body, args);
          return target.eval(sent, keyCount, ...args);
        };
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  return { redis, keys: store.keys, fleet: store.fleet };
}

/** The same store, with a piece of every script that holds it replaced: a mistake somebody might make one day. */
function withMistake(piece: string, instead: string): { store: Store; planted: () => number } {
  let count = 0;
  const mistaken = withScripts((body) => {
    if (body.includes(piece)) count += 1;
    return body.replace(piece, instead);
  });
  return { store: mistaken, planted: () => count };
}

test.for([
  {
    mistake: "no fence when a section is finished",
    piece: "if fence ~= ARGV[1] then return 'superseded' end\nif status",
    instead: "if status",
    problem: /zombie/,
  },
  {
    mistake: "no fence when a section is left",
    piece:
      "if s[4] ~= ARGV[1] then return 'superseded' end\nif s[1] ~= 'running' or s[2] == '' then return 'left' end",
    instead: "if s[1] ~= 'running' or s[2] == '' then return 'left' end",
    problem: /a zombie left/,
  },
  {
    mistake: "a claim that asks nobody",
    piece:
      "if s[2] and s[2] ~= '' and s[3] ~= ARGV[4] and redis.call('EXISTS', ARGV[5] .. s[3]) == 1 then return {'wait', '1000'} end",
    instead: "",
    problem: /stolen/,
  },
  {
    mistake: "a decision that forgets its case",
    piece: "close_case(names, one, action, by, why, operation, now) end\nend\nredis",
    instead: "end\nend\nredis",
    problem: /open cases/,
  },
  {
    mistake: "a park that forgets its deadline",
    piece: "redis.call('ZADD', KEYS[5], now + tonumber(ARGV[6]), ARGV[2])",
    instead: "",
    problem: /deadline/,
  },
])("the checker catches $mistake", async ({ piece, instead, problem }) => {
  const mistaken = withMistake(piece, instead);
  let caught: string[] = [];
  const found = await fc.check(
    fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 25 }), async (commands) => {
      caught = await problemsAfter(mistaken.store, commands);
      return caught.length === 0;
    }),
    { numRuns: 300, endOnFailure: true },
  );
  expect(mistaken.planted()).toBeGreaterThan(0);
  expect(found.failed).toBe(true);
  expect(caught.join("; ")).toMatch(problem);
});
