/**
 * Every panel before a real Prometheus that has scraped a real fleet under faults: a worker that is killed, a provider
 * that limits, breaks off, answers rubbish and nothing, a receiver that is down, an order nobody can read, and people who
 * resume, reject, refund and stop. Where data is due there is data, and what the panels say is what the books say.
 */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BOARDS } from "../../dashboards/boards.ts";
import { BREAKER_TURNS, DEPLOYS } from "../../dashboards/build.ts";
import { findPrometheus } from "../../scripts/programs/find-prometheus.ts";
import { totalSpend } from "../../src/domain/failure.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { SIMULATED_MODELS } from "../../src/llm/prices.ts";
import { listCases } from "../../src/store/cases.ts";
import { listReports, readReport } from "../../src/store/reports.ts";
import { listProcesses } from "../../src/store/processes.ts";
import { startSimulatedProvider, waitFor } from "../../src/testing.ts";
import { runCommand, startCommand } from "../support/command-line.ts";
import { scrape } from "../support/exposition.ts";
import { testRedisUrl } from "../support/redis.ts";
import { openTestStore } from "../support/store-for-tests.ts";
import { startWebhookReceiver } from "../support/webhook-receiver.ts";
import { startPrometheus, type TestPrometheus } from "./prometheus.ts";

const TYPES = new URL("../support/report-types/index.ts", import.meta.url).pathname;
const ENDINGS: (() => unknown)[] = [];

let store: ReturnType<typeof openTestStore>;
let prometheus: TestPrometheus;
let tellerUrl: string;

beforeAll(async () => {
  store = openTestStore("prometheus");
  ENDINGS.push(() => store.close());
  const provider = await startSimulatedProvider({
    latency: { firstByteMs: [20, 60], perTokenMs: 0.1 },
    faults: [
      { match: { contains: "about limits", first: 1 }, fault: { kind: "rate_limit", retryAfter: "seconds" } },
      {
        match: { contains: "about moderation", first: 1 },
        fault: { kind: "rate_limit", retryAfter: "seconds" },
      },
      { match: { contains: "about trouble", first: 1 }, fault: { kind: "server_error", status: 500 } },
      { match: { contains: "about cuts", first: 1 }, fault: { kind: "cut_mid_body" } },
      { match: { contains: "first part about rubbish" }, fault: { kind: "empty" } },
      { match: { contains: "second part about nothing" }, fault: { kind: "refusal" } },
      { match: { contains: "[[chained/outline/write]]", first: 1 }, fault: { kind: "malformed" } },
      // The worker is killed while this one is under way.
      { match: { contains: "[[stepped/body/polish]]", first: 1 }, fault: { kind: "hang" } },
    ],
  });
  ENDINGS.push(() => provider.close());
  const receiver = await startWebhookReceiver();
  const brokenReceiver = await startWebhookReceiver();
  brokenReceiver.answer = () => 500;
  ENDINGS.push(
    () => receiver.close(),
    () => brokenReceiver.close(),
  );
  const env = {
    REDIS_URL: testRedisUrl(),
    FLEET: store.fleet,
    REPORT_TYPES: TYPES,
    TIME_SCALE: "0.5",
    LOG_LEVEL: "warn",
    PORT: "0",
    ALLOW_PRIVATE_WEBHOOKS: "true",
    SPEND_CAP_USD: "50",
    OPENAI_BASE_URL: provider.url,
    OPENAI_API_KEY: "simulated",
    OPENAI_MODEL: SIMULATED_MODELS[0],
  };
  const start = async (roles: string) => {
    const command = startCommand(["start", "--roles", roles, "--json"], { env });
    const end = async () => {
      command.child.kill("SIGKILL");
      await command.finished;
    };
    ENDINGS.push(end);
    const { url, process } = JSON.parse(await command.firstLine) as { url: string; process: string };
    return { url, process, end };
  };
  const fleet = async (...args: string[]): Promise<string> => {
    const ended = await runCommand([...args, "--json"], { env });
    if (ended.code !== 0) throw new Error(`report-fleet ${args.join(" ")}: ${ended.stderr}${ended.stdout}`);
    return ended.stdout;
  };
  const [teller, doomed, worker] = [
    await start("api,orchestrator"),
    await start("worker"),
    await start("worker"),
  ];
  tellerUrl = teller.url;
  prometheus = await startPrometheus({
    api: [teller.url],
    worker: [doomed.url, worker.url],
  });
  ENDINGS.push(() => prometheus.stop());
  // Everything begins at 0 before anything happens, or a rise could not be seen.
  await shows('count_over_time(fleet_reports_submitted_total{report_type="topic"}[1m]) > 2');

  await fleet("credits", "grant", "--account", "acme", "--amount", "500", "--reference", "1");
  const { key } = JSON.parse(
    await fleet(
      "keys",
      "create",
      "--name",
      "shop",
      "--account",
      "acme",
      "--scopes",
      "reports:read,reports:write",
    ),
  ) as { key: string };
  await fleet("webhooks", "add", receiver.url, "--by", "ada");
  await fleet("webhooks", "add", brokenReceiver.url, "--by", "ada");
  await store.redis.xadd(
    store.keys.intake,
    "*",
    "v",
    "1",
    "account",
    "acme",
    "type",
    "unheard-of",
    "key",
    "1",
    "source",
    "{}",
  );

  const order = async (type: string, topic: string): Promise<ReportId> => {
    const response = await fetch(`${teller.url}/v1/reports`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${key}`,
        "Content-Type": "application/json",
        "Idempotency-Key": `${type}-${topic}`,
      },
      body: JSON.stringify({ type, source: { topic } }),
    });
    const { id } = (await response.json()) as { id: ReportId };
    if (!response.ok) throw new Error(`The order of ${topic} was answered ${response.status}.`);
    return id;
  };
  // First the one whose worker dies, wherever it went.
  const orphan = await order("stepped", "orphans");
  await waitFor(
    async () => provider.ledger().some(({ marker }) => marker === "stepped/body/polish"),
    () => "the call that hangs has not left",
  );
  const holder = await store.redis.hget(store.keys.section(orphan, "body"), "process");
  const victim = [doomed, worker].find(({ process }) => process === holder);
  if (victim === undefined) throw new Error("Nobody holds the section.");
  await victim.end();
  await waitFor(
    async () => (await listProcesses(store)).every(({ id }) => id !== holder),
    () => "the dead worker is not forgotten",
  );

  const ids = [orphan];
  for (const topic of ["rivers", "trains", "limits", "trouble", "cuts", "rubbish", "nothing"])
    ids.push(await order("topic", topic));
  ids.push(await order("chained", "bridges"));
  await fetch(`${teller.url}/v1/reports/${orphan}`, { headers: { Authorization: `Bearer ${key}` } });
  await fetch(`${teller.url}/v1/nothing-here`, { headers: { Authorization: `Bearer ${key}` } });
  await rest(ids);

  // People decide: one case is resumed (and fails again), a report is given up, a refund is made, a type is stopped.
  const cases = await listCases(store, { limit: 10 });
  const resumed = cases.find(({ failure }) => failure.code === "empty_answer")?.id ?? cases[0]?.id ?? "";
  await fleet("review", "resume", resumed, "--by", "ada", "--reason", "a test");
  // A series that is born with its first event rises with the second only.
  ids.push(await order("topic", "moderation"));
  await rest(ids);
  const parked = (await listReports(store, { status: "needs_review", limit: 10 })).map(
    ({ report }) => report.id,
  );
  await fleet("cancel", parked[0] ?? "", "--by", "ada", "--reason", "a test");
  await fleet(
    "credits",
    "refund",
    ids[1] ?? "",
    "--amount",
    "1",
    "--reference",
    "r1",
    "--by",
    "ada",
    "--reason",
    "a test",
  );
  await fleet("types", "disable", "planned", "--by", "ada", "--reason", "a test");

  const scraped = await waitFor(
    async () => {
      const told = await scrape(teller.url);
      return told.sum("fleet_webhooks_pending") === null ? null : told;
    },
    () => "nobody tells",
  );
  await shows(`sum(fleet_reports_finished_total) == ${scraped.sum("fleet_reports_finished_total")}`);
  await shows('max(fleet_breaker_state{report_type="planned", state="open"}) == 1');
  await shows("count_over_time(report_type:fleet_sections_failed:ratio_rate5m[10s]) > 3");

  async function rest(of: readonly ReportId[]): Promise<void> {
    let last: string[] = [];
    await waitFor(
      async () => {
        const stored = await Promise.all(of.map((id) => readReport(store, id)));
        last = stored.map((one) => `${one?.report.type} ${one?.report.status}`);
        return stored.every((one) =>
          ["completed", "needs_review", "failed"].includes(one?.report.status ?? ""),
        );
      },
      () => `not all reports have come to rest: ${last.join(", ")}`,
      120_000,
    );
  }
});

afterAll(async () => {
  for (const end of ENDINGS.toReversed()) await end();
});

function shows(expr: string): Promise<unknown> {
  return waitFor(
    async () => (await prometheus.query(expr)).length > 0,
    () => `Prometheus does not show ${expr}`,
  );
}

/** As Grafana would, over the last quarter of an hour. */
function substituted(expr: string): string {
  return expr
    .replaceAll("$__rate_interval", "5m")
    .replaceAll("$__interval", "5m")
    .replaceAll("$__range", "15m")
    .replaceAll("$report_type", ".*");
}

const queries = Object.entries(BOARDS).flatMap(([name, { rows }]) =>
  rows.flatMap(({ lines }) =>
    lines
      .flat()
      .flatMap(({ title, queries: of }) => of.map((query) => ({ ...query, where: `${name}: ${title}` }))),
  ),
);

test("every panel shows data where data is due", async () => {
  const empty: string[] = [];
  for (const { where, expr, legend, emptyWhen } of queries) {
    const series = await prometheus.query(substituted(expr));
    if (emptyWhen === undefined && !series.some(({ value }) => !Number.isNaN(value)))
      empty.push(`${where} (${legend}): ${expr}`);
  }
  expect(empty).toEqual([]);
  for (const expr of [BREAKER_TURNS, DEPLOYS]) await prometheus.query(substituted(expr));
});

async function seen(expr: string): Promise<number> {
  return (await prometheus.query(expr)).reduce((sum, { value }) => sum + value, 0);
}

test("what happened is seen: money, waste, waits, failures, deaths, decisions and credits", async () => {
  const reports = (await listReports(store, { limit: 100 })).map(({ report }) => report);
  const spent = reports.reduce((sum, { spend }) => sum + totalSpend(spend), 0) / 1e6;
  const wasted = reports.reduce((sum, { spend }) => sum + spend.wasted, 0) / 1e6;
  expect(spent).toBeGreaterThan(0);
  expect(wasted).toBeGreaterThan(0);
  expect(await seen("sum(fleet_spend_usd_total)")).toBeCloseTo(spent, 6);
  expect(await seen("sum(fleet_wasted_spend_usd_total)")).toBeCloseTo(wasted, 6);
  const rises: Record<string, number> = {};
  for (const expr of [
    'fleet_section_failures_total{failure_kind="contract", leads_to="review"}',
    'fleet_section_failures_total{failure_kind="transient", leads_to="retry"}',
    'fleet_section_attempts_total{cause="crash"}',
    'fleet_section_attempts_total{cause="transient"}',
    'fleet_calls_total{outcome="unknown"}',
    'fleet_calls_total{outcome="not_billed"}',
    'fleet_checkpoint_hits_total{source="checkpoint"}',
    "fleet_spend_avoided_usd_total",
    'fleet_reports_finished_total{outcome="delivered"}',
    'fleet_reports_finished_total{outcome="cancelled"}',
    'fleet_review_resolved_total{decision="resume"}',
    'fleet_credits_total{transition="refund"}',
    'fleet_credits_total{transition="reverse"}',
    'fleet_webhook_attempts_total{outcome="delivered"}',
    'fleet_webhook_attempts_total{outcome="failed"}',
    'fleet_intake_rejected_total{code="unknown_type"}',
    'gen_ai_client_operation_duration_seconds_count{error_type="rate_limited"}',
    "gen_ai_client_inference_usage_output_tokens_total",
    'fleet_http_request_duration_seconds_count{route="/v1/reports", status_class="2xx"}',
    'fleet_http_request_duration_seconds_count{route="other", status_class="4xx"}',
    "fleet_queue_wait_seconds_count",
  ])
    rises[expr] = await seen(`sum(${expr})`);
  expect(Object.entries(rises).filter(([, value]) => !(value > 0))).toEqual([]);
  expect(await seen("max(fleet_ledger_drift_credits)")).toBe(0);
  expect(await seen("max(fleet_review_open)")).toBeGreaterThan(0);
});

test("promtool has nothing to say about what a process exposes", async () => {
  const { promtool } = await findPrometheus((line) => process.stderr.write(`${line}\n`));
  const { text } = await scrape(tellerUrl);
  const checked = spawnSync(promtool, ["check", "metrics"], { input: text, encoding: "utf8" });
  expect(`${checked.stdout}${checked.stderr}`).toBe("");
  expect(checked.status).toBe(0);
});

test("the fleet's own alerts stay quiet but for what is really wrong", async () => {
  // Rules are looked at every few seconds, and a quick machine is here before they were.
  const firing = await waitFor(
    async () => {
      const alerts = await prometheus.query('ALERTS{alertstate=~"firing|pending"}');
      const found = alerts.map(({ labels }) => labels["alertname"]);
      return found.includes("FleetBreakerOpen") ? found : null;
    },
    () => "the stopped type is no alert",
  );
  // The type that was stopped, the worker that was killed; a page of anything else would be a false one.
  const expected = [
    "FleetBreakerOpen",
    "FleetProcessDown",
    "FleetWebhooksFailing",
    "FleetSpendWasted",
    "FleetLedgerUnchecked",
  ];
  expect(firing.filter((name) => !expected.includes(name ?? ""))).toEqual([]);
});
