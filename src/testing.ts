/**
 * For a team's own tests: a whole fleet beside the simulated provider, on a real Redis, with times short enough to wait
 * for. `report-fleet/testing` exports it; our own tests use nothing else.
 */
import { setTimeout as pause } from "node:timers/promises";
import { loadConfig } from "./config.ts";
import type { Durations } from "./config/durations.ts";
import type { FleetEvent } from "./domain/events.ts";
import { totalSpend, type Spend } from "./domain/failure.ts";
import { DEFAULT_FAILURE_LIMITS, type FailureLimits } from "./domain/credits.ts";
import { NO_ACCOUNT_LIMITS, type AccountLimits } from "./domain/fairness.ts";
import type { ReportId } from "./domain/ids.ts";
import type { Report, ReportStatus, Section } from "./domain/report.ts";
import { NO_CAPS, NO_LIMITS, type RouteLimits, type SpendCaps } from "./domain/route.ts";
import { modelsOf, type RouteConfig } from "./llm/models.ts";
import { NO_OVERRIDES, SIMULATED_MODELS } from "./llm/prices.ts";
import type { LedgerRow } from "./llm/simulated/ledger.ts";
import type { FaultRule } from "./llm/simulated/faults.ts";
import {
  startSimulatedProvider,
  type SimulatedLatency,
  type SimulatedProvider,
} from "./llm/simulated-provider.ts";
import type { ReportType } from "./report-types/define-report.ts";
import { lintRegistry } from "./report-types/lint.ts";
import { registryOf } from "./report-types/registry.ts";
import { startIntake } from "./producer/intake.ts";
import { submitReport, type ReportRequest } from "./producer/submit-report.ts";
import { carryOnOperations } from "./desk/group-operation.ts";
import { grantCredits, readBalance } from "./store/credits.ts";
import { readArtefact, type Artefact } from "./store/deliver.ts";
import { readHistory } from "./store/read-events.ts";
import { readReport, readSections, type StoredReport } from "./store/reports.ts";
import { dispatchWebhooks } from "./webhooks/dispatch-webhooks.ts";
import { webhookSender } from "./webhooks/webhook-sender.ts";
import { startFleet, type Fleet, type Role } from "./workers/fleet.ts";

export { startSimulatedProvider } from "./llm/simulated-provider.ts";
export type { SimulatedProvider, SimulatedProviderOptions } from "./llm/simulated-provider.ts";
export type { FaultRule } from "./llm/simulated/faults.ts";

export interface TestFleetSettings {
  redisUrl: string;
  types: readonly ReportType[];
  /** The key prefix; give each test its own. */
  fleet?: string;
  faults?: readonly FaultRule[];
  latency?: SimulatedLatency | "none";
  concurrency?: number;
  roles?: readonly Role[];
  durations?: Partial<Durations>;
  /** Limits of the simulated route, and daily caps. */
  limits?: Partial<RouteLimits>;
  caps?: Partial<SpendCaps>;
  accountLimits?: Partial<AccountLimits>;
  failureLimits?: Partial<FailureLimits>;
  /** Several routes for every call, in order; what is left out is the simulated route's. */
  routes?: readonly Partial<RouteConfig>[];
  /** Shrinks the waits between attempts of a webhook, which may go to this machine. */
  webhookTimeScale?: number;
  /** Where answers that cannot be saved are kept. */
  spoolDir?: string;
  /** Uses this provider instead of starting one; it is left open at the end. */
  provider?: Pick<SimulatedProvider, "url"> | undefined;
}

/** Short enough for a test to wait for, long enough for a busy machine. */
const TEST_DURATIONS: Partial<Durations> = {
  heartbeatMs: 200,
  suspectAfterMs: 15_000,
  sweepMs: 200,
  graceMs: 10_000,
  wakeAfterMs: 5_000,
  askAgainMs: 300,
  troubleFirstMs: 50,
  troubleLongestMs: 500,
  spoolAfterMs: 500,
};

export class TestFleet {
  readonly fleet: Fleet;
  readonly provider: Pick<SimulatedProvider, "url"> & Partial<SimulatedProvider>;
  readonly #ownsProvider: boolean;

  constructor(
    fleet: Fleet,
    provider: Pick<SimulatedProvider, "url"> & Partial<SimulatedProvider>,
    ownsProvider: boolean,
  ) {
    this.fleet = fleet;
    this.provider = provider;
    this.#ownsProvider = ownsProvider;
  }

  get store() {
    return this.fleet.workshop.store;
  }

  async grant(account: string, credits: number): Promise<void> {
    await grantCredits(this.store, { account, credits, reference: `test-${account}-${credits}` });
  }

  async submit(request: ReportRequest): Promise<ReportId> {
    return (await submitReport(this.fleet.workshop, request)).id;
  }

  async read(id: ReportId): Promise<StoredReport> {
    const stored = await readReport(this.store, id);
    if (stored === null) throw new Error(`${id} is not in the store.`);
    return stored;
  }

  async sections(id: ReportId): Promise<Section[]> {
    return readSections(this.store, id, (await this.read(id)).plan ?? []);
  }

  async spend(id: ReportId): Promise<Spend & { total: number }> {
    const { spend } = (await this.read(id)).report;
    return { ...spend, total: totalSpend(spend) };
  }

  balance(account: string) {
    return readBalance(this.store, account);
  }

  /** Waits until the report has one of these statuses; says what it was instead when time is up. */
  async reaches(id: ReportId, ...statuses: ReportStatus[]): Promise<Report> {
    let last = "missing";
    return waitFor(
      async () => {
        const { report } = await this.read(id);
        last = report.status;
        return statuses.includes(report.status) ? report : null;
      },
      () => `${id} is ${last}, not ${statuses.join(" or ")}`,
    );
  }

  async delivered(id: ReportId): Promise<Artefact> {
    const report = await this.reaches(id, "completed", "needs_review", "failed");
    if (report.status !== "completed")
      throw new Error(`${id} is ${report.status}: ${JSON.stringify(report)}`);
    const read = await readArtefact(this.store, id);
    if (!read.ok) throw new Error(read.because);
    return read.artefact;
  }

  async events(id: ReportId): Promise<FleetEvent[]> {
    return (await readHistory(this.store, id)).map(({ event }) => event);
  }

  ledger(): LedgerRow[] {
    return this.provider.ledger?.() ?? [];
  }

  async stop(): Promise<void> {
    await this.fleet.stop();
    if (this.#ownsProvider) await this.provider.close?.();
  }
}

export async function startTestFleet(settings: TestFleetSettings): Promise<TestFleet> {
  const config = loadConfig({});
  const provider =
    settings.provider ??
    (await startSimulatedProvider({
      latency: settings.latency ?? "none",
      ...(settings.faults === undefined ? {} : { faults: settings.faults }),
    }));
  const durations = { ...config.durations, ...TEST_DURATIONS, ...settings.durations };
  const route: RouteConfig = {
    baseUrl: provider.url,
    apiKey: "simulated",
    model: SIMULATED_MODELS[0] ?? "simulated-writer",
    responseFormat: "auto",
    stream: false,
    limits: { ...NO_LIMITS, ...settings.limits },
  };
  const models = modelsOf({
    fallThrough: route,
    models:
      settings.routes === undefined
        ? {}
        : { default: settings.routes.map((more) => ({ ...route, ...more })) },
    timeouts: {
      connectMs: durations.callConnectMs,
      idleMs: durations.callIdleMs,
      totalMs: durations.callTotalMs,
    },
    prices: NO_OVERRIDES,
  });
  const types = registryOf(settings.types);
  lintRegistry(types, models);
  const fleet = await startFleet({
    chores: [carryOnOperations, dispatchWebhooks],
    companions: [startIntake],
    sendWebhook: webhookSender({
      durations,
      timeScale: settings.webhookTimeScale ?? 1,
      allowPrivateWebhooks: true,
    }),
    redisUrl: settings.redisUrl,
    fleet: settings.fleet ?? "test",
    roles: settings.roles ?? ["orchestrator", "worker"],
    concurrency: settings.concurrency ?? 8,
    types,
    models,
    durations,
    caps: { ...NO_CAPS, ...settings.caps },
    accountLimits: { ...NO_ACCOUNT_LIMITS, ...settings.accountLimits },
    failureLimits: { ...DEFAULT_FAILURE_LIMITS, ...settings.failureLimits },
    spoolDir: settings.spoolDir ?? null,
  });
  return new TestFleet(fleet, provider, settings.provider === undefined);
}

/** Polls a condition until it holds; a test never sleeps for a time it has guessed. */
export async function waitFor<T>(
  condition: () => Promise<T | null | undefined | false>,
  otherwise: () => string,
  limitMs = 60_000,
): Promise<T> {
  const until = performance.now() + limitMs;
  for (;;) {
    const value = await condition();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > until) throw new Error(`Waited ${limitMs} ms: ${otherwise()}.`);
    await pause(20);
  }
}
