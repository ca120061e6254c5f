import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  DEFAULT_BREAKER,
  NEW_BREAKER,
  observe,
  openingReason,
  wordFor,
  type Breaker,
  type Observation,
} from "../../../src/domain/breaker.ts";
import type { ReportId } from "../../../src/domain/ids.ts";

const settings = { ...DEFAULT_BREAKER, leaseMs: 1_000 };
const failure = {
  kind: "contract",
  code: "schema_mismatch",
  scope: "request",
  message: "The model's JSON does not fit the schema.",
  fingerprint: "0123456789abcdef",
  rule: "a test",
} as const;

function failed(
  report: string,
  more: { section?: string; version?: number; atOnce?: boolean } = {},
): Observation {
  const { section = "body", version = 1, atOnce = false } = more;
  const vote = { voter: `${report}/${section}`, report: report as ReportId, section, version, failure };
  return { saw: "failure", vote, atOnce, burntMicros: 7 };
}

function asked(report: string, version = 1): Observation & { saw: "asked" } {
  return { saw: "asked", report: report as ReportId, version };
}

function after(
  observations: readonly (Observation | { at: number; sees: Observation })[],
  more = {},
): Breaker {
  let now = 1_000_000;
  return observations.reduce<Breaker>((breaker, one) => {
    if ("at" in one) now = one.at;
    return observe(breaker, "at" in one ? one.sees : one, now, { ...settings, ...more });
  }, NEW_BREAKER);
}

test("three reports that fail in one section open it, and it says of what and what it cost", () => {
  const breaker = after([failed("rp-a"), failed("rp-b"), failed("rp-c")]);
  expect(breaker).toMatchObject({ state: "open", opening: { cause: "votes", burntMicros: 7 } });
  expect(breaker.state === "open" && openingReason(breaker.opening)).toBe(
    "3 sections of 3 reports failed for good, the first with: The model's JSON does not fit the schema",
  );
});

test("one report that fails again and again is one vote", () => {
  expect(after(Array.from({ length: 10 }, () => failed("rp-a"))).state).toBe("closed");
});

test("a success of the section takes its votes back, and no others", () => {
  const votes = [failed("rp-a"), failed("rp-b"), failed("rp-c", { section: "other" })];
  const breaker = after([
    ...votes.slice(0, 2),
    { saw: "success", section: "body", version: 1 },
    failed("rp-c", { section: "other" }),
  ]);
  expect(breaker.state === "closed" && breaker.votes.map(({ voter }) => voter)).toEqual(["rp-c/other"]);
  const kept = after(
    [...votes.slice(0, 2), { saw: "success", section: "body", version: 1 }, failed("rp-d")],
    {
      successResets: false,
    },
  );
  expect(kept.state).toBe("open");
});

test("votes older than the window are forgotten", () => {
  const late = { at: 1_000_000 + settings.windowMs, sees: failed("rp-c") };
  expect(after([failed("rp-a"), failed("rp-b"), late])).toMatchObject({
    state: "closed",
    votes: [{ report: "rp-c" }],
  });
});

test("votes of an older version do not count once a newer one was seen", () => {
  const newer: Observation = { saw: "version", version: 2 };
  const votes = ["rp-a", "rp-b", "rp-c", "rp-d"].map((report) => failed(report));
  expect(after([...votes.slice(0, 2), newer, ...votes])).toEqual({ state: "closed", version: 2, votes: [] });
});

test("a new version starts a trial, its canary closes the breaker, and an older worker is left out", () => {
  const open = [failed("rp-a"), failed("rp-b"), failed("rp-c")];
  const trial = after([...open, { saw: "version", version: 2 }, asked("rp-x", 2), asked("rp-y", 2)]);
  expect(wordFor(trial, asked("rp-x", 2), 1_000_500)).toBe("probe");
  expect(wordFor(trial, asked("rp-y", 2), 1_000_500)).toBe("open");
  expect(wordFor(trial, asked("rp-x", 1), 1_000_500)).toBe("older");
  const delivered: Observation = { saw: "delivered", report: "rp-x" };
  expect(observe(trial, delivered, 1_000_600, settings).state).toBe("closed");
  expect(observe(trial, failed("rp-x", { version: 2 }), 1_000_600, settings)).toMatchObject({
    state: "open",
    opening: { cause: "canary_failed" },
  });
});

test("a canary that falls silent gives its place to another", () => {
  const open = [failed("rp-a", { atOnce: true }), { saw: "version", version: 2 } as const, asked("rp-x", 2)];
  const later = after([...open, { at: 1_002_000, sees: asked("rp-y", 2) }]);
  expect(wordFor(later, asked("rp-y", 2), 1_002_000)).toBe("probe");
  expect(wordFor(later, asked("rp-x", 2), 1_002_000)).toBe("open");
});

test("what a person has stopped, no deploy starts", () => {
  const stopped = after([
    { saw: "opened", by: "ada", reason: "the prompt names a customer" },
    { saw: "version", version: 9 },
  ]);
  expect(stopped).toMatchObject({ state: "open", opening: { by: "ada" } });
});

test("a careful type lets the first report of each version go alone", () => {
  const careful = after([{ saw: "version", version: 1 }, asked("rp-a"), asked("rp-b")], {
    carefulStart: true,
  });
  expect(wordFor(careful, asked("rp-a"), 1_000_000)).toBe("probe");
  expect(wordFor(careful, asked("rp-b"), 1_000_000)).toBe("open");
});

/** Everything that must never be, by name; empty where all is well. */
function wrongIn(before: Breaker, next: Breaker, probes: number): string[] {
  const wrong: [boolean, string][] = [[next.version < before.version, "a version was forgotten"]];
  if (next.state === "open") {
    const { votes, cause, version } = next.opening;
    const voters = new Set(votes.map(({ voter }) => voter));
    wrong.push([voters.size < votes.length, "somebody voted twice"]);
    wrong.push([cause === "votes" && voters.size < settings.threshold, "it opened below the threshold"]);
    const foreign = votes.some((vote) => vote.version !== version);
    wrong.push([cause !== "person" && foreign, "a vote about another version counted"]);
  }
  if (next.state === "half_open")
    wrong.push([next.probes.length + next.delivered > probes, "more canaries than places"]);
  if (next.state === "closed")
    wrong.push([next.votes.length >= settings.threshold, "it stayed closed at the threshold"]);
  return wrong.flatMap(([is, name]) => (is ? [name] : []));
}

test("whatever happens in whatever order, it opens only by a person, at once, at the threshold or after a canary", () => {
  const report = fc.constantFrom("rp-a", "rp-b", "rp-c", "rp-d", "rp-e");
  const version = fc.integer({ min: 1, max: 3 });
  const observation: fc.Arbitrary<Observation> = fc.oneof(
    fc
      .tuple(report, fc.constantFrom("s", "t"), version, fc.boolean())
      .map(([id, section, v, atOnce]) =>
        failed(id, { section, version: v, atOnce: atOnce && id === "rp-e" }),
      ),
    fc
      .tuple(fc.constantFrom("s", "t"), version)
      .map(([section, v]): Observation => ({ saw: "success", section, version: v })),
    fc.tuple(report, version).map(([id, v]) => asked(id, v)),
    report.map((id): Observation => ({ saw: "delivered", report: id as ReportId })),
    version.map((v): Observation => ({ saw: "version", version: v })),
    fc
      .constantFrom("opened", "closed", "trial")
      .map((saw): Observation => ({ saw, by: "ada", reason: "a test" })),
  );
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), (all, probes) => {
      let breaker: Breaker = NEW_BREAKER;
      for (const [at, one] of all.entries()) {
        const next = observe(breaker, one, 1_000_000 + at, { ...settings, probes });
        expect(wrongIn(breaker, next, probes)).toEqual([]);
        breaker = next;
      }
    }),
    { numRuns: 300 },
  );
});
