/**
 * The call protocol under any order, repetition and crash: two workers, one section, answers that come late or twice.
 * Every command may be sent twice, as after a lost reply.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { totalSpend } from "../../src/domain/failure.ts";
import { NO_ACCOUNT_LIMITS } from "../../src/domain/fairness.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import type { FailureSummary } from "../../src/domain/report.ts";
import { NO_CAPS, NO_LIMITS } from "../../src/domain/route.ts";
import { admit } from "../../src/store/admit.ts";
import { concludeUnanswered, recordAnswer } from "../../src/store/call-outcomes.ts";
import { beginCall, type Asking } from "../../src/store/calls.ts";
import type { Settlement } from "../../src/store/settlements.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { beat, forgetProcess } from "../../src/store/processes.ts";
import { connectPatiently, openStore, type Store } from "../../src/store/redis.ts";
import { startRound } from "../../src/store/report-transitions.ts";
import { readReport } from "../../src/store/reports.ts";
import { breakClaim } from "../../src/store/lost-claims.ts";
import { claimSection, type Claim } from "../../src/store/sections.ts";
import { registryOf } from "../../src/report-types/registry.ts";
import { Queues } from "../../src/store/queues.ts";
import { submitReport } from "../../src/producer/submit-report.ts";
import { waitFor } from "../../src/testing.ts";
import { Spool } from "../../src/workers/spool.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aSteppedType } from "../support/report-types/index.ts";
import { anAnswer, noAnswer } from "../support/an-answer.ts";

const GATE = { limits: NO_LIMITS, caps: NO_CAPS, leaseMs: 60_000 };
const FAILURE: FailureSummary = {
  kind: "contract",
  code: "schema_mismatch",
  scope: "request",
  message: "It does not fit.",
  fingerprint: "00000000000000aa",
  rule: "test",
};
const ESTIMATE = 1_000;

let redis: Redis;
let store: Store;
let queues: Queues;
beforeAll(async () => {
  redis = new Redis(testRedisUrl());
  store = openStore(redis, uniqueFleet("calls"));
  queues = new Queues(store);
  await grantCredits(store, { account: "acme", credits: 1_000_000, reference: "all" });
});
afterAll(async () => {
  await queues.close();
  redis.disconnect();
});

type Step =
  | { do: "claim"; worker: 0 | 1 }
  | { do: "begin"; worker: 0 | 1; key: 0 | 1; settle: "accept" | "reject" | "leave"; repair: boolean }
  | { do: "record"; nth: number; micros: number }
  | { do: "conclude"; nth: number; billing: "unknown" | "not_billed" }
  | { do: "die"; worker: 0 | 1 };

const worker = fc.constantFrom<0 | 1>(0, 1);
const step: fc.Arbitrary<{ step: Step; twice: boolean }> = fc.record({
  twice: fc.boolean(),
  step: fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant("claim" as const), worker }) },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("begin" as const),
        worker,
        key: fc.constantFrom<0 | 1>(0, 1),
        settle: fc.constantFrom("accept" as const, "reject" as const, "leave" as const),
        repair: fc.boolean(),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("record" as const),
        nth: fc.nat(20),
        micros: fc.integer({ min: 0, max: 2_000 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant("conclude" as const),
        nth: fc.nat(20),
        billing: fc.constantFrom("unknown" as const, "not_billed" as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("die" as const), worker }) },
  ),
});

/** One run of the protocol against real Redis, with what it must never do checked after every step. */
class Scene {
  readonly report: ReportId;
  readonly claims: (Claim | null)[] = [null, null];
  readonly processes = [`p0-${randomUUID()}`, `p1-${randomUUID()}`];
  readonly asks: Asking[] = [];
  readonly answers = new Map<string, number>();
  readonly accepted = new Set<string>();
  /** Recorded and not judged yet, per call key: the take. */
  readonly unjudged = new Map<string, number>();
  readonly rejected = new Map<string, number>();
  /** Asks whose answer counts. */
  readonly winners = new Set<string>();
  /** Which worker holds a live claim. */
  holder: 0 | 1 | null = null;
  readonly #spentBefore: number;

  constructor(report: ReportId, spentBefore: number) {
    this.report = report;
    this.#spentBefore = spentBefore;
  }

  async run(action: Step, twice: boolean): Promise<void> {
    const times = twice ? 2 : 1;
    switch (action.do) {
      case "claim":
        return this.claim(action.worker, times);
      case "begin":
        return this.begin(action, times);
      case "record":
        return this.record(action, times);
      case "conclude":
        return this.conclude(action, times);
      case "die":
        return this.die(action.worker, times);
    }
  }

  async claim(by: 0 | 1, times: number): Promise<void> {
    const claimId = randomUUID();
    const process = this.processes[by] ?? "";
    for (let n = 0; n < times; n++) {
      await beat(store, {
        id: process,
        pid: 1,
        home: "elsewhere",
        started: "1",
        roles: "worker",
        version: "1",
      });
      const outcome = await claimSection(
        store,
        { report: this.report, type: "stepped", section: "body", version: 1, run: 1, claimId, process },
        60_000,
      );
      if (outcome.outcome !== "claimed") continue;
      expect(this.holder === null || this.holder === by, "a live claim is never stolen").toBe(true);
      this.holder = by;
      const before = this.claims[by];
      if (n === 1) expect(outcome.claim.fence).toBe(before?.fence);
      this.claims[by] = outcome.claim;
    }
  }

  async begin(action: Extract<Step, { do: "begin" }>, times: number): Promise<void> {
    const claim = this.claims[action.worker];
    if (!claim) return;
    const callKey = `body/k${action.key}/0000000000000000`;
    const unjudged = this.unjudged.get(callKey);
    const settlements: Settlement[] = [];
    if (unjudged !== undefined && action.settle !== "leave") {
      const verdict =
        action.settle === "accept"
          ? { accepted: true as const, salvaged: false }
          : { accepted: false as const, failure: FAILURE };
      settlements.push({ callKey, call: `k${action.key}`, take: unjudged, verdict });
      this.unjudged.delete(callKey);
      if (action.settle === "accept") this.accepted.add(callKey);
      else this.rejected.set(callKey, unjudged);
    }
    const rejectedTake = this.rejected.get(callKey);
    const take =
      action.repair && rejectedTake !== undefined && !this.accepted.has(callKey) ? rejectedTake + 1 : 1;
    const asking: Asking = {
      callKey,
      call: `k${action.key}`,
      take,
      askId: randomUUID(),
      route: "r",
      estimateMicros: ESTIMATE,
      estimateTokens: 2,
      promptVersion: "1",
    };
    for (let n = 0; n < times; n++) {
      const begun = await beginCall(store, claim, asking, GATE, settlements);
      if (begun.outcome !== "go") {
        // A repeat of a script that said go says go again; nothing else may change its mind.
        expect(n === 0 || !this.asks.some(({ askId }) => askId === asking.askId)).toBe(true);
        continue;
      }
      const other = this.claims[action.worker === 0 ? 1 : 0];
      expect(this.accepted.has(callKey), "an accepted call key is never paid again").toBe(false);
      expect(this.unjudged.has(callKey), "a recorded answer is never paid again").toBe(false);
      expect(Number(claim.fence) > Number(other?.fence ?? 0), "only the newest fence begins a call").toBe(
        true,
      );
      if (n === 0) {
        this.asks.push({ ...asking, take: begun.take });
        if (take > 1) this.rejected.delete(callKey);
      }
    }
  }

  async record(action: Extract<Step, { do: "record" }>, times: number): Promise<void> {
    const asking = this.asks[action.nth % Math.max(1, this.asks.length)];
    if (!asking) return;
    // One request has one answer, however often it is reported.
    const micros = this.answers.get(asking.askId) ?? action.micros;
    this.answers.set(asking.askId, micros);
    for (let n = 0; n < times; n++) {
      const recorded = await recordAnswer(
        store,
        { report: this.report, section: "body" },
        asking,
        anAnswer({ text: `text of ${micros}`, micros }),
        "p",
      );
      if (recorded.outcome !== "recorded" || this.winners.has(asking.askId)) continue;
      this.winners.add(asking.askId);
      this.unjudged.set(asking.callKey, asking.take);
    }
  }

  async conclude(action: Extract<Step, { do: "conclude" }>, times: number): Promise<void> {
    const asking = this.asks[action.nth % Math.max(1, this.asks.length)];
    if (!asking || this.answers.has(asking.askId)) return;
    for (let n = 0; n < times; n++)
      await concludeUnanswered(
        store,
        { report: this.report, section: "body" },
        asking,
        noAnswer({ billing: action.billing }),
      );
  }

  async die(by: 0 | 1, times: number): Promise<void> {
    const process = this.processes[by] ?? "";
    for (let n = 0; n < times; n++) {
      await breakClaim(
        store,
        { report: this.report, section: "body", type: "stepped", process },
        1_000,
        FAILURE,
      );
      await forgetProcess(store, process);
      if (this.holder === by) this.holder = null;
    }
  }

  async stateOf(callKey: string): Promise<string> {
    const row = (await redis.hget(store.keys.calls(this.report), callKey)) ?? "";
    return row.split(":").slice(0, 2).join(":");
  }

  /** The books: every ask has exactly one row, and the report's sums are those of the rows. */
  async check(): Promise<void> {
    const all = await redis.hgetall(store.keys.asks(this.report));
    // `<ask>.<what>` is what the receipt tells of it.
    const rows = Object.fromEntries(Object.entries(all).filter(([field]) => !field.includes(".")));
    expect(Object.keys(rows).sort()).toEqual(this.asks.map(({ askId }) => askId).sort());
    let inFlight = 0;
    let billed = 0;
    for (const [askId, row] of Object.entries(rows)) {
      const [state, estimate, micros] = row.split("|");
      expect(state === "answered", "the answer that counts is set once").toBe(this.winners.has(askId));
      if (state === "open") inFlight += Number(estimate);
      else billed += Number(micros);
    }
    const stored = await readReport(store, this.report);
    expect(stored?.inFlightMicros).toBe(inFlight);
    expect(stored === null ? -1 : totalSpend(stored.report.spend)).toBe(billed);
    expect((await spentToday()) - this.#spentBefore, "the day's sum is what was spent or may be").toBe(
      billed + inFlight,
    );
    for (const amount of Object.values(stored?.report.spend ?? {})) expect(amount).toBeGreaterThanOrEqual(0);
  }
}

async function spentToday(): Promise<number> {
  return Number((await redis.hget(store.keys.spentToday, "total")) ?? 0);
}

async function aScene(): Promise<Scene> {
  const types = registryOf([{ ...aSteppedType, budget: { usd: 1_000 } }]);
  const { id } = await submitReport(
    { store, queues, types, durations: { wakeAfterMs: 60_000 }, accountLimits: NO_ACCOUNT_LIMITS },
    { account: "acme", type: "stepped", source: { topic: "x" }, again: true },
  );
  await startRound(store, { id, type: "stepped", run: 1 }, 1, ["body"], 60_000);
  return new Scene(id, await spentToday());
}

test("any order of claims, calls, late answers, repeats and deaths keeps the books and pays nothing twice", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 30 }), async (steps) => {
      const scene = await aScene();
      for (const { step: action, twice } of steps) {
        await scene.run(action, twice);
        await scene.check();
      }
    }),
    { numRuns: 200 },
  );
});

test("a report that is admitted again after a lost reply is held once", async () => {
  const account = "once";
  await grantCredits(store, { account, credits: 10, reference: "r" });
  const order = {
    id: `rp-${"1".repeat(25)}` as const,
    account,
    type: "stepped",
    typeVersion: 1,
    credits: 5,
    budgetMicros: 1_000,
    source: { canonical: "{}", hash: "h", bytes: 2 },
    idempotencyKey: "k",
    whenOpen: "refuse",
  } as const;
  const first = await admit(store, order, 60_000);
  expect(await admit(store, order, 60_000)).toEqual(first);
  expect(await redis.hget(store.keys.account(account), "held")).toBe("5");
});

test("an answer that was paid for is kept in a file when its worker has to end before the store takes it", async () => {
  const spoolDir = mkdtempSync(join(tmpdir(), "report-fleet-spool-"));
  onTestFinished(() => rmSync(spoolDir, { recursive: true, force: true }));
  const scene = await aScene();
  await scene.run({ do: "claim", worker: 0 }, false);
  await scene.run({ do: "begin", worker: 0, key: 0, settle: "leave", repair: false }, false);
  const asking = scene.asks[0];
  if (asking === undefined) throw new Error("Nothing was asked.");

  // Nobody listens there, and its commands wait for somebody who does.
  const away = connectPatiently("redis://127.0.0.1:1");
  onTestFinished(() => away.disconnect());
  const graceIsOver = new AbortController();
  const recording = new Spool(spoolDir, () => undefined).record(
    openStore(away, store.fleet),
    { report: scene.report, section: "body", asking, process: "p" },
    anAnswer({ text: "text of 700", micros: 700 }),
    { spoolAfterMs: 600_000, signal: graceIsOver.signal },
  );
  const ended = recording.then(
    () => "recorded",
    () => "given up",
  );
  graceIsOver.abort();
  await waitFor(
    async () => readdirSync(spoolDir).some((name) => name.endsWith(".answer.json")),
    () => "the answer is in no file",
    5_000,
  );
  away.disconnect();
  expect(await ended).toBe("given up");

  expect(await new Spool(spoolDir, () => undefined).drain(store, "p")).toBe(1);
  const stored = await readReport(store, scene.report);
  expect(stored?.report.spend.pending).toBe(700);
  expect(readdirSync(spoolDir)).toEqual([]);
});

test("replicas that share a spool directory save its answers once, also where one of them is slower", async () => {
  const spoolDir = mkdtempSync(join(tmpdir(), "report-fleet-spool-"));
  onTestFinished(() => rmSync(spoolDir, { recursive: true, force: true }));
  const scene = await aScene();
  await scene.run({ do: "claim", worker: 0 }, false);
  for (const key of [0, 1] as const)
    await scene.run({ do: "begin", worker: 0, key, settle: "leave", repair: false }, false);
  for (const asking of scene.asks) {
    const answer = anAnswer({ text: "text of 700", micros: 700 });
    const spooled = { v: 1, report: scene.report, section: "body", asking, answer };
    writeFileSync(join(spoolDir, `${asking.askId}.answer.json`), JSON.stringify(spooled));
  }
  // The slower one has listed both answers, and comes to the second when that file is gone.
  const saved = Promise.withResolvers<void>();
  const slower = new Proxy(redis, {
    get: (target, name) =>
      name === "callBuffer"
        ? async (...command: Parameters<Redis["callBuffer"]>) => {
            await saved.promise;
            return target.callBuffer(...command);
          }
        : (Reflect.get(target, name) as unknown),
  });

  const late = new Spool(spoolDir, () => undefined).drain({ ...store, redis: slower }, "late");
  expect(await new Spool(spoolDir, () => undefined).drain(store, "early")).toBe(2);
  saved.resolve();
  expect(await late).toBe(1);
  const stored = await readReport(store, scene.report);
  expect(stored?.report.spend.pending).toBe(1_400);
  expect(readdirSync(spoolDir)).toEqual([]);
});

test("a request that left before midnight takes nothing from the new day's cap", async () => {
  const scene = await aScene();
  await scene.run({ do: "claim", worker: 0 }, false);
  for (const key of [0, 1] as const)
    await scene.run({ do: "begin", worker: 0, key, settle: "leave", repair: false }, false);
  const [answered, refused] = scene.asks;
  if (answered === undefined || refused === undefined) throw new Error("Nothing was asked.");
  const yesterday = Date.now() - 86_400_000;
  for (const { askId } of [answered, refused]) {
    const row = (await redis.hget(store.keys.asks(scene.report), `${askId}.books`)) ?? "";
    await redis.hset(
      store.keys.asks(scene.report),
      `${askId}.books`,
      row.replace(/\|\d{13}\|/, `|${yesterday}|`),
    );
  }
  await redis.del(store.keys.spentToday);

  await recordAnswer(
    store,
    { report: scene.report, section: "body" },
    answered,
    anAnswer({ text: "text of 300", micros: 300 }),
    "p",
  );
  await concludeUnanswered(store, { report: scene.report, section: "body" }, refused, noAnswer());
  expect(await spentToday()).toBe(300);
});
