/** Each check of a fleet, seen passing and seen failing, with the advice that an operator gets. */
import { expect, test } from "vitest";
import { checkFleet, type FleetFacts } from "../../../src/cli/doctor/fleet-checks.ts";
import { worst, type Level } from "../../../src/cli/doctor/finding.ts";
import type { ProcessRecord } from "../../../src/store/processes.ts";

const HOUR_MS = 3_600_000;

function aProcess(roles: string, version = "1.0.0"): ProcessRecord {
  return {
    id: `host-${roles}`,
    pid: 1,
    home: "host",
    started: "1",
    roles,
    version,
    beat: 5,
    drainedBy: null,
  };
}

const QUIET = { overdue: 0, overdueMs: 0, unqueued: 0, unqueuedMs: 0, unanswered: 0 };
const ROUTE = {
  route: "api.example.com/m#1",
  state: "open" as const,
  closed: null,
  closedUntil: null,
  troubleSince: null,
  answeredAt: 1,
  minute: { requests: 0, tokens: 0 },
  inFlight: 0,
};
const ENDPOINT = {
  id: "we-1",
  account: null,
  url: "https://example.com",
  events: [],
  secrets: [],
  createdBy: "ops",
  createdAt: 1,
};

const GOOD: FleetFacts = {
  version: "1.0.0",
  alive: [aProcess("api,orchestrator"), aProcess("worker")],
  dead: [],
  sectionsToWrite: 3,
  backlog: QUIET,
  breakers: [
    { type: "topic", breaker: { state: "closed", version: 2, votes: [] }, waiting: 0, ourVersion: 2 },
  ],
  routes: [ROUTE],
  spendingStop: null,
  ledger: { accounts: 1, entries: 2, holds: 1, problems: [] },
  webhooks: [{ ...ENDPOINT, state: { status: "enabled", failingSince: null } }],
};
const OPENING = {
  cause: "person",
  by: "ops",
  reason: "the prompts are wrong",
  version: 2,
  at: 1,
  votes: [],
  burntMicros: 0,
} as const;

const WRONG: readonly [string, Level, RegExp, Partial<FleetFacts>][] = [
  ["fleet.workers", "fail", /start --roles worker/, { alive: [aProcess("orchestrator")] }],
  [
    "fleet.orchestrators",
    "fail",
    /start --roles orchestrator/,
    { alive: [aProcess("worker")], backlog: { ...QUIET, unqueued: 1 } },
  ],
  ["fleet.dead", "warn", /handed on within seconds/, { dead: [aProcess("worker")] }],
  ["fleet.dead", "warn", /once an orchestrator runs/, { dead: [aProcess("worker")], alive: [] }],
  ["fleet.versions", "warn", /restart what was left behind/, { alive: [aProcess("worker", "0.9.0")] }],
  [
    "types.versions",
    "warn",
    /Deploy the newer report types/,
    {
      breakers: [
        { type: "topic", breaker: { state: "closed", version: 3, votes: [] }, waiting: 0, ourVersion: 2 },
      ],
    },
  ],
  ["fleet.overdue", "fail", /sweeper/, { backlog: { ...QUIET, overdue: 2, overdueMs: HOUR_MS } }],
  ["fleet.overdue", "fail", /sweeper/, { backlog: { ...QUIET, unqueued: 2, unqueuedMs: HOUR_MS } }],
  ["fleet.intake", "warn", /redis\.memory/, { backlog: { ...QUIET, unanswered: 4 } }],
  ["fleet.intake", "fail", /Start an orchestrator/, { backlog: { ...QUIET, unanswered: 4 }, alive: [] }],
  [
    "types.stopped",
    "warn",
    /types enable TYPE/,
    {
      breakers: [
        {
          type: "topic",
          breaker: { state: "open", version: 2, opening: OPENING },
          waiting: 7,
          ourVersion: 2,
        },
      ],
    },
  ],
  [
    "routes.closed",
    "fail",
    /routes open ROUTE/,
    { routes: [{ ...ROUTE, state: "closed", closed: "The key was refused." }] },
  ],
  ["routes.closed", "warn", /heals by itself/, { routes: [{ ...ROUTE, state: "trouble", troubleSince: 1 }] }],
  [
    "routes.closed",
    "warn",
    /heals by itself/,
    { routes: [{ ...ROUTE, state: "waiting", closedUntil: 2 * HOUR_MS }] },
  ],
  ["spending.stopped", "warn", /start-spending/, { spendingStop: { reason: "a test", by: "ops", at: 1 } }],
  [
    "books.ledger",
    "fail",
    /Keep the evidence/,
    { ledger: { accounts: 1, entries: 2, holds: 1, problems: ["Account acme: it is 1 short."] } },
  ],
  [
    "webhooks.disabled",
    "warn",
    /webhooks enable/,
    { webhooks: [{ ...ENDPOINT, state: { status: "disabled", because: "It failed for 5 days." } }] },
  ],
];

function levelOf(check: string, facts: Partial<FleetFacts>) {
  const found = checkFleet({ ...GOOD, ...facts }).find((finding) => finding.check === check);
  if (found === undefined) throw new Error(`There is no check ${check}.`);
  return found;
}

test("a fleet with nothing wrong has nothing to change", () => {
  expect(checkFleet(GOOD).filter(({ level }) => level !== "ok")).toEqual([]);
  expect(worst(checkFleet(GOOD))).toBe("ok");
});

test("a fleet that is switched off with nothing to do is well, too", () => {
  expect(worst(checkFleet({ ...GOOD, alive: [], sectionsToWrite: 0 }))).toBe("ok");
});

test.each(WRONG)("%s: %s, and the advice %s", (check, level, advice, facts) => {
  const found = levelOf(check, facts);
  expect(found.level).toBe(level);
  expect(found.advice).toMatch(advice);
});

test("every check is seen failing here", () => {
  const seen = new Set(WRONG.map(([check]) => check));
  expect(
    checkFleet(GOOD)
      .map(({ check }) => check)
      .filter((check) => !seen.has(check)),
  ).toEqual([]);
});

test("a thousand broken things are counted, and five are named", () => {
  const routes = Array.from({ length: 8 }, (_, n) => ({
    ...ROUTE,
    route: `route-${n}`,
    state: "closed" as const,
    closed: "No money.",
  }));
  expect(levelOf("routes.closed", { routes }).says).toMatch(/route-4 \(No money\) and 3 more\.$/);
});
