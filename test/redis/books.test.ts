/**
 * The books of spend under any order of answers, refusals, losses, judgements and ends, beside a provider that keeps its
 * own account of what it billed. Whatever happens: each sum is the sum of its rows, in the report and in the fleet's
 * days, and the provider billed what we know for sure plus at most what we suspect.
 */
import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Answer } from "../../src/domain/call.ts";
import { totalSpend } from "../../src/domain/failure.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import type { FailureSummary } from "../../src/domain/report.ts";
import { NO_CAPS, NO_LIMITS } from "../../src/domain/route.ts";
import type { LedgerRow } from "../../src/llm/simulated/ledger.ts";
import {
  BOOKS_LUA,
  dayName,
  dayNumber,
  readSpend,
  readSpendOfHours,
  readSpendOfMinutes,
} from "../../src/store/books.ts";
import { concludeUnanswered, recordAnswer } from "../../src/store/call-outcomes.ts";
import { beginCall, type Asking } from "../../src/store/calls.ts";
import type { Settlement } from "../../src/store/settlements.ts";
import { readCounts } from "../../src/store/counts.ts";
import { completeReport } from "../../src/store/complete-report.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { deliver, saveArtefact } from "../../src/store/deliver.ts";
import { endReport } from "../../src/store/end-report.ts";
import { readReceipt } from "../../src/store/receipt.ts";
import { startRound } from "../../src/store/report-transitions.ts";
import { readReport } from "../../src/store/reports.ts";
import { run, savingScript } from "../../src/store/script.ts";
import { claimSection, finishSection, type Claim } from "../../src/store/sections.ts";
import { checkBooks } from "../support/check-books.ts";
import { admitOrder, aReportId, openTestStore } from "../support/store-for-tests.ts";
import { anAnswer, noAnswer } from "../support/an-answer.ts";

let store: ReturnType<typeof openTestStore>;
beforeAll(() => {
  store = openTestStore("books");
});
afterAll(() => store.close());

function anEmptyStore(): typeof store {
  const fresh = openTestStore("spend");
  fresh.close();
  return { ...fresh, redis: store.redis };
}

const ESTIMATE = 1_000;
const GATE = { limits: NO_LIMITS, caps: NO_CAPS, leaseMs: 60_000 };
const LOST: FailureSummary = {
  kind: "transient",
  code: "timeout",
  scope: "request",
  message: "It took too long.",
  fingerprint: "00000000000000aa",
  rule: "a test",
};
const UNUSABLE: FailureSummary = { ...LOST, kind: "contract", code: "schema_mismatch" };

interface Ask {
  asking: Asking;
  micros: number;
  /** What the provider has to say of it. */
  billed: boolean;
  answered: boolean;
}

type Action =
  | { do: "ask"; key: number; accept: boolean; micros: number }
  | { do: "answer"; nth: number; exact: boolean }
  | { do: "lose"; nth: number }
  | { do: "refuse"; nth: number }
  | { do: "end"; how: "deliver" | "deliver_without" | "fail" };

const nth = fc.nat({ max: 7 });
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      key: fc.nat({ max: 2 }),
      accept: fc.boolean(),
      micros: fc.integer({ min: 0, max: ESTIMATE }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("answer" as const), nth, exact: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lose" as const), nth }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refuse" as const), nth }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      how: fc.constantFrom("deliver" as const, "deliver_without" as const, "fail" as const),
    }),
  },
);

/** One report with one section, asked by one worker after another. */
class Scene {
  readonly report: ReportId = aReportId();
  readonly asks: Ask[] = [];
  #claim: Claim | null = null;
  #settlements: Settlement[] = [];
  readonly #takes = [1, 1, 1];

  async open(): Promise<void> {
    await grantCredits(store, { account: "acme", credits: 100, reference: "start" });
    await admitOrder(store, { id: this.report, account: "acme", credits: 5 });
    await this.#begin(1);
  }

  async #begin(runNumber: number): Promise<void> {
    await startRound(store, { id: this.report, type: "topic", run: runNumber }, 1, ["body"], 60_000);
    const claimed = await claimSection(
      store,
      {
        report: this.report,
        type: "topic",
        section: "body",
        version: 1,
        run: runNumber,
        claimId: `run ${runNumber}`,
        process: "p",
      },
      60_000,
    );
    if (claimed.outcome !== "claimed") throw new Error(`The section is ${claimed.outcome}.`);
    this.#claim = claimed.claim;
  }

  /** Every script is sent twice, as after a lost reply. */
  async carryOut(what: Action): Promise<void> {
    switch (what.do) {
      case "ask":
        return this.#ask(what.key, what.accept, what.micros);
      case "answer": {
        const ask = this.asks[what.nth];
        if (ask === undefined || ask.answered || !ask.billed) return;
        ask.answered = true;
        // A provider that sends no usage leaves us with the estimate.
        const answer = anAnswerFor(what.exact ? ask.micros : ESTIMATE, what.exact);
        for (let sent = 0; sent < 2; sent++)
          await recordAnswer(store, { report: this.report, section: "body" }, ask.asking, answer, "p");
        return;
      }
      case "lose":
      case "refuse": {
        const ask = this.asks[what.nth];
        if (ask === undefined || ask.answered || !ask.billed) return;
        const billing = what.do === "refuse" ? "not_billed" : "unknown";
        // What was given up as lost stays lost until its answer comes: a refusal told later is not believed.
        if (what.do === "refuse" && !(await this.#isGivenUp(ask))) ask.billed = false;
        for (let sent = 0; sent < 2; sent++)
          await concludeUnanswered(
            store,
            { report: this.report, section: "body" },
            ask.asking,
            noAnswer({ billing, failure: LOST }),
          );
        return;
      }
      case "end":
        for (let sent = 0; sent < 2; sent++) await this.#end(what.how);
    }
  }

  async #ask(key: number, accept: boolean, micros: number): Promise<void> {
    const take = this.#takes[key] ?? 1;
    const asking: Asking = {
      callKey: `body/call-${key}/0123456789abcdef`,
      call: `call-${key}`,
      take,
      askId: randomUUID(),
      route: "host/writer|two#12345678",
      promptVersion: "1|b",
      estimateMicros: ESTIMATE,
      estimateTokens: 10,
    };
    const settlements = this.#settlements;
    this.#settlements = [];
    let begun = await beginCall(store, this.#claim as Claim, asking, GATE, settlements);
    begun = await beginCall(store, this.#claim as Claim, asking, GATE, settlements);
    if (begun.outcome === "go") {
      asking.take = begun.take;
      this.asks.push({ asking, micros, billed: true, answered: false });
    }
    if (begun.outcome !== "checkpoint" || begun.state === "accepted") return;
    const verdict: Settlement["verdict"] = accept
      ? { accepted: true, salvaged: false }
      : { accepted: false, failure: UNUSABLE };
    this.#settlements.push({ callKey: asking.callKey, call: asking.call, take: begun.take, verdict });
    if (!accept) this.#takes[key] = begun.take + 1;
  }

  /** The section is written from the answers to these calls. */
  async finish(keys: readonly number[]): Promise<void> {
    const used = keys.map((key) => `body/call-${key}/0123456789abcdef`);
    const written = { output: '"text"', hash: "h", unreviewed: null, used };
    const settlements = this.#settlements;
    this.#settlements = [];
    await finishSection(store, this.#claim as Claim, written, settlements, 60_000, []);
  }

  /** Delivered without its only section, which can be had later. */
  async deliverPart(): Promise<void> {
    await saveDocument(this.report);
    const terms = { delivery: "partial", sections: [], commitCredits: 2, by: "ada", why: "a test" } as const;
    expect(await deliver(store, await this.#stored(), "f".repeat(64), terms)).toBe("delivered");
  }

  async complete(): Promise<void> {
    const decision = { by: "ada", why: "the rest is wanted" };
    const begun = await completeReport(store, await this.#stored(), ["body"], decision, 60_000);
    if (begun.outcome !== "begun") throw new Error(`The completion is ${begun.outcome}.`);
    await this.#begin(begun.run);
  }

  async #stored() {
    const stored = await readReport(store, this.report);
    if (stored === null) throw new Error("The report is gone.");
    return stored.report;
  }

  async #end(how: "deliver" | "deliver_without" | "fail"): Promise<void> {
    const report = await this.#stored();
    if (how === "fail") {
      await endReport(store, report, { status: "failed", because: "a test", by: "ada" });
      return;
    }
    await saveDocument(this.report);
    const sections = how === "deliver" ? [{ key: "body", outputHash: "h" }] : [];
    // Written, and nobody said from which calls, unless it was finished before.
    for (const { key, outputHash } of sections)
      await store.redis.hset(store.keys.section(this.report, key), { status: "completed", outputHash });
    await deliver(store, report, "f".repeat(64), { delivery: "full", sections });
  }

  async #isGivenUp(ask: Ask): Promise<boolean> {
    const row = await store.redis.hget(store.keys.asks(this.report), ask.asking.askId);
    return row?.startsWith("unknown|") === true;
  }

  providerRows(): LedgerRow[] {
    return this.asks.map(({ micros, billed }, index) => ({
      n: index + 1,
      at: 0,
      bookedAt: 0,
      askedBy: null,
      model: "writer",
      promptHash: String(index),
      marker: null,
      stream: false,
      outcome: "answered",
      billed,
      inputTokens: 1,
      outputTokens: 1,
      micros,
    }));
  }
}

async function saveDocument(id: ReportId): Promise<void> {
  const receipt = { credits: 0, typeVersion: 1, sourceHash: "", spentMicros: 0 };
  const document = {
    v: 1,
    report: id,
    type: "topic",
    title: "",
    markdown: "",
    sections: [],
    receipt,
  } as const;
  await saveArtefact(store, document, "f".repeat(64));
}

function anAnswerFor(micros: number, exact = true): Answer {
  return anAnswer({
    model: "writer-2026",
    route: "host/writer|two#12345678",
    tokens: exact ? { inputTokens: 7, cachedInputTokens: 0, outputTokens: 3, reasoningTokens: 0 } : null,
    micros,
    exact,
    priceTable: "prices of a test",
    elapsedMs: 12,
  });
}

test("every request has one row, every sum is the sum of its rows, and the provider's account fits", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 8, maxLength: 30, size: "max" }), async (actions) => {
      store = anEmptyStore();
      const scene = new Scene();
      await scene.open();
      let before = await readCounts(store);
      for (const what of actions) {
        await scene.carryOut(what);
        const now = await readCounts(store);
        const fell = [...before.counters].filter(([field, value]) => (now.counters.get(field) ?? 0) < value);
        expect(fell).toEqual([]);
        before = now;
      }
      expect(await checkBooks(store, scene.providerRows())).toEqual([]);
      await scene.carryOut({ do: "end", how: "fail" });
      expect(await checkBooks(store, scene.providerRows())).toEqual([]);
      expect(await spendOfAllTimes()).toEqual(await spendOf(scene));
      expect((await readReceipt(store, scene.report)).calls).toHaveLength(scene.asks.length);
    }),
    { numRuns: 40 },
  );
});

async function aScene(): Promise<Scene> {
  store = anEmptyStore();
  const scene = new Scene();
  await scene.open();
  return scene;
}

async function spendOf(scene: Scene) {
  return (await readReport(store, scene.report))?.report.spend;
}

/** As the hours say it, and as their minutes do. */
async function spendOfAllTimes() {
  const { redis, keys } = store;
  const sums = { pending: 0, useful: 0, repaired: 0, wasted: 0, unknown: 0, reused: 0 };
  const ofMinutes = { ...sums };
  for (const key of await redis.keys(`${keys.spendOfHour(0).slice(0, -1)}*`))
    for (const [field, micros] of Object.entries(await redis.hgetall(key))) {
      const outcome = field.replace(/^\d+\|/, "") as keyof typeof sums;
      (field === outcome ? sums : ofMinutes)[outcome] += Number(micros);
    }
  expect(ofMinutes).toEqual(sums);
  return sums;
}

test("what a delivered section was written from is useful, by a further take repaired, and all else paid is wasted", async () => {
  const scene = await aScene();
  const ask = (key: number, accept: boolean, micros = 0) =>
    scene.carryOut({ do: "ask", key, accept, micros });
  await ask(0, true, 100);
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  await ask(0, true);
  await ask(1, false, 30);
  await scene.carryOut({ do: "answer", nth: 1, exact: true });
  await ask(1, false);
  await ask(1, true, 40);
  await scene.carryOut({ do: "answer", nth: 2, exact: true });
  await ask(1, true);
  await ask(2, true, 8);
  await scene.carryOut({ do: "answer", nth: 3, exact: true });
  expect(await spendOf(scene)).toMatchObject({ pending: 148, wasted: 30 });
  await scene.carryOut({ do: "end", how: "deliver" });
  // The last answer was never judged, so nothing delivered was made from it.
  expect(await spendOf(scene)).toMatchObject({ pending: 0, useful: 100, repaired: 40, wasted: 38 });
  const receipt = await readReceipt(store, scene.report);
  expect(receipt.calls.map(({ outcome, lostTo, take, micros }) => [outcome, lostTo, take, micros])).toEqual([
    ["useful", null, 1, 100],
    ["wasted", "contract", 1, 30],
    ["repaired", null, 2, 40],
    ["wasted", "unused", 1, 8],
  ]);
});

test("an accepted answer that the section was not written from in the end is wasted", async () => {
  const scene = await aScene();
  for (const key of [0, 1]) {
    await scene.carryOut({ do: "ask", key, accept: true, micros: 10 + key });
    await scene.carryOut({ do: "answer", nth: key, exact: true });
    await scene.carryOut({ do: "ask", key, accept: true, micros: 0 });
  }
  await scene.finish([1]);
  await scene.carryOut({ do: "end", how: "deliver" });
  expect(await spendOf(scene)).toMatchObject({ useful: 11, wasted: 10 });
  expect(await checkBooks(store, scene.providerRows())).toEqual([]);
});

test("what a given-up completion left unused is useful once a later completion delivers it", async () => {
  const scene = await aScene();
  await scene.carryOut({ do: "ask", key: 0, accept: true, micros: 100 });
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  await scene.carryOut({ do: "ask", key: 0, accept: true, micros: 0 });
  // In flight from here on, through the first delivery and the completion that was given up.
  await scene.carryOut({ do: "ask", key: 1, accept: true, micros: 40 });
  await scene.deliverPart();
  expect(await spendOf(scene)).toMatchObject({ useful: 0, wasted: 100, unknown: ESTIMATE });
  await scene.complete();
  await scene.carryOut({ do: "end", how: "fail" });
  await scene.carryOut({ do: "answer", nth: 1, exact: true });
  const receipt = await readReceipt(store, scene.report);
  expect(receipt.calls.map(({ lostTo }) => lostTo)).toEqual(["ended", "late"]);

  await scene.complete();
  await scene.carryOut({ do: "ask", key: 1, accept: true, micros: 0 });
  await scene.finish([0, 1]);
  await scene.carryOut({ do: "end", how: "deliver" });
  expect(await spendOf(scene)).toMatchObject({ pending: 0, useful: 140, wasted: 0, unknown: 0 });
  expect(await checkBooks(store, scene.providerRows())).toEqual([]);
});

test("a receipt names model, route, prompt version, tokens and price table of every call", async () => {
  const scene = await aScene();
  await scene.carryOut({ do: "ask", key: 0, accept: true, micros: 100 });
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  const { calls } = await readReceipt(store, scene.report);
  expect(calls).toMatchObject([
    {
      section: "body",
      call: "call-0",
      take: 1,
      route: "host/writer|two#12345678",
      model: "writer-2026",
      promptVersion: "1|b",
      tokens: { inputTokens: 7, outputTokens: 3 },
      micros: 100,
      exact: true,
      priceTable: "prices of a test",
      outcome: "pending",
    },
  ]);
});

test("an answer that comes after the end changes the books and nothing else", async () => {
  const scene = await aScene();
  await scene.carryOut({ do: "ask", key: 0, accept: true, micros: 700 });
  await scene.carryOut({ do: "end", how: "fail" });
  expect(await spendOf(scene)).toMatchObject({ unknown: ESTIMATE, wasted: 0 });
  const before = (await readReport(store, scene.report))?.report;
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  const after = (await readReport(store, scene.report))?.report;
  expect(after).toEqual({ ...before, spend: { ...before?.spend, unknown: 0, wasted: 700 } });
  expect(await checkBooks(store, scene.providerRows())).toEqual([]);
});

test("the fleet's days tell type, account, model and loss apart, and keep the day on which a request left", async () => {
  const scene = await aScene();
  await scene.carryOut({ do: "ask", key: 0, accept: true, micros: 100 });
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  await scene.carryOut({ do: "ask", key: 1, accept: true, micros: 0 });
  await scene.carryOut({ do: "lose", nth: 1 });
  const today = dayName(Math.floor(Date.now() / 86_400_000));
  // As if both had left three days ago, and are judged today.
  const { keys, redis } = store;
  const past = dayName(dayNumber(today) - 3);
  for (const key of [keys.spendOfDay, keys.spendSums])
    await redis.rename(key(dayNumber(today)), key(dayNumber(past)));
  for (const [field, row] of Object.entries(await redis.hgetall(keys.asks(scene.report)))) {
    if (!field.endsWith(".books")) continue;
    const parts = row.split("|");
    parts[3] = String(Number(parts[3]) - 3 * 86_400_000);
    await redis.hset(keys.asks(scene.report), field, parts.join("|"));
  }
  await scene.carryOut({ do: "end", how: "fail" });
  expect(await redis.exists(keys.spendOfDay(dayNumber(today)))).toBe(0);
  // Of an hour that is gone, a person who looks at it would see the difference alone.
  expect(await redis.keys(`${keys.spendOfHour(0).slice(0, -1)}*`)).toHaveLength(1);
  const lines = (await readSpend(store, past, today)).toSorted((a, b) => a.micros - b.micros);
  const of = { day: past, type: "topic", account: "acme", model: "writer|two", calls: 1 };
  expect(lines).toEqual([
    { ...of, outcome: "wasted", kind: "ended", micros: 100 },
    { ...of, outcome: "unknown", kind: "transient", micros: ESTIMATE },
  ]);
});

test("the hour and the minute in which a request left say what became of it, and are kept for two days", async () => {
  const scene = await aScene();
  await scene.carryOut({ do: "ask", key: 0, accept: true, micros: 100 });
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  const row = await store.redis.hget(
    store.keys.asks(scene.report),
    `${scene.asks[0]?.asking.askId ?? ""}.books`,
  );
  const leftAt = Number(row?.split("|")[3]);
  const [hour, minute] = [Math.floor(leftAt / 3_600_000), Math.floor(leftAt / 60_000)];
  const none = { pending: 0, useful: 0, repaired: 0, wasted: 0, unknown: 0, reused: 0 };
  const minutes = await readSpendOfMinutes(store, leftAt);
  expect(minutes).toHaveLength(60);
  expect(minutes.at(-1)).toEqual({ at: minute * 60_000, spend: { ...none, pending: 100 } });
  expect(minutes.slice(0, -1).every(({ spend }) => totalSpend(spend) === 0)).toBe(true);

  await scene.carryOut({ do: "end", how: "fail" });
  const hours = await readSpendOfHours(store, leftAt);
  expect(hours).toHaveLength(24);
  expect(hours.at(-1)).toEqual({ at: hour * 3_600_000, spend: { ...none, wasted: 100 } });
  // Seen from later it is where it was.
  const later = await readSpendOfMinutes(store, (minute + 59) * 60_000);
  expect(later[0]).toEqual({ at: minute * 60_000, spend: { ...none, wasted: 100 } });
  expect(totalSpend((await readSpendOfMinutes(store, (minute + 60) * 60_000))[0]?.spend ?? none)).toBe(0);
  expect(await store.redis.pexpiretime(store.keys.spendOfHour(hour))).toBe((hour + 49) * 3_600_000);
});

test.each([
  [
    "a sum that moves without its row",
    `redis.call('HINCRBY', KEYS[1], 'spend.wasted', 5)`,
    /its calls add up to/,
  ],
  [
    "a row that moves without the fleet's day",
    `redis.call('HSET', KEYS[1] .. ':asks', ARGV[1] .. '.books', 'wasted|100||1|m') redis.call('HINCRBY', KEYS[1], 'spend.pending', -100) redis.call('HINCRBY', KEYS[1], 'spend.wasted', 100)`,
    /The fleet's days add up to/,
  ],
  [
    "an answer booked twice",
    `redis.call('HSET', KEYS[1] .. ':asks', 'again.books', opened_row(0, 'm', now_ms())) book(KEYS[1], 'again', 'wasted', 100, 'duplicate') redis.call('HSET', KEYS[1] .. ':asks', 'again.answered', '{"exact":true}')`,
    /was billed for sure; the provider billed/,
  ],
  [
    "an answer that is not booked",
    `book(KEYS[1], ARGV[1], 'not_billed', 0, '')`,
    /The provider billed 100; our books know 0/,
  ],
])("the checker catches %s", async (_, mistake, says) => {
  const scene = await aScene();
  await scene.carryOut({ do: "ask", key: 0, accept: true, micros: 100 });
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  expect(await checkBooks(store, scene.providerRows())).toEqual([]);
  const script = savingScript(`${BOOKS_LUA}\n${mistake}\nreturn 'done'`);
  await run(store.redis, script, [store.keys.report(scene.report)], [scene.asks[0]?.asking.askId ?? ""]);
  expect((await checkBooks(store, scene.providerRows())).join("\n")).toMatch(says);
});

test("every report's total is what its rows say, whatever the outcome", async () => {
  const scene = await aScene();
  for (const key of [0, 1, 2]) await scene.carryOut({ do: "ask", key, accept: true, micros: 100 + key });
  await scene.carryOut({ do: "answer", nth: 0, exact: true });
  await scene.carryOut({ do: "lose", nth: 1 });
  await scene.carryOut({ do: "refuse", nth: 2 });
  await scene.carryOut({ do: "end", how: "deliver" });
  const { calls, spend } = await readReceipt(store, scene.report);
  expect(totalSpend(spend)).toBe(calls.reduce((sum, { micros }) => sum + micros, 0));
  expect(totalSpend(spend)).toBe(100 + ESTIMATE);
});
