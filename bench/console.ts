/**
 * How long the console takes to its first byte on a fleet with many reports, most of them over, some waiting for a person.
 * The reports are made by the store's own scripts, as a fleet would; a few are written by a real one.
 *
 *     node bench/console.ts [reports]
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findRedis } from "../scripts/redis/find-redis.ts";
import { startRedisServer } from "../scripts/redis/redis-server.ts";
import { startApi } from "../src/api/start-api.ts";
import { loadConfig } from "../src/config.ts";
import { openConsole } from "../src/console/open-console.ts";
import { reportIdFrom, type ReportId } from "../src/domain/ids.ts";
import { DEFAULT_FAILURE_LIMITS } from "../src/domain/credits.ts";
import { NO_CAPS } from "../src/domain/route.ts";
import { createExposition } from "../src/observability/exposition.ts";
import { ProcessMetrics } from "../src/observability/process-metrics.ts";
import type { FailureSummary, PlannedSection } from "../src/domain/report.ts";
import { admit } from "../src/store/admit.ts";
import { listCases } from "../src/store/cases.ts";
import { beginSession } from "../src/store/console-sessions.ts";
import { grantCredits } from "../src/store/credits.ts";
import { deliver, saveArtefact } from "../src/store/deliver.ts";
import { endReport } from "../src/store/end-report.ts";
import type { Store } from "../src/store/redis.ts";
import { parkReport, savePlan, startRound } from "../src/store/report-transitions.ts";
import { readReport } from "../src/store/reports.ts";
import { claimSection, finishSection } from "../src/store/sections.ts";
import { startTestFleet } from "../src/testing.ts";
import { topicReport } from "../examples/topic-report.ts";
import { median } from "./median.ts";

const REPORTS = Number(process.argv[2] ?? 10_000);
const ACCOUNTS = 40;
const TYPES = ["market-brief", "price-watch", "country-profile", "audit", "topic-report"];
const SECTIONS = 6;
const WARM = 20;
const SAMPLES = 100;
const LIMIT_MS = 50;
const AT_ONCE = 50;
const HASH = "a".repeat(64);
const CAUSES = [
  "does not fit the schema: figures is missing",
  "was cut by its length",
  "is not JSON",
  "declined to answer",
];

const PLAN: PlannedSection[] = Array.from({ length: SECTIONS }, (_, nth) => ({
  key: `part-${nth + 1}`,
  title: `Part ${nth + 1}`,
  weight: 1,
  after: [],
  template: `part-${nth + 1}`,
  params: null,
}));

/** Of twenty orders: how many end how. The rest is being written or not begun. */
function fateOf(nth: number): "delivered" | "parked" | "failed" | "cancelled" | "running" | "pending" {
  const part = nth % 20;
  if (part < 12) return "delivered";
  if (part < 15) return "parked";
  if (part === 15) return "failed";
  if (part === 16) return "cancelled";
  return part === 17 ? "running" : "pending";
}

async function makeReport(store: Store, nth: number): Promise<void> {
  const id = reportIdFrom(randomBytes(16));
  const type = TYPES[nth % TYPES.length] ?? "audit";
  const account = `account-${nth % ACCOUNTS}`;
  await admit(
    store,
    {
      id,
      account,
      type,
      typeVersion: 1,
      credits: 5,
      budgetMicros: 1_000_000,
      source: { canonical: `{"topic":"${nth}"}`, hash: randomBytes(32).toString("hex"), bytes: 12 },
      idempotencyKey: null,
      again: true,
      tags: { order: `A-${nth}` },
    },
    600_000,
  );
  const fate = fateOf(nth);
  const stored = await readReport(store, id);
  if (stored === null || fate === "pending") return;
  const { report } = stored;
  if (fate === "cancelled") {
    await endReport(store, report, {
      status: "cancelled",
      because: "ordered twice",
      by: "bench",
      action: "cancel",
    });
    return;
  }
  await savePlan(store, report, PLAN);
  await startRound(
    store,
    report,
    1,
    PLAN.map(({ key }) => key),
    600_000,
  );
  for (const { key } of PLAN.slice(fate === "delivered" ? 0 : 2)) await writeSection(store, id, type, key);
  if (fate === "delivered") await deliverReport(store, id);
  else if (fate === "parked") await park(store, id, nth);
  else if (fate === "failed")
    await endReport(store, report, {
      status: "failed",
      because: "given up after review",
      by: "bench",
      action: "reject",
    });
}

async function writeSection(store: Store, report: ReportId, type: string, section: string): Promise<void> {
  const outcome = await claimSection(
    store,
    { report, type, section, version: 1, run: 1, claimId: `${report}-${section}`, process: "bench" },
    600_000,
  );
  if (outcome.outcome !== "claimed") throw new Error(`${section} of ${report} was ${outcome.outcome}.`);
  await finishSection(
    store,
    outcome.claim,
    { output: '"text"', hash: HASH, unreviewed: null },
    [],
    600_000,
    [],
  );
}

async function deliverReport(store: Store, id: ReportId): Promise<void> {
  const stored = await readReport(store, id);
  if (stored === null) return;
  const { type, credits, typeVersion, sourceHash } = stored.report;
  const receipt = { credits, typeVersion, sourceHash, spentMicros: 0 };
  await saveArtefact(
    store,
    { v: 1, report: id, type, title: "A report", markdown: "## It\n\nis.", sections: [], receipt },
    HASH,
  );
  await deliver(store, stored.report, HASH, {
    delivery: "full",
    sections: PLAN.map(({ key }) => ({ key, outputHash: HASH })),
  });
}

async function park(store: Store, id: ReportId, nth: number): Promise<void> {
  const stored = await readReport(store, id);
  if (stored === null) return;
  const cause = nth % CAUSES.length;
  const failure: FailureSummary = {
    kind: "contract",
    code: "schema_mismatch",
    scope: "request",
    message: `The model's answer ${CAUSES[cause] ?? ""}.`,
    fingerprint: String(cause).repeat(16),
    rule: "bench",
  };
  await parkReport(store, stored, {
    failure,
    sections: null,
    deadlineMs: 86_400_000,
    version: 1,
    ballot: [],
    failureLimits: DEFAULT_FAILURE_LIMITS,
  });
}

async function inParallel(count: number, work: (nth: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

function millis(time: number): string {
  return `${time.toFixed(1).padStart(6)} ms`;
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

/** Until the first byte of the answer's head; a page is written whole before it is sent. */
function firstByte(url: string, cookie: string): Promise<{ ms: number; status: number; bytes: number }> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const request = get(url, { agent, headers: { Cookie: cookie, "Sec-Fetch-Site": "none" } }, (response) => {
      const ms = performance.now() - startedAt;
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.on("end", () => resolve({ ms, status: response.statusCode ?? 0, bytes }));
    });
    request.on("error", reject);
  });
}

const dir = mkdtempSync(join(tmpdir(), "report-fleet-bench-"));
const server = await startRedisServer({
  engine: await findRedis(console.error),
  dir,
  durable: false,
  diesWithUs: true,
});
const fleet = await startTestFleet({ redisUrl: server.url, fleet: "bench", types: [topicReport] });
const config = loadConfig({});
const { types, accountLimits } = fleet.fleet.workshop;
const { store } = fleet;
const api = await startApi({
  redisUrl: server.url,
  patient: store,
  types,
  models: null,
  accountLimits,
  spoolDir: null,
  durations: config.durations,
  listen: { host: "127.0.0.1", port: 0, requestsPerMinute: 1_000_000 },
  health: { unreadyBecause: () => null },
  metrics: {
    exposition: createExposition(new ProcessMetrics({ version: "bench", roles: ["api"] }), {
      store,
      processId: "bench",
      types,
      caps: NO_CAPS,
      reviewDeadlineMs: config.durations.reviewDeadlineMs,
    }),
    token: null,
  },
  onError: (error) => console.error(error),
  onRequest: () => undefined,
  openPages: openConsole(config),
});
try {
  const startedAt = performance.now();
  for (let nth = 0; nth < ACCOUNTS; nth++)
    await grantCredits(store, { account: `account-${nth}`, credits: 10 * REPORTS, reference: "bench" });
  await inParallel(REPORTS, (nth) => makeReport(store, nth));
  await fleet.grant("acme", 1_000);
  const real = await fleet.submit({
    account: "acme",
    type: "topic-report",
    source: { topic: "The return of the night train" },
  });
  await fleet.delivered(real);
  console.log(`${REPORTS} reports made in ${Math.round((performance.now() - startedAt) / 1_000)} s`);

  const [parked] = await listCases(store, { limit: 1 });
  if (parked === undefined) throw new Error("Nothing is parked.");
  const cookie = `rf-console=${await beginSession(store, { name: "bench", role: "admin" }, null, config.durations)}`;
  const pages = [
    "/console",
    "/console/reports",
    "/console/reports?status=needs_review",
    "/console/reports?account=account-7&status=failed",
    "/console/reports?q=nowhere%20to%20be%20found",
    "/console/reports?q=tag.order%3AA-17",
    `/console/reports/${real}`,
    `/console/reports/${real}/texts`,
    `/console/reports/${real}/receipt`,
    `/console/reports/${real}/history`,
    "/console/review",
    `/console/review/${encodeURIComponent(parked.id)}`,
    `/console/groups/${encodeURIComponent(parked.group)}`,
    "/console/types",
    "/console/types/topic-report",
    "/console/routes",
    "/console/spend",
    "/console/accounts",
    "/console/accounts/account-7",
    "/console/workers",
    "/console/webhooks",
    "/console/keys",
    "/console/audit",
    "/console/queues",
  ];
  const late: string[] = [];
  console.log(`\nfirst byte, ${SAMPLES} times each: median, 95 of 100, slowest, size`);
  for (const page of pages) {
    const times: number[] = [];
    let bytes = 0;
    for (let nth = 0; nth < WARM + SAMPLES; nth++) {
      const seen = await firstByte(`${api.url}${page}`, cookie);
      if (seen.status !== 200) throw new Error(`${page} answered ${seen.status}.`);
      if (nth >= WARM) times.push(seen.ms);
      bytes = seen.bytes;
    }
    const sorted = times.toSorted((a, b) => a - b);
    const p95 = sorted[Math.floor(0.95 * sorted.length)] ?? 0;
    const shown = page
      .replace(real, "<id>")
      .replace(encodeURIComponent(parked.id), "<case>")
      .replace(encodeURIComponent(parked.group), "<group>");
    console.log(
      `${millis(median(times))} ${millis(p95)} ${millis(sorted.at(-1) ?? 0)} ${String(Math.round(bytes / 1_024)).padStart(5)} KB  ${shown}`,
    );
    // What else the machine does is in the slow ones, not in the usual one.
    if (median(times) >= LIMIT_MS) late.push(shown);
  }
  if (late.length > 0) {
    console.log(`\nNot within ${LIMIT_MS} ms: ${late.join(", ")}`);
    process.exitCode = 1;
  }
} finally {
  agent.destroy();
  await api.close();
  await fleet.stop();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}
