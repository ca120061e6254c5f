/** The breaker's scripts on a real Redis: they walk the same way as the drawing in the domain, and the gates ask them. */
import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import type { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  DEFAULT_BREAKER,
  NEW_BREAKER,
  observe,
  wordFor,
  type Breaker,
  type BreakerSettings,
  type Observation,
} from "../../src/domain/breaker.ts";
import { reportIdFrom, type ReportId } from "../../src/domain/ids.ts";
import { NO_CAPS, NO_LIMITS } from "../../src/domain/route.ts";
import { admit, type Order } from "../../src/store/admit.ts";
import {
  announceType,
  ballotArgument,
  BREAKER_LUA,
  settleProbe,
  turnBreaker,
  type BallotPaper,
} from "../../src/store/breakers.ts";
import { listPostponed, readBreaker, readBreakerHistory } from "../../src/store/read-breakers.ts";
import { beginCall } from "../../src/store/calls.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { endReport } from "../../src/store/end-report.ts";
import { connectForCommand, openStore, type Store } from "../../src/store/redis.ts";
import { startRound } from "../../src/store/report-transitions.ts";
import { run, savingScript } from "../../src/store/script.ts";
import { claimSection, finishSection, leaveSection, type Claim } from "../../src/store/sections.ts";
import { waitFor } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";

let redis: Redis;
beforeAll(() => {
  redis = connectForCommand(testRedisUrl());
});
afterAll(() => redis.disconnect());

const TYPE = "topic";
const LEASE_MS = 600_000;
const failure = {
  kind: "contract",
  code: "schema_mismatch",
  scope: "request",
  message: 'The model\'s JSON does not fit the schema at "report":"x".',
  fingerprint: "0123456789abcdef",
  rule: "a test",
} as const;
const paper = (weight: BallotPaper["weight"]): BallotPaper => ({ failure, weight, givenUp: false });

function reportId(nth: number): ReportId {
  return reportIdFrom(Uint8Array.from({ length: 16 }, (_, at) => (at === 15 ? nth : 1)));
}

function aStore(): Store {
  return openStore(redis, uniqueFleet("breaker"));
}

async function announce(
  store: Store,
  version: number,
  settings: Partial<BreakerSettings> = {},
  leaseMs = LEASE_MS,
) {
  await announceType(store, { type: TYPE, version, breaker: { ...DEFAULT_BREAKER, ...settings } }, leaseMs);
}

/** The pieces as other scripts take them. */
const ASK = savingScript(`${BREAKER_LUA}
return breaker_word(KEYS[1], KEYS[2], now_ms(), ARGV[1], tonumber(ARGV[2]))`);
const BALLOT = savingScript(`${BREAKER_LUA}
breaker_ballot(KEYS[1], KEYS[2], KEYS[3], now_ms(), cjson.decode(ARGV[1]), ARGV[2] == 'finished')
return 'cast'`);

function ask(store: Store, report: ReportId, version: number): Promise<string> {
  return run(redis, ASK, [store.keys.breaker(TYPE), store.keys.fleetEvents], [report, version]);
}

async function cast(
  store: Store,
  of: { report: ReportId; section: string; version: number },
  papers: readonly BallotPaper[],
  finished = false,
): Promise<void> {
  await redis.hset(store.keys.report(of.report), {
    id: of.report,
    type: TYPE,
    account: "acme",
    status: "running",
  });
  await run(
    redis,
    BALLOT,
    [store.keys.report(of.report), store.keys.events(of.report), store.keys.fleetEvents],
    [ballotArgument(of, papers), finished ? "finished" : "left"],
  );
}

/** What both sides must agree on. */
function essence(breaker: Breaker) {
  const opening =
    breaker.state === "closed" || breaker.opening === null
      ? null
      : {
          ...breaker.opening,
          at: 0,
          burntMicros: 0,
          votes: breaker.opening.votes.map(({ voter }) => voter).sort(),
        };
  return {
    state: breaker.state,
    version: breaker.version,
    opening,
    ...(breaker.state === "closed" ? { votes: breaker.votes.map(({ voter }) => voter).sort() } : {}),
    ...(breaker.state === "half_open"
      ? { probes: breaker.probes.map(({ report }) => report).sort(), delivered: breaker.delivered }
      : {}),
  };
}

type Step = { observation: Observation; tell: (store: Store) => Promise<unknown> };

const number = fc.integer({ min: 1, max: 5 });
// Mostly one version: every newer one starts over, and little would ever come to its end.
const version = fc.constantFrom(1, 1, 1, 1, 1, 1, 2, 3);
const section = fc.constantFrom("body", "close");
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(number, section, version, fc.integer({ min: 1, max: 8 }))
      .map(([n, key, v, dice]): Step => {
        const of = { report: reportId(n), section: key, version: v };
        const atOnce = dice === 8;
        const vote = { ...of, voter: `${of.report}/${key}`, failure };
        return {
          observation: { saw: "failure", vote, atOnce, burntMicros: 0 },
          tell: (store) => cast(store, of, [paper(atOnce ? "opens_at_once" : "counts")]),
        };
      }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(section, version).map(([key, v]): Step => ({
      observation: { saw: "success", section: key, version: v },
      tell: (store) => cast(store, { report: reportId(9), section: key, version: v }, [], true),
    })),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(number, version).map(([n, v]): Step => ({
      observation: { saw: "asked", report: reportId(n), version: v },
      tell: (store) => ask(store, reportId(n), v),
    })),
  },
  {
    weight: 2,
    arbitrary: number.map((n): Step => ({
      observation: { saw: "delivered", report: reportId(n) },
      tell: async (store) => {
        await redis.hset(store.keys.report(reportId(n)), {
          id: reportId(n),
          type: TYPE,
          status: "completed",
        });
        await settleProbe(store, TYPE, reportId(n));
      },
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(["opened", "open"], ["closed", "closed"], ["trial", "half_open"])
      .map(([saw, to]): Step => ({
        observation: { saw, by: "ada", reason: "a test" } as Observation,
        tell: (store) => turnBreaker(store, TYPE, { to, by: "ada", reason: "a test" }),
      })),
  },
);

test("any order and repetition of votes, successes, canaries, versions and people ends where the drawing says", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.record({
        probes: fc.integer({ min: 1, max: 2 }),
        successResets: fc.boolean(),
        carefulStart: fc.boolean(),
      }),
      async (steps, chosen) => {
        const store = aStore();
        const settings = { ...DEFAULT_BREAKER, ...chosen };
        await announce(store, 1, chosen);
        let expected = observe(NEW_BREAKER, { saw: "version", version: 1 }, 1, {
          ...settings,
          leaseMs: LEASE_MS,
        });
        for (const { observation, tell } of steps) {
          expected = observe(expected, observation, 1, { ...settings, leaseMs: LEASE_MS });
          const reply = await tell(store);
          const word = observation.saw === "asked" ? wordFor(expected, observation, 1) : reply;
          expect(reply).toBe(word);
          expect(essence((await readBreaker(store, TYPE)).breaker)).toEqual(essence(expected));
        }
        const turns = await readBreakerHistory(store, TYPE, 100);
        for (const [at, turn] of turns.entries()) expect(turn.from).toBe(turns[at + 1]?.to ?? "closed");
      },
    ),
    { numRuns: 120 },
  );
});

const ROUTE = "example.test/writer#0";
const GATE = { limits: NO_LIMITS, caps: NO_CAPS, leaseMs: 60_000 };

function anOrder(id: ReportId, more: Partial<Order> = {}): Order {
  return {
    id,
    account: "acme",
    type: TYPE,
    typeVersion: 1,
    credits: 1,
    budgetMicros: 1_000_000,
    source: { canonical: "{}", hash: id, bytes: 2 },
    idempotencyKey: null,
    again: true,
    whenOpen: "refuse",
    ...more,
  };
}

async function aRunningReport(store: Store, nth: number): Promise<ReportId> {
  const id = reportId(nth);
  await grantCredits(store, { account: "acme", credits: 5, reference: `for ${nth}` });
  await admit(store, anOrder(id), 60_000);
  expect(await startRound(store, { id, type: TYPE, run: 1 }, 1, ["body"], 60_000)).toBe("started");
  return id;
}

function claim(store: Store, report: ReportId, key: string, writer = 1) {
  const wanted = {
    report,
    type: TYPE,
    section: key,
    version: writer,
    run: 1,
    claimId: randomUUID(),
    process: "p",
  };
  return claimSection(store, wanted, 60_000);
}

async function begin(store: Store, held: Claim): Promise<string> {
  const asking = {
    callKey: `${held.section}/draft/${randomUUID()}`,
    call: "draft",
    promptVersion: "1",
    take: 1,
    askId: randomUUID(),
    route: ROUTE,
    estimateMicros: 1,
    estimateTokens: 1,
  };
  return (await beginCall(store, held, asking, GATE, [])).outcome;
}

test("while it is open no call begins, and half open lets no more reports through than it has places", async () => {
  const act = fc.oneof(
    fc.tuple(fc.constant("claim" as const), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 2 })),
    fc.tuple(fc.constant("begin" as const), fc.nat(9), fc.constant(0)),
    fc.tuple(fc.constantFrom("fail", "finish"), fc.nat(9), fc.constant(0)),
    fc.tuple(fc.constantFrom("open", "closed", "half_open", "half_open"), fc.constant(0), fc.constant(0)),
    fc.tuple(fc.constant("announce" as const), fc.constant(0), fc.integer({ min: 1, max: 2 })),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(act, { minLength: 5, maxLength: 25 }),
      fc.integer({ min: 1, max: 2 }),
      async (acts, probes) => {
        const store = aStore();
        await announce(store, 1, { probes, threshold: 2 });
        const reports = await Promise.all([1, 2, 3, 4].map((n) => aRunningReport(store, n)));
        const held: Claim[] = [];
        for (const [nth, [what, which, writer]] of acts.entries()) {
          const before = (await readBreaker(store, TYPE)).breaker;
          let answer = { word: "", allowed: /^$/ };
          switch (what) {
            case "claim": {
              const outcome = await claim(store, reports[which - 1] as ReportId, `s-${nth}`, writer);
              if (outcome.outcome === "claimed") held.push(outcome.claim);
              answer = { word: outcome.outcome, allowed: claimAnswers(before, writer) };
              break;
            }
            case "begin": {
              const chosen = held[which % Math.max(1, held.length)];
              if (chosen === undefined) break;
              const outcome = await begin(store, chosen);
              answer = {
                word: outcome,
                allowed: beginAnswers((await readBreaker(store, TYPE)).breaker, chosen),
              };
              break;
            }
            case "fail":
            case "finish": {
              const [chosen] = held.splice(which % Math.max(1, held.length), 1);
              if (chosen !== undefined) await (what === "fail" ? fail(store, chosen) : finish(store, chosen));
              break;
            }
            case "announce":
              await announce(store, writer, { probes, threshold: 2 });
              break;
            default:
              await turnBreaker(store, TYPE, { to: what, by: "ada", reason: "a test" });
          }
          expect(answer.word).toMatch(answer.allowed);
          const { breaker } = await readBreaker(store, TYPE);
          const places = breaker.state === "half_open" ? breaker.probes.length + breaker.delivered : 0;
          expect(places).toBeLessThanOrEqual(probes);
        }
      },
    ),
    { numRuns: 50 },
  );
});

function claimAnswers(before: Breaker, writer: number): RegExp {
  if (before.state === "closed") return /^claimed$/;
  // A newer version turns what the failures have opened into a trial with this very claim.
  if (before.state === "open" && writer <= before.version) return /^postponed$/;
  return before.state === "half_open" && writer < before.version ? /^older$/ : /^(claimed|postponed)$/;
}

/** A begin takes its place first, so the breaker is looked at afterwards. */
function beginAnswers(after: Breaker, chosen: Claim): RegExp {
  if (after.state === "closed") return /^go$/;
  if (after.state === "open" || chosen.version < after.version) return /^postponed$/;
  return after.probes.some(({ report }) => report === chosen.report) ? /^go$/ : /^postponed$/;
}

async function fail(store: Store, held: Claim): Promise<void> {
  await leaveSection(store, held, { to: "needs_review", failure, halts: false }, [], 60_000, [
    paper("counts"),
  ]);
}

async function finish(store: Store, held: Claim): Promise<void> {
  await finishSection(store, held, { output: "1", hash: "h", unreviewed: null }, [], 60_000, []);
}

test("a report that meets a stopped type joins those that wait, once, and says so", async () => {
  const store = aStore();
  await announce(store, 1);
  const id = await aRunningReport(store, 1);
  await turnBreaker(store, TYPE, { to: "open", by: "ada", reason: "looking into it" });
  expect((await claim(store, id, "body")).outcome).toBe("postponed");
  expect(await startRound(store, { id, type: TYPE, run: 1 }, 2, ["body"], 60_000)).toBe("postponed");
  expect(await startRound(store, { id, type: TYPE, run: 1 }, 2, ["body"], 60_000)).toBe("postponed");
  expect(await listPostponed(store, TYPE, 10)).toEqual([id]);
  expect(await redis.hmget(store.keys.report(id), "status", "round")).toEqual(["waiting_for_retry", "1"]);
  const told = (await redis.xrange(store.keys.events(id), "-", "+")).filter(([, row]) =>
    row[1]?.includes("is stopped"),
  );
  expect(told).toHaveLength(1);

  await turnBreaker(store, TYPE, { to: "closed", by: "ada", reason: "mended" });
  expect(await startRound(store, { id, type: TYPE, run: 1 }, 2, ["body"], 60_000)).toBe("started");
  expect(await listPostponed(store, TYPE, 10)).toEqual([]);
});

test("a report that is cancelled while its type is stopped waits for nothing any more", async () => {
  const store = aStore();
  await announce(store, 1);
  const id = await aRunningReport(store, 1);
  await turnBreaker(store, TYPE, { to: "open", by: "ada", reason: "looking into it" });
  expect(await startRound(store, { id, type: TYPE, run: 1 }, 2, ["body"], 60_000)).toBe("postponed");
  const report = { id, account: "acme", type: TYPE, run: 1, holdId: `${id}.h1` };
  expect(await endReport(store, report, { status: "cancelled", because: "a test", by: "ada" })).toMatchObject(
    { outcome: "ended", status: "cancelled" },
  );
  expect(await listPostponed(store, TYPE, 10)).toEqual([]);
});

test("an order for a stopped type leaves nothing behind, unless the type holds orders", async () => {
  const store = aStore();
  await announce(store, 1);
  await grantCredits(store, { account: "acme", credits: 5, reference: "r" });
  await turnBreaker(store, TYPE, { to: "open", by: "ada", reason: "looking into it" });
  expect(await admit(store, anOrder(reportId(1)), 60_000)).toMatchObject({
    outcome: "type_disabled",
    opening: { by: "ada", reason: "looking into it" },
  });
  expect(await redis.exists(store.keys.report(reportId(1)))).toBe(0);
  expect(await redis.hget(store.keys.account("acme"), "available")).toBe("5");
  expect(await admit(store, anOrder(reportId(1), { whenOpen: "hold" }), 60_000)).toMatchObject({
    outcome: "admitted",
  });
});

test("all refusals of one account are one vote: its topics do not stop the type for others", async () => {
  const store = aStore();
  await announce(store, 1, { threshold: 2 });
  for (const n of [1, 2, 3])
    await cast(store, { report: reportId(n), section: "body", version: 1 }, [paper("counts_per_account")]);
  expect((await readBreaker(store, TYPE)).breaker).toMatchObject({
    state: "closed",
    votes: [{ voter: "acme/body" }],
  });
});

test("a failure that a section went on without is an event and a vote, and its end is no success", async () => {
  const store = aStore();
  await announce(store, 1);
  const id = await aRunningReport(store, 1);
  const claimed = await claim(store, id, "body");
  if (claimed.outcome !== "claimed") throw new Error(claimed.outcome);
  const ballot = [{ ...paper("counts"), givenUp: true }];
  await finishSection(
    store,
    claimed.claim,
    { output: "1", hash: "h", unreviewed: "no critic" },
    [],
    60_000,
    ballot,
  );
  expect((await readBreaker(store, TYPE)).breaker).toMatchObject({ votes: [{ voter: `${id}/body` }] });
  const rows = await redis.xrange(store.keys.events(id), "-", "+");
  expect(rows.some(([, row]) => row[1]?.includes("section.went_without"))).toBe(true);
});

test("what a worker says that lost its section is no vote", async () => {
  const store = aStore();
  await announce(store, 1, { threshold: 1 });
  const id = await aRunningReport(store, 1);
  const claimed = await claim(store, id, "body");
  if (claimed.outcome !== "claimed") throw new Error(claimed.outcome);
  const zombie = { ...claimed.claim, fence: "0" };
  const leaving = { to: "needs_review", failure, halts: false } as const;
  expect(await leaveSection(store, zombie, leaving, [], 60_000, [paper("counts")])).toBe("superseded");
  expect((await readBreaker(store, TYPE)).breaker).toMatchObject({ state: "closed", votes: [] });
});

test("it opens with what the reports that voted have cost in vain", async () => {
  const store = aStore();
  await announce(store, 1, { threshold: 2 });
  for (const n of [1, 2]) {
    await redis.hset(store.keys.report(reportId(n)), {
      "spend.wasted": 100,
      "spend.unknown": 10,
      "spend.useful": 5,
    });
    await cast(store, { report: reportId(n), section: "body", version: 1 }, [paper("counts")]);
  }
  const { breaker } = await readBreaker(store, TYPE);
  expect(breaker).toMatchObject({
    state: "open",
    opening: { burntMicros: 220, votes: [{ failure }, { failure }] },
  });
  expect(await readBreakerHistory(store, TYPE)).toMatchObject([
    { from: "closed", to: "open", burntMicros: 220 },
  ]);
});

test("of two canaries each must be delivered, and a delivered one's place goes to nobody else", async () => {
  const store = aStore();
  await announce(store, 1, { probes: 2 });
  await turnBreaker(store, TYPE, { to: "open", by: "ada", reason: "x" });
  await turnBreaker(store, TYPE, { to: "half_open", by: "ada", reason: "y" });
  const words = await Promise.all([1, 2, 3].map((n) => ask(store, reportId(n), 1)));
  expect(words).toEqual(["probe", "probe", "open"]);
  const delivered = async (n: number) => {
    await redis.hset(store.keys.report(reportId(n)), { id: reportId(n), status: "completed" });
    await settleProbe(store, TYPE, reportId(n));
    await settleProbe(store, TYPE, reportId(n));
  };
  await delivered(1);
  expect(await ask(store, reportId(3), 1)).toBe("open");
  expect((await readBreaker(store, TYPE)).breaker).toMatchObject({ state: "half_open", delivered: 1 });
  await delivered(2);
  expect((await readBreaker(store, TYPE)).breaker.state).toBe("closed");
});

test("a canary's place is free again when its lease is over", async () => {
  const store = aStore();
  await announce(store, 1, {}, 50);
  await turnBreaker(store, TYPE, { to: "open", by: "ada", reason: "x" });
  await turnBreaker(store, TYPE, { to: "half_open", by: "ada", reason: "y" });
  expect(await ask(store, reportId(1), 1)).toBe("probe");
  await waitFor(
    async () => (await ask(store, reportId(2), 1)) === "probe",
    () => "the place was never free",
  );
});

test("votes past the window do not open it", async () => {
  const store = aStore();
  await announce(store, 1, { threshold: 2, windowMs: 30 });
  await cast(store, { report: reportId(1), section: "body", version: 1 }, [paper("counts")]);
  await waitFor(
    async () => {
      const { breaker } = await readBreaker(store, TYPE);
      return breaker.state === "closed" && breaker.votes.length === 0;
    },
    () => "the vote stayed",
  );
  await cast(store, { report: reportId(2), section: "body", version: 1 }, [paper("counts")]);
  expect((await readBreaker(store, TYPE)).breaker.state).toBe("closed");
});

test("a process of an older version that starts late does not bring the old settings back", async () => {
  const store = aStore();
  await announce(store, 2, { threshold: 7 });
  await announce(store, 1, { threshold: 2 });
  expect((await readBreaker(store, TYPE)).settings.threshold).toBe(7);
});
