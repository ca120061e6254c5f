/** The gate of a route under any order of requests, answers, refusals, waits and troubles, from many workers at once. */
import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, test } from "vitest";
import { NO_ACCOUNT_LIMITS } from "../../src/domain/fairness.ts";
import { NO_CAPS } from "../../src/domain/route.ts";
import { registryOf } from "../../src/report-types/registry.ts";
import { submitReport } from "../../src/producer/submit-report.ts";
import {
  beginCall,
  concludeUnanswered,
  recordAnswer,
  type Asking,
  type Begun,
} from "../../src/store/calls.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { beat } from "../../src/store/processes.ts";
import { Queues } from "../../src/store/queues.ts";
import { openStore, type Store } from "../../src/store/redis.ts";
import { startRound } from "../../src/store/reports.ts";
import { closeRoute, closeRouteFor, openRoute, reportTrouble } from "../../src/store/routes.ts";
import { claimSection, type Claim } from "../../src/store/sections.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aSteppedType } from "../support/report-types/index.ts";

const LIMITS = { requestsPerMinute: 6, tokensPerMinute: 1_000, concurrency: 2 };
const TOKENS = 100;
const FAILURE = {
  kind: "transient",
  code: "overloaded",
  scope: "request",
  message: "Busy.",
  fingerprint: "0000000000000001",
  rule: "test",
} as const;

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
  await beat(store, { id: "p", pid: 1, home: "elsewhere", started: "1", roles: "worker" });
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
            const asking: Asking = {
              callKey: `body/call/${randomUUID()}`,
              call: "call",
              take: 1,
              askId: randomUUID(),
              route,
              estimateMicros: 1,
              estimateTokens: TOKENS,
              promptVersion: "1",
            };
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
            const tokens = { inputTokens: 60, cachedInputTokens: 0, outputTokens: 40, reasoningTokens: 0 };
            const answer = {
              text: "x",
              finishReason: "stop",
              refusal: null,
              model: "m",
              route,
              requestId: null,
              usage: null,
              tokens,
              micros: 1,
              exact: true,
              priceTable: "t",
              elapsedMs: 1,
            };
            await recordAnswer(store, claim, next.asking, answer, "p");
            troubled = false;
            for (const other of flying) other.at = Math.abs(other.at);
            break;
          }
          case "refuse":
          case "trouble": {
            if (next === undefined) break;
            flying.shift();
            await concludeUnanswered(store, claim, next.asking, "not_billed", FAILURE);
            if (action === "refuse") break;
            const trouble = await reportTrouble(store, route, {
              beganAt: Math.abs(next.at),
              freeForMs: 60_000,
              firstMs: 1,
              longestMs: 1,
              random: 1,
            });
            if (trouble.fault === "route") troubled = true;
            break;
          }
          case "wait":
            await closeRouteFor(store, route, 60_000);
            waiting = true;
            break;
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
