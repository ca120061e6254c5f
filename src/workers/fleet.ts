/** Starts and stops everything a process does, in order. Used by the CLI, by `npm start` and by the tests. */
import type { Models } from "../llm/models.ts";
import { createOpenAiLlm } from "../llm/openai-client.ts";
import type { Llm, ResponseFormat } from "../llm/port.ts";
import { breakerSettings } from "../report-types/breaker-settings.ts";
import type { Registry } from "../report-types/registry.ts";
import { announceType } from "../store/breakers.ts";
import { beat, forgetProcess } from "../store/processes.ts";
import { knownFormats } from "../store/formats.ts";
import { Queues } from "../store/queues.ts";
import { connectForBlocking, connectPatiently, endForGood, openStore, type Store } from "../store/redis.ts";
import { DEFAULT_FAILURE_LIMITS, type FailureLimits } from "../domain/credits.ts";
import { NO_ACCOUNT_LIMITS, type AccountLimits } from "../domain/fairness.ts";
import { NO_CAPS, type SpendCaps } from "../domain/route.ts";
import { jobTelemetry } from "../observability/tracing.ts";
import { Spool } from "./spool.ts";
import { traceCalls } from "./trace-calls.ts";
import { JobWorkers, type Drain } from "./bullmq.ts";
import { handOnForgotten } from "./hand-on.ts";
import { identifyProcess } from "./process-identity.ts";
import { Recalls } from "./recalls.ts";
import { KnownRuns } from "./run-facts.ts";
import type { Chore, Companion, SendWebhook, WorkerDurations, Workshop } from "./session.ts";
import { Sweeper } from "./sweeper.ts";
import { atMost } from "./with-timeout.ts";

export const ROLES = ["api", "orchestrator", "worker"] as const;
export type Role = (typeof ROLES)[number];

export interface FleetSettings {
  /** What else the sweeper does on each of its rounds. */
  chores?: readonly Chore[];
  /** What else runs beside the orchestrator role. */
  companions?: readonly Companion[];
  /** Sends what the fleet tells outside; without it, webhooks wait. */
  sendWebhook?: SendWebhook;
  redisUrl: string;
  fleet: string;
  roles: readonly Role[];
  /** Sections written at the same time by this process. */
  concurrency: number;
  types: Registry;
  /** Only the worker role needs a model; the orchestrator starts without a provider key. */
  models: Models | null;
  durations: WorkerDurations;
  caps?: SpendCaps;
  accountLimits?: AccountLimits;
  failureLimits?: FailureLimits;
  /** Where answers that the store does not take are kept; null keeps them in memory only. */
  spoolDir?: string | null;
  /** Whether spans of calls hold prompts and answers; they do not unless a team asks for it by name. */
  traceContent?: boolean;
  /** Hears how long each job waited for its first start. */
  observeWait?: (queue: string, waitedMs: number) => void;
  /** Hears what an operator should know of this process. */
  onTrouble?: (message: string) => void;
}

export interface Fleet {
  processId: string;
  workshop: Workshop;
  /** Why this process takes no sections any more though it runs; null while it does. Makes it unready. */
  withdrawn(): string | null;
  /** No new call begins; calls in flight get the grace period to answer and be recorded; sections are handed on. */
  stop(): Promise<void>;
}

/** Parents wait for nothing but Redis, so more at once are no faster; and a late report waits for those that have begun. */
const PARENTS_AT_ONCE = 5;
/** Webhooks wait for other people's servers, so many may wait at once. */
const WEBHOOKS_AT_ONCE = 50;

export async function startFleet(settings: FleetSettings): Promise<Fleet> {
  const { roles, durations } = settings;
  if (roles.includes("worker") && settings.models === null)
    throw new Error("The worker role needs a model; none is configured.");
  const redis = connectPatiently(settings.redisUrl);
  const store = openStore(redis, settings.fleet);
  const telemetry = await jobTelemetry();
  const queues = new Queues(store, telemetry);
  const identity = identifyProcess(roles);
  const drain: Drain = { because: null, abort: new AbortController(), recalls: new Recalls() };
  const tell = settings.onTrouble ?? (() => undefined);
  const spool = new Spool(settings.spoolDir ?? null, (unsaved) => {
    workers.hold("spool", unsaved > 0);
    tell(
      unsaved > 0
        ? `${unsaved} paid answers wait to be saved; no new section is started until they are.`
        : "All paid answers are saved.",
    );
  });
  const workshop: Workshop = {
    store,
    queues,
    types: settings.types,
    runs: new KnownRuns(store),
    llm: settings.models === null ? NO_MODEL : openModel(store, settings.traceContent ?? false),
    routesOf: (model) => (settings.models === null ? noRoute() : settings.models.routesOf(model)),
    caps: settings.caps ?? NO_CAPS,
    accountLimits: settings.accountLimits ?? NO_ACCOUNT_LIMITS,
    failureLimits: settings.failureLimits ?? DEFAULT_FAILURE_LIMITS,
    spool,
    withdraw,
    durations,
    chores: settings.chores ?? [],
    observeWait: settings.observeWait ?? (() => undefined),
    processId: identity.id,
    random: Math.random,
  };

  let heart: NodeJS.Timeout | undefined;
  let drainedBy: string | null = null;
  async function live(): Promise<void> {
    const { registered, ended, drainedBy: by } = await beat(store, identity);
    drain.recalls.recall(ended);
    if ((by === null) !== (drainedBy === null)) {
      workers.hold("drained", by !== null);
      tell(by === null ? "It takes sections again." : `It begins no section any more: ${by} drains it.`);
    }
    drainedBy = by;
    if (registered === "new") await workers.announce();
    for (const job of await workers.forgotten()) await handOnForgotten(workshop, job);
  }
  const connections = [redis];
  function connect() {
    const connection = connectForBlocking(settings.redisUrl);
    connections.push(connection);
    return connection;
  }
  const workers = new JobWorkers(workshop, drain, connect, telemetry);
  const sweeper = new Sweeper(workshop);
  const companions: ReturnType<Companion>[] = [];
  try {
    await join();
  } catch (error) {
    // What stands open would keep a process alive that does nothing, and nobody would start it again.
    clearInterval(heart);
    disconnect();
    throw error;
  }

  async function join(): Promise<void> {
    for (const { type, version, breaker } of settings.types.all())
      await announceType(store, { type, version, breaker: breakerSettings(breaker) }, durations.probeLeaseMs);
    await beat(store, identity);
    heart = setInterval(() => {
      void live().catch(() => undefined);
    }, durations.heartbeatMs);
    if (roles.includes("orchestrator")) {
      workers.serveReports(PARENTS_AT_ONCE);
      if (settings.sendWebhook !== undefined) workers.serveWebhooks(WEBHOOKS_AT_ONCE, settings.sendWebhook);
    }
    if (roles.includes("worker")) {
      // What an earlier process could not save comes before anything new is paid.
      const saved = await spool.drain(store, identity.id);
      if (saved > 0) tell(`${saved} answers of an earlier process were saved.`);
      workers.serveSections(settings.concurrency);
    }
    await workers.start();
    if (!roles.includes("orchestrator")) return;
    sweeper.start();
    for (const companion of settings.companions ?? []) companions.push(companion(workshop, connect));
  }

  let withdrawal: string | null = null;
  function withdraw(because: string): void {
    if (drain.because !== null) return;
    withdrawal = because;
    // Unready, not ended: the process stays to be looked at and takes no section until it is started with other settings.
    drain.because = "its worker withdrew";
    workers.hold("withdrawn", true);
    tell(`This process withdraws. ${because}`);
  }

  let stopping: Promise<void> | null = null;
  return {
    processId: identity.id,
    workshop,
    withdrawn: () => withdrawal,
    stop() {
      stopping ??= stop();
      return stopping;
    },
  };

  async function stop(): Promise<void> {
    drain.because = "its worker is shutting down";
    const grace = setTimeout(
      () => drain.abort.abort(new Error("The grace period is over.")),
      durations.graceMs,
    );
    try {
      const left = leave();
      if (await atMost(workers.inHand > 0 ? durations.graceMs : 0, left)) return;
      // As long as Redis answers, it also takes what it is told.
      while (await answers()) if (await atMost(durations.lastWordsMs, left)) return;
      tell(
        `Redis does not answer, so this process ends without it. ${workers.inHand} jobs in its hands are handed on by ` +
          "others once Redis is back; paid answers that were not saved are in its spool, and a worker that starts here saves them.",
      );
      // What waits for Redis fails now, and with it ends whatever waits for that.
      disconnect();
      await atMost(durations.lastWordsMs, left).catch(() => undefined);
    } finally {
      clearTimeout(grace);
      clearInterval(heart);
      disconnect();
    }
  }

  function answers(): Promise<boolean> {
    return atMost(
      durations.lastWordsMs,
      redis.ping().catch(() => undefined),
    );
  }

  /** Waits for Redis as long as that takes. */
  async function leave(): Promise<void> {
    await Promise.all([workers.close(), ...companions.map((companion) => companion.stop())]);
    await sweeper.stop();
    // From here on it is not to be registered again.
    clearInterval(heart);
    await forgetProcess(store, identity.id).catch(() =>
      tell(
        "Redis takes no write, so this process could not sign off. It is given up once it has been silent for long enough.",
      ),
    );
    await queues.close();
  }

  function disconnect(): void {
    for (const connection of connections) endForGood(connection);
  }
}

function openModel(store: Store, content: boolean): Llm {
  const formats = knownFormats(store);
  const llm = createOpenAiLlm({
    formats: {
      ...formats,
      recall: async (routeId) => (await formats.recall(routeId)) as ResponseFormat | null,
    },
  });
  return traceCalls(llm, { content });
}

const NO_MODEL: Llm = {
  ask: () => Promise.reject(new Error("This process has no worker role and makes no LLM calls.")),
};

function noRoute(): never {
  throw new Error("This process has no worker role and has no route.");
}
