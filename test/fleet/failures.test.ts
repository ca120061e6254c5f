/** Each kind of failure from the provider's answer to what the buyer and the operator see. */
import { afterEach, expect, test } from "vitest";
import { startTestFleet, type FaultRule, type TestFleet, type TestFleetSettings } from "../../src/testing.ts";
import { billedByMark, billedMicros } from "../support/ledger.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aChainedType, aSteppedType, aTopicType } from "../support/report-types/index.ts";

const open: TestFleet[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((fleet) => fleet.stop()));
});

async function aFleet(
  faults: readonly FaultRule[],
  types = [aTopicType, aChainedType, aSteppedType],
  durations: TestFleetSettings["durations"] = {},
): Promise<TestFleet> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("failures"),
    types,
    faults,
    durations,
  });
  open.push(fleet);
  await fleet.grant("acme", 100);
  return fleet;
}

const ORDER = { account: "acme", source: { topic: "lighthouses" } };

test("a rate limit that names its wait costs no attempt and no token, and no request leaves earlier than told", async () => {
  const fleet = await aFleet([
    { match: { first: 1 }, fault: { kind: "rate_limit", retryAfter: "seconds", seconds: 1 } },
  ]);
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  await fleet.delivered(id);
  const [limited, next] = fleet.ledger();
  expect(limited).toMatchObject({ outcome: "rate_limit", billed: false });
  expect((next?.at ?? 0) - (limited?.at ?? 0)).toBeGreaterThanOrEqual(1_000);
  for (const section of await fleet.sections(id)) expect(section.attempts.transient).toBe(0);
  expect((await fleet.spend(id)).total).toBe(billedMicros(fleet.ledger()));
});

test("a section that fails while others are answered spends its own attempts, and then goes to a person", async () => {
  const retries = { transient: 2, backoff: { baseMs: 20, factor: 1, maxMs: 20 } };
  const fleet = await aFleet(
    [{ match: { contains: "topic/first" }, fault: { kind: "server_error", status: 500 } }],
    [{ ...aTopicType, retries }],
    // The provider needs a moment, so that other answers arrive while the failing request is on its way.
    { troubleFreeMs: 1 },
  );
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  const report = await fleet.reaches(id, "needs_review", "completed");
  expect(report).toMatchObject({ status: "needs_review", hold: "reserved", failure: { kind: "transient" } });
  expect((await fleet.sections(id)).map(({ status }) => status)).toEqual(["needs_review", "completed"]);
  expect((await fleet.sections(id))[0]?.attempts.transient).toBe(2);
  expect(await fleet.balance("acme")).toMatchObject({ held: 5, committed: 0 });
});

test("an answer that fails its contract is shown to the model once, and the repaired one is delivered", async () => {
  const fleet = await aFleet([
    { match: { contains: "chained/outline", first: 1 }, fault: { kind: "wrong_schema" } },
  ]);
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  await fleet.delivered(id);
  expect(billedByMark(fleet.ledger())["chained/outline/write"]).toBe(2);
  const spend = await fleet.spend(id);
  expect(spend.wasted).toBeGreaterThan(0);
  expect(spend.repaired).toBeGreaterThan(0);
  expect(spend.total).toBe(billedMicros(fleet.ledger()));
});

test("a section whose answers stay unusable bills two calls, parks, and leaves its siblings to finish", async () => {
  const fleet = await aFleet([{ match: { contains: "topic/first" }, fault: { kind: "empty" } }]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  const report = await fleet.reaches(id, "needs_review");
  expect(report).toMatchObject({ failure: { kind: "contract" }, hold: "reserved" });
  const billed = billedByMark(fleet.ledger());
  expect(billed["topic/first/write"]).toBeLessThanOrEqual(2);
  expect(billed["topic/second/write"]).toBe(1);
  expect((await fleet.sections(id)).map(({ status }) => status)).toEqual(["needs_review", "completed"]);
  expect(await fleet.balance("acme")).toMatchObject({ held: 5, committed: 0 });
});

test("an input the model rejects halts the report: nothing after it is asked", async () => {
  const fleet = await aFleet([{ match: { contains: "chained/outline" }, fault: { kind: "context_length" } }]);
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  expect(await fleet.reaches(id, "needs_review")).toMatchObject({ failure: { kind: "input" } });
  expect(fleet.ledger()).toHaveLength(1);
  expect((await fleet.spend(id)).total).toBe(0);
});

test("a provider out of money stops the report at once, and no second call is tried", async () => {
  const fleet = await aFleet([{ fault: { kind: "quota" } }]);
  const id = await fleet.submit({ ...ORDER, type: "chained" });
  expect(await fleet.reaches(id, "needs_review")).toMatchObject({ failure: { kind: "cost" } });
  expect(fleet.ledger()).toHaveLength(1);
});

test("a report stops before the call that would exceed its budget, not after", async () => {
  const fleet = await aFleet([], [{ ...aSteppedType, budget: { usd: 0.000_5 } }]);
  const id = await fleet.submit({ ...ORDER, type: "stepped" });
  const report = await fleet.reaches(id, "needs_review");
  expect(report).toMatchObject({ failure: { kind: "cost", code: "budget_exceeded" } });
  expect(billedMicros(fleet.ledger())).toBeLessThanOrEqual(500);
});

test("a mistake in the author's assembly keeps every paid section, and says what to mend", async () => {
  const broken = {
    ...aTopicType,
    assemble: () => {
      throw new TypeError("cannot read properties of undefined");
    },
  };
  const fleet = await aFleet([], [broken]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  expect(await fleet.reaches(id, "needs_review")).toMatchObject({ failure: { kind: "persistence" } });
  expect((await fleet.sections(id)).map(({ status }) => status)).toEqual(["completed", "completed"]);
  expect(await fleet.balance("acme")).toMatchObject({ held: 5 });
});

test("a mistake in the author's prompt costs nothing and stops the report", async () => {
  const broken = {
    ...aTopicType,
    sections: [
      {
        key: "first",
        title: "First",
        output: { kind: "text" as const, minChars: 1 },
        write: () => Promise.reject(new TypeError("source.title is undefined")),
      },
    ],
  };
  const fleet = await aFleet([], [broken]);
  const id = await fleet.submit({ ...ORDER, type: "topic" });
  expect(await fleet.reaches(id, "needs_review")).toMatchObject({
    failure: { kind: "workflow", scope: "type" },
  });
  expect(fleet.ledger()).toEqual([]);
});

test("author code that swallows a failed call cannot go on spending or deliver without it", async () => {
  const swallowing = {
    ...aSteppedType,
    sections: [
      {
        key: "body",
        title: "Body",
        output: { kind: "text" as const, minChars: 1 },
        write: async (context: { call: (name: string, request: object) => Promise<string> }) => {
          const ask = (mark: string) =>
            context.call("draft", {
              promptVersion: "1",
              output: { kind: "text", minChars: 1 },
              messages: [{ role: "user", content: `[[${mark}]] Write.` }],
            });
          try {
            await ask("one");
          } catch {
            await ask("two").catch(() => "");
          }
          return "made up";
        },
      },
    ],
  } as unknown as typeof aSteppedType;
  const fleet = await aFleet(
    [{ match: { contains: "[[one]]" }, fault: { kind: "context_length" } }],
    [swallowing],
  );
  const id = await fleet.submit({ ...ORDER, type: "stepped" });
  expect(await fleet.reaches(id, "needs_review", "completed")).toMatchObject({
    status: "needs_review",
    failure: { kind: "input" },
  });
  expect(fleet.ledger().map(({ marker }) => marker)).toEqual(["one"]);
});

test("an accepted answer may be reused by the account's next report where the author asked for it, at no cost", async () => {
  const cached = {
    ...aTopicType,
    sections: (aTopicType.sections as readonly { key: string }[]).map((section) => ({
      ...section,
      cache: { ttlMs: 60_000 },
    })),
  } as unknown as typeof aTopicType;
  const fleet = await aFleet([], [cached]);
  await fleet.grant("other", 100);
  await fleet.delivered(await fleet.submit({ ...ORDER, type: "topic" }));
  const again = await fleet.submit({ ...ORDER, type: "topic" });
  await fleet.delivered(again);
  expect(fleet.ledger()).toHaveLength(2);
  expect((await fleet.spend(again)).total).toBe(0);
  await fleet.delivered(await fleet.submit({ ...ORDER, account: "other", type: "topic" }));
  expect(fleet.ledger()).toHaveLength(4);
});

test("the same question asked twice at once is paid once, and both get the answer", async () => {
  const twins = {
    ...aSteppedType,
    sections: [
      {
        key: "body",
        title: "Body",
        output: { kind: "text" as const, minChars: 1 },
        write: async (context: { call: (name: string, request: object) => Promise<string> }) => {
          const ask = () =>
            context.call("draft", {
              promptVersion: "1",
              output: { kind: "text", minChars: 1 },
              messages: [{ role: "user", content: "[[twin]] Write." }],
            });
          const [one, other] = await Promise.all([ask(), ask()]);
          return `${one === other ? "same" : "different"}: ${one}`;
        },
      },
    ],
  } as unknown as typeof aSteppedType;
  const fleet = await aFleet([], [twins]);
  const artefact = await fleet.delivered(await fleet.submit({ ...ORDER, type: "stepped" }));
  expect(artefact.markdown).toMatch(/^same: /);
  expect(billedByMark(fleet.ledger())).toEqual({ twin: 1 });
});

test("a section is not left while another of its calls is on its way, so that one is not paid again", async () => {
  const siblings = {
    ...aSteppedType,
    sections: [
      {
        key: "body",
        title: "Body",
        output: { kind: "text" as const, minChars: 1 },
        write: async (context: { call: (name: string, request: object) => Promise<string> }) => {
          const ask = (name: string) =>
            context.call(name, {
              promptVersion: "1",
              output: { kind: "text", minChars: 1 },
              messages: [{ role: "user", content: `[[${name}]] Write.` }],
            });
          return (await Promise.all([ask("slow"), ask("limited")])).join("\n");
        },
      },
    ],
  } as unknown as typeof aSteppedType;
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("failures"),
    types: [siblings],
    latency: { firstByteMs: [400, 400], perTokenMs: 0 },
    faults: [{ match: { contains: "[[limited]]", first: 1 }, fault: { kind: "rate_limit", seconds: 0.1 } }],
  });
  open.push(fleet);
  await fleet.grant("acme", 100);
  await fleet.delivered(await fleet.submit({ ...ORDER, type: "stepped" }));
  expect(billedByMark(fleet.ledger())).toEqual({ slow: 1, limited: 1 });
});

/** What Redis answers when its disk is full, at the moment a test chooses. */
function refusal(): Promise<never> {
  return Promise.reject(
    Object.assign(new Error("MISCONF Errors writing to the AOF file"), { name: "ReplyError" }),
  );
}

test.each(["begin", "finish", "leave"] as const)(
  "a store that refuses at %s makes the section wait; nothing is paid twice and the type stays open",
  async (at) => {
    // A rate limit first, so that there is something to leave for.
    const fleet = await aFleet([{ match: { first: 1 }, fault: { kind: "rate_limit", seconds: 0.1 } }]);
    const { redis } = fleet.store;
    // How each script is known from outside: by what is sent with it.
    const isWanted = {
      begin: (sent: readonly unknown[]) => sent.some((arg) => String(arg).includes('"event":"call.begun"')),
      finish: (sent: readonly unknown[]) => sent.some((arg) => String(arg).includes('"status":"completed"')),
      leave: (sent: readonly unknown[]) => sent.includes("waiting_for_retry"),
    }[at];
    let refusals = 0;
    const refuses = (sent: readonly unknown[]) => {
      const refused = refusals < 2 && isWanted(sent);
      if (refused) refusals += 1;
      return refused;
    };
    const evalsha = redis.evalsha.bind(redis) as (...sent: unknown[]) => unknown;
    const callBuffer = redis.callBuffer.bind(redis) as (...sent: unknown[]) => unknown;
    redis.evalsha = ((...sent: unknown[]) =>
      refuses(sent) ? refusal() : evalsha(...sent)) as typeof redis.evalsha;
    redis.callBuffer = ((...sent: unknown[]) =>
      refuses(sent) ? refusal() : callBuffer(...sent)) as typeof redis.callBuffer;

    const id = await fleet.submit({ ...ORDER, type: "chained" });
    await fleet.delivered(id);
    expect(refusals).toBe(2);
    expect(billedByMark(fleet.ledger())).toEqual({
      "chained/outline/write": 1,
      "chained/body/write": 1,
      "chained/summary/write": 1,
    });
    for (const section of await fleet.sections(id))
      expect(section.attempts).toEqual({ transient: 0, repair: 0, crash: 0 });
  },
);

test("a section whose code never ends is given up after its limit", async () => {
  const endless = {
    ...aSteppedType,
    sections: [
      {
        key: "body",
        title: "Body",
        output: { kind: "text" as const, minChars: 1 },
        write: () => new Promise(() => undefined),
      },
    ],
  } as unknown as typeof aSteppedType;
  const fleet = await aFleet([], [endless], { sectionMs: 200 });
  const id = await fleet.submit({ ...ORDER, type: "stepped" });
  expect(await fleet.reaches(id, "needs_review")).toMatchObject({ failure: { kind: "workflow" } });
});
