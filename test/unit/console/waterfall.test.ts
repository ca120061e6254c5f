import { expect, test } from "vitest";
import { scaleOf, waterfallOf, type TimedFact } from "../../../src/console/waterfall.ts";
import type { FleetEvent } from "../../../src/domain/events.ts";
import type { FailureSummary, Section } from "../../../src/domain/report.ts";

const report = "rp-0000000000000000000000001" as const;
const of = { report, section: "body" } as const;
const failure: FailureSummary = {
  kind: "transient",
  code: "overloaded",
  scope: "request",
  message: "The provider is overloaded.",
  fingerprint: "0".repeat(16),
  rule: "a test",
};
const body = {
  key: "body",
  title: "Body",
  status: "completed",
  weight: 1,
  after: [],
  template: "body",
  params: null,
  report,
  fence: 1,
  attempts: { transient: 0, repair: 0, crash: 0 },
  outputHash: "",
  unreviewed: null,
  edited: null,
} satisfies Section;

function facts(...rows: [number, FleetEvent][]): TimedFact[] {
  return rows.map(([at, event]) => ({ at, event }));
}

function status(to: Section["status"], more: object = {}): FleetEvent {
  return { event: "section.status", ...of, type: "topic", status: to, ...more };
}

function begun(take = 1): FleetEvent {
  return { event: "call.begun", ...of, call: "draft", take, route: "r", estimateMicros: 9 };
}

function answered(elapsedMs: number, micros: number, take = 1): FleetEvent {
  return {
    event: "call.answered",
    ...of,
    call: "draft",
    take,
    route: "r",
    model: "m",
    inputTokens: 1,
    outputTokens: 1,
    cachedInputTokens: 0,
    reasoningTokens: 0,
    micros,
    exact: true,
    elapsedMs,
    duplicate: false,
  };
}

const RUN: FleetEvent = { event: "run.started", report, run: 1, round: 1, sections: ["body"] };
const UNANSWERED: FleetEvent = {
  event: "call.unanswered",
  ...of,
  call: "draft",
  take: 1,
  outcome: "unknown",
  micros: 9,
  failure,
};

test("waiting for a turn, work, a cooldown and a person's time are told apart, without a gap", () => {
  const fall = waterfallOf(
    facts(
      [100, RUN],
      [300, status("running")],
      [310, begun()],
      [400, UNANSWERED],
      [400, status("waiting_for_retry", { failure, because: "overloaded", retryInMs: 100 })],
      [500, status("waiting_for_retry", { because: "the route is full" })],
      [550, status("running")],
      [560, begun()],
      [700, answered(140, 7)],
      [700, { event: "call.rejected", ...of, call: "draft", take: 1, failure }],
      [710, status("needs_review", { because: "rejected" })],
      [900, RUN],
      [950, status("running")],
      [960, begun(2)],
      [990, answered(30, 5, 2)],
      [991, { event: "call.accepted", ...of, call: "draft", take: 2, salvaged: false }],
      [991, status("completed")],
    ),
    [body],
    { createdAt: 0, endedAt: 1_000, now: 9_999 },
  );
  const [track] = fall.sections;
  expect(track?.spans.map(({ kind, from, to }) => [kind, from, to])).toEqual([
    ["waiting", 100, 300],
    ["working", 300, 400],
    ["cooldown", 400, 500],
    ["waiting", 500, 550],
    ["working", 550, 710],
    ["person", 710, 900],
    ["waiting", 900, 950],
    ["working", 950, 991],
  ]);
  expect(
    track?.calls.map(({ take, from, to, outcome, micros }) => [take, from, to, outcome, micros]),
  ).toEqual([
    [1, 310, 400, "unanswered", 9],
    [1, 560, 700, "rejected", 7],
    [2, 960, 990, "accepted", 5],
  ]);
  expect([fall.from, fall.to]).toEqual([0, 1_000]);
});

test("an accepted answer is read again when its section is begun again, unless the question was another one", () => {
  const accepted: FleetEvent = { event: "call.accepted", ...of, call: "draft", take: 1, salvaged: false };
  const first: [number, FleetEvent][] = [
    [100, status("running")],
    [110, begun()],
    [200, answered(90, 7)],
    [200, accepted],
    [210, status("pending", { because: "its worker died" })],
    [300, status("running")],
  ];
  const times = { createdAt: 0, endedAt: null, now: 400 };
  const kept = waterfallOf(facts(...first), [body], times).sections[0];
  expect(kept?.calls.map(({ readAgain }) => readAgain)).toEqual([[300]]);
  // The section still runs: its last stretch reaches to now.
  expect(kept?.spans.at(-1)).toMatchObject({ kind: "working", from: 300, to: 400 });
  const asked = waterfallOf(facts(...first, [310, begun()]), [body], times).sections[0];
  expect(asked?.calls.map(({ readAgain }) => readAgain)).toEqual([[], []]);
  expect(asked?.calls.at(-1)).toMatchObject({ to: null, outcome: "asking" });
});

test("a night of waiting is drawn short and marked, and what was worked on keeps its proportions", () => {
  const night = 8 * 3_600_000;
  const fall = waterfallOf(
    facts(
      [0, status("running")],
      [60_000, status("needs_review", { because: "parked" })],
      [60_000 + night, status("running")],
      [120_000 + night, status("completed")],
    ),
    [body],
    { createdAt: 0, endedAt: 120_000 + night, now: 0 },
  );
  const scale = scaleOf(fall);
  expect(scale.breaks.map(({ ms }) => ms)).toEqual([night]);
  const first = scale.at(60_000) - scale.at(0);
  const second = scale.at(120_000 + night) - scale.at(60_000 + night);
  expect(Math.abs(first - second)).toBeLessThan(0.01);
  expect(first).toBeGreaterThan(40);
  expect([scale.at(0), Math.round(scale.at(120_000 + night))]).toEqual([0, 100]);
});
