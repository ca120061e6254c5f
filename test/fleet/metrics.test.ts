/**
 * `/metrics` of real processes: one of them tells how the fleet stands, each tells how it is itself, and money that was
 * counted survives the death of whoever told it.
 */
import { expect, onTestFinished, test } from "vitest";
import { startProbes } from "../../src/api/start-probes.ts";
import { loadConfig } from "../../src/config.ts";
import { NO_ACCOUNT_LIMITS } from "../../src/domain/fairness.ts";
import { totalSpend } from "../../src/domain/failure.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { SIMULATED_MODELS } from "../../src/llm/prices.ts";
import { createExposition } from "../../src/observability/exposition.ts";
import { samplesOf } from "../../src/observability/fleet-metrics.ts";
import { METRIC_NAMES, metricOf } from "../../src/observability/metrics.ts";
import { ProcessMetrics } from "../../src/observability/process-metrics.ts";
import { submitReport } from "../../src/producer/submit-report.ts";
import { registryOf } from "../../src/report-types/registry.ts";
import { grantCredits } from "../../src/store/credits.ts";
import type { FleetState } from "../../src/store/fleet-state.ts";
import { Queues } from "../../src/store/queues.ts";
import { readReport } from "../../src/store/reports.ts";
import { startSimulatedProvider, waitFor } from "../../src/testing.ts";
import { startCommand } from "../support/command-line.ts";
import { scrape, type Exposed } from "../support/exposition.ts";
import { testRedisUrl } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/topic-type.ts";
import { openTestStore } from "../support/store-for-tests.ts";

const TYPES = new URL("../support/report-types/index.ts", import.meta.url).pathname;

async function startRole(roles: string, env: NodeJS.ProcessEnv) {
  const command = startCommand(["start", "--roles", roles, "--json"], {
    env: { REDIS_URL: testRedisUrl(), REPORT_TYPES: TYPES, LOG_LEVEL: "warn", TIME_SCALE: "0.2", ...env },
  });
  onTestFinished(async () => {
    command.child.kill("SIGKILL");
    await command.finished;
  });
  const { url } = JSON.parse(await command.firstLine) as { url: string };
  return { ...command, url };
}

function exportsBooks(url: string): Promise<Exposed> {
  return waitFor(
    async () => {
      const exposed = await scrape(url);
      return exposed.sum("fleet_books_exported") === 1 ? exposed : null;
    },
    () => `${url} does not take the lease`,
  );
}

test("money is told by one process, is what the books say, and survives the death of who told it", async () => {
  const store = openTestStore("metrics");
  onTestFinished(() => store.close());
  const provider = await startSimulatedProvider({
    latency: "none",
    // Once cut off, which may have been billed and spends an attempt; and for one report never a usable answer.
    faults: [
      {
        match: { contains: "[[topic/first/write]]", first: 1 },
        fault: { kind: "cut_mid_body" },
      },
      { match: { contains: "about hopeless" }, fault: { kind: "empty" } },
    ],
  });
  onTestFinished(() => provider.close());
  const fleet = { FLEET: store.fleet };
  const [teller, worker] = await Promise.all([
    startRole("orchestrator", fleet),
    startRole("worker", {
      ...fleet,
      OPENAI_BASE_URL: provider.url,
      OPENAI_API_KEY: "simulated",
      OPENAI_MODEL: SIMULATED_MODELS[0],
    }),
  ]);
  await grantCredits(store, { account: "acme", credits: 100, reference: "1" });
  const queues = new Queues(store);
  onTestFinished(() => queues.close());
  const desk = {
    store,
    queues,
    types: registryOf([aTopicType]),
    accountLimits: NO_ACCOUNT_LIMITS,
    durations: loadConfig({}).durations,
  };
  const order = async (topic: string) =>
    (await submitReport(desk, { account: "acme", type: "topic", source: { topic } })).id;
  const ids = [await order("rivers"), await order("trains"), await order("hopeless")];
  const reports = () => Promise.all(ids.map(async (id: ReportId) => (await readReport(store, id))?.report));
  await waitFor(
    async () =>
      (await reports()).every((report) => ["completed", "needs_review"].includes(report?.status ?? "")),
    () => "not all reports have come to rest",
  );

  const told = await exportsBooks(teller.url);
  const ofWorker = await scrape(worker.url);
  expect(ofWorker.sum("fleet_books_exported")).toBe(0);
  expect(ofWorker.sum("fleet_spend_usd_total")).toBeNull();
  expect(ofWorker.sum("fleet_queue_wait_seconds_count", { queue: "sections.topic" })).toBeGreaterThan(5);

  const spent = (await reports()).reduce((sum, report) => sum + (report ? totalSpend(report.spend) : 0), 0);
  expect(told.sum("fleet_spend_usd_total")).toBeCloseTo(spent / 1e6, 9);
  expect(told.sum("fleet_reports_submitted_total", { report_type: "topic" })).toBe(3);
  expect(told.sum("fleet_reports_finished_total", { outcome: "delivered" })).toBe(2);
  expect(told.sum("fleet_reports", { status: "needs_review" })).toBe(1);
  expect(told.sum("fleet_section_attempts_total", { cause: "transient" })).toBe(1);
  expect(told.sum("fleet_section_failures_total", { failure_kind: "transient", leads_to: "retry" })).toBe(1);
  expect(told.sum("fleet_section_failures_total", { failure_kind: "contract", leads_to: "review" })).toBe(2);
  expect(told.sum("fleet_review_open", { failure_kind: "contract" })).toBe(2);
  // Fourteen days, at the scale of this fleet.
  expect(told.sum("fleet_review_deadline_seconds", { report_type: "topic" })).toBe(14 * 86_400 * 0.2);
  expect(told.sum("fleet_calls_total", { outcome: "unknown" })).toBe(1);
  expect(told.sum("fleet_credits_total", { transition: "commit" })).toBe(10);
  expect(told.sum("fleet_credits_held")).toBe(5);
  expect(told.sum("fleet_ledger_drift_credits")).toBe(0);
  expect(told.sum("fleet_queue_workers", { queue: "sections.topic" })).toBe(1);
  expect(told.sum("fleet_section_duration_seconds_count")).toBe(4);
  expect(
    told.sum("gen_ai_client_operation_duration_seconds_count", { error_type: "connection_failed" }),
  ).toBe(1);
  expect(told.text).not.toMatch(/acme|rivers|hopeless|rp-/);

  // Somebody's bug moves a balance without a row.
  await store.redis.hincrby(store.keys.account("acme"), "available", 3);
  await waitFor(
    async () => (await scrape(teller.url)).sum("fleet_ledger_drift_credits") === 3,
    () => "the drift does not show",
  );

  const successor = await startRole("orchestrator", fleet);
  expect((await scrape(successor.url)).sum("fleet_books_exported")).toBe(0);
  teller.child.kill("SIGKILL");
  const after = await exportsBooks(successor.url);
  const counters = METRIC_NAMES.filter((name) => metricOf(name).from === "books");
  for (const name of counters) expect([name, after.sum(name)]).toEqual([name, told.sum(name)]);
});

test("beyond loopback metrics want their token, and without one they are shown to nobody", async () => {
  const store = openTestStore("metrics-door");
  onTestFinished(() => store.close());
  const exposition = createExposition(new ProcessMetrics({ version: "1", roles: ["worker"] }), null);
  const open = async (host: string, token: string | null) => {
    const probes = await startProbes({
      redisUrl: testRedisUrl(),
      fleet: store.fleet,
      listen: { host: "127.0.0.1", port: 0 },
      health: { unreadyBecause: () => null },
      metrics: { exposition, host, token },
    });
    onTestFinished(() => probes.close());
    return async (given?: string) => {
      const headers = given === undefined ? {} : { Authorization: `Bearer ${given}` };
      return (await fetch(`${probes.url}/metrics`, { headers })).status;
    };
  };
  const [local, guarded, closed] = [
    await open("127.0.0.1", null),
    await open("0.0.0.0", "a-token-of-sixteen"),
    await open("0.0.0.0", null),
  ];
  expect(await local()).toBe(200);
  expect(await guarded()).toBe(401);
  expect(await guarded("another-token-of-16")).toBe(401);
  expect(await guarded("a-token-of-sixteen")).toBe(200);
  expect(await closed()).toBe(401);
  expect(await closed("null")).toBe(401);
});

test("a fleet of a dozen report types stays below two thousand series", () => {
  const state: FleetState = {
    counts: { counters: new Map(), histograms: new Map(), owed: new Map() },
    breakers: [],
    routes: ["a", "b", "c", "d"].map((route) => ({ route, state: "open" })),
    queues: Array.from({ length: 14 }, (_, nth) => ({
      queue: `sections.type-${nth}`,
      jobs: { waiting: 0, active: 0, delayed: 0, waiting_children: 0 },
      oldestMs: null,
      workers: 1,
    })),
    processes: [["worker"]],
    accounts: 1,
    reports: {
      pending: 0,
      running: 0,
      waiting_for_retry: 0,
      needs_review: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    },
    creditsHeld: 0,
    spendingStopped: false,
    spentTodayMicros: 0,
    oldestCaseMs: null,
    holds: { open: 0, oldestMs: null },
    webhooks: { due: 0, outbox: 0 },
    overdue: 0,
  };
  const types = Array.from({ length: 12 }, (_, nth) => `type-${nth}`);
  const { counters, histograms } = state.counts;
  for (const type of types)
    for (const outcome of ["useful", "wasted", "unknown", "repaired"]) {
      counters.set(`fleet_spend_usd_total|${type}|model`, 1);
      counters.set(`fleet_settled_spend_usd_total|${type}|model|${outcome}`, 1);
      for (const direction of ["input", "output"])
        counters.set(`fleet_settled_tokens_total|${type}|model|${outcome}|${direction}`, 1);
    }
  for (const model of ["one", "two", "three"])
    for (const error of ["", "rate_limited", "overloaded", "timeout"])
      histograms.set(`gen_ai_client_operation_duration_seconds|host/${model}|${model}|${error}`, {
        below: new Map([[160, 1]]),
        sum: 100,
      });
  const known = {
    types: types.map((type) => ({
      type,
      prompts: [{ section: "body", version: "1" }],
      reviewDeadlineMs: 1,
    })),
    caps: { fleetPerDay: 1, accountPerDay: 1 },
  };
  counters.set("gen_ai_client_inference_usage_input_tokens_total|host/one|one", 7);
  const samples = samplesOf(state, { credits: 0, ageMs: null }, known);
  // Nothing of it came from a cache, and a share of 0 can be reckoned with.
  const cached = samples.get("gen_ai_client_inference_usage_cache_read_input_tokens_total");
  expect(cached).toMatchObject([{ labels: { gen_ai_response_model: "one" }, value: 0 }]);
  const series = [...samples.values()].reduce((sum, list) => sum + list.length, 0);
  expect(series).toBeGreaterThan(1_000);
  expect(series).toBeLessThan(2_000);
});
