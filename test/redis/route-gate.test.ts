/** The gate of a route under any order of requests, answers, refusals, waits and troubles, from many workers at once. */
import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_ACCOUNT_LIMITS } from "../../src/domain/fairness.ts";
import { NO_CAPS, NO_LIMITS } from "../../src/domain/route.ts";
import { registryOf } from "../../src/report-types/registry.ts";
import { submitReport } from "../../src/producer/submit-report.ts";
import { concludeUnanswered, recordAnswer } from "../../src/store/call-outcomes.ts";
import { beginCall, type Asking, type Begun } from "../../src/store/calls.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { beat } from "../../src/store/processes.ts";
import { Queues } from "../../src/store/queues.ts";
import { openStore, type Store } from "../../src/store/redis.ts";
import { startRound } from "../../src/store/report-transitions.ts";
import { closeRoute, openRoute, reportTrouble } from "../../src/store/routes.ts";
import { claimSection, type Claim } from "../../src/store/sections.ts";
import { waitFor } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aSteppedType } from "../support/report-types/index.ts";
import { anAnswer, noAnswer } from "../support/an-answer.ts";

const LIMITS = { requestsPerMinute: 6, tokensPerMinute: 1_000, concurrency: 2 };
const TOKENS = 100;

let redis: Redis;
let store: Store;
let queues: Queues;
let claim: Claim;
beforeAll(async () => {
  redis = new Redis(testRedisUrl());
  store = openStore(redis, uniqueFleet("gate"));
  queues = new Queues(store);
  await grantCredits(store, { account: "acme", credits: 100, reference: "all" });
  const types = registryOf([{ ...aSteppedType, budget: { usd: 1_000 } }]);
  const { id } = await submitReport(
    { store, queues, types, durations: { wakeAfterMs: 60_000 }, accountLimits: NO_ACCOUNT_LIMITS },
    { account: "acme", type: "stepped", source: { topic: "x" } },
  );
  await startRound(store, { id, type: "stepped", run: 1 }, 1, ["body"], 60_000);
  await beat(store, { id: "p", pid: 1, home: "elsewhere", started: "1", roles: "worker", version: "1" });
  const claimed = await claimSection(
    store,
    { report: id, type: "stepped", section: "body", version: 1, run: 1, claimId: "c", process: "p" },
    60_000,
  );
  if (claimed.outcome !== "claimed") throw new Error(`The section was not claimed: ${claimed.outcome}.`);
  claim = claimed.claim;
});
afterAll(async () => {
  await queues.close();
  redis.disconnect();
});

/** A promise of the gate, in the words of whoever relies on it. */
function must(holds: boolean, promise: string): void {
  if (!holds) throw new Error(`Broken: ${promise}.`);
}

function ofCall(callKey: string) {
  return { report: claim.report, section: claim.section, callKey };
}

function anAsking(route: string): Asking {
  return {
    callKey: `body/call/${randomUUID()}`,
    call: "call",
    take: 1,
    askId: randomUUID(),
    route,
    estimateMicros: 1,
    estimateTokens: TOKENS,
    promptVersion: "1",
  };
}

/** A hundred tokens. */
const ANSWERED = { inputTokens: 60, cachedInputTokens: 0, outputTokens: 40, reasoningTokens: 0 };

type Step = "begin" | "answer" | "refuse" | "trouble" | "wait" | "close" | "open";
const step = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Step>("begin") },
  { weight: 4, arbitrary: fc.constant<Step>("answer") },
  { weight: 2, arbitrary: fc.constantFrom<Step>("refuse", "trouble") },
  { weight: 1, arbitrary: fc.constantFrom<Step>("wait", "close", "open") },
);

test("no request leaves through a closed gate, past a limit, or beside a probe", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const route = `provider/model#${randomUUID()}`;
      const flying: { asking: Asking; at: number }[] = [];
      /** What the gate must know of: by whom it is closed, and whether it is tried by one call at a time. */
      let closed = false;
      let waiting = false;
      let troubled = false;
      let left = 0;
      for (const action of steps) {
        const [next] = flying;
        switch (action) {
          case "begin": {
            const asking = anAsking(route);
            const begun: Begun = await beginCall(
              store,
              claim,
              asking,
              { limits: LIMITS, caps: NO_CAPS, leaseMs: 60_000 },
              [],
            );
            if (begun.outcome !== "go") {
              must(begun.outcome === "wait", `a gate only makes wait, and this one said ${begun.outcome}`);
              break;
            }
            must(!closed, "a route that a person has to open lets nobody through");
            must(!waiting, "nobody asks earlier than the provider said");
            must(flying.length < LIMITS.concurrency, "slots bound what is in flight");
            left += 1;
            // A run of steps takes milliseconds; at worst it meets the turn of one minute.
            must(left <= 2 * LIMITS.requestsPerMinute, "no more requests than two minutes allow");
            if (troubled) must(!flying.some(({ at }) => at < 0), "one probe at a time");
            flying.push({ asking, at: troubled ? -begun.at : begun.at });
            break;
          }
          case "answer": {
            if (next === undefined) break;
            flying.shift();
            const answer = anAnswer({ route, tokens: ANSWERED });
            await recordAnswer(store, claim, next.asking, answer, "p");
            troubled = false;
            for (const other of flying) other.at = Math.abs(other.at);
            break;
          }
          case "wait":
          case "refuse":
          case "trouble": {
            if (next === undefined) break;
            flying.shift();
            const stayAwayMs = action === "wait" ? 60_000 : 0;
            await concludeUnanswered(store, claim, next.asking, noAnswer({ stayAwayMs }));
            if (action === "wait") waiting = true;
            if (action !== "trouble") break;
            const trouble = await reportTrouble(store, route, ofCall(next.asking.callKey), {
              beganAt: Math.abs(next.at),
              freeForMs: 60_000,
              firstMs: 1,
              longestMs: 1,
              random: 1,
            });
            if (trouble.fault === "route") troubled = true;
            break;
          }
          case "close":
            await closeRoute(store, route, "wrong key", "p", 0);
            closed = true;
            break;
          case "open":
            if ((await openRoute(store, route, "ada")) === "open") {
              closed = false;
              waiting = false;
              troubled = false;
              for (const other of flying) other.at = Math.abs(other.at);
            }
            break;
        }
      }
    }),
    { numRuns: 150 },
  );
});

/** A request that has left, under a route of its own for each test. */
async function leaves(route: string, asking = anAsking(route)) {
  const gate = { limits: NO_LIMITS, caps: NO_CAPS, leaseMs: 60_000 };
  // What came after what is told by the clock, so each leaves at a millisecond of its own.
  await nextMs();
  const begun = await beginCall(store, claim, asking, gate, []);
  if (begun.outcome !== "go") throw new Error(`It did not leave: ${begun.outcome}.`);
  const { at } = begun;
  await nextMs();
  const answered = () => recordAnswer(store, claim, asking, anAnswer({ route, tokens: ANSWERED }), "p");
  async function fails() {
    await concludeUnanswered(store, claim, asking, noAnswer());
    const trouble = { beganAt: at, freeForMs: 60_000, firstMs: 1, longestMs: 1, random: 1 };
    return (await reportTrouble(store, route, ofCall(asking.callKey), trouble)).fault;
  }
  return { asking, answered, fails };
}

async function nextMs(): Promise<void> {
  const now = await nowMs();
  await waitFor(
    async () => (await nowMs()) > now,
    () => "the clock stands still",
  );
}

async function nowMs(): Promise<number> {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}

test("a request that fails is its own fault where one that left after it was answered", async () => {
  const route = `provider/model#${randomUUID()}`;
  const [failing, later] = [await leaves(route), await leaves(route)];
  await later.answered();
  expect(await failing.fails()).toBe("request");
});

test("when an outage begins, answers to earlier requests still arrive, and blame nobody for what left since", async () => {
  const route = `provider/model#${randomUUID()}`;
  const [earlier, slow] = [await leaves(route), await leaves(route)];
  const caught = await leaves(route);
  await earlier.answered();
  expect(await caught.fails()).toBe("unclear");
  // A long answer that was on its way arrives in the middle of the outage.
  await slow.answered();
  const again = await leaves(route, { ...anAsking(route), callKey: caught.asking.callKey });
  expect(await again.fails()).toBe("route");
});

test("a call that fails again while others that left since were answered is blamed at its second failure", async () => {
  const route = `provider/model#${randomUUID()}`;
  const [other, failing] = [await leaves(route), await leaves(route)];
  await other.answered();
  expect(await failing.fails()).toBe("unclear");
  await (await leaves(route)).answered();
  const again = await leaves(route, { ...anAsking(route), callKey: failing.asking.callKey });
  expect(await again.fails()).toBe("request");
  // Another call of the section has not failed before.
  expect(await (await leaves(route)).fails()).toBe("route");
});
