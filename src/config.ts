/**
 * The environment, read once, checked, and frozen: what a deployment has set, as the sources use it. Nothing else in
 * the sources reads `process.env`, and a test that wants other settings passes another environment.
 *
 * `config/environment.ts` lists the variables, `config/durations.ts` the waiting times, and `config/settings.ts` tells both to people.
 */
import { resolve } from "node:path";
import { HOUR_MS, scaledDurations, type Durations } from "./config/durations.ts";
import { givenOf, parseEnvironment, type Environment, type LogLevel } from "./config/environment.ts";
import type { FailureLimits } from "./domain/credits.ts";
import type { AccountLimits } from "./domain/fairness.ts";
import type { MicroUsd } from "./domain/ids.ts";
import type { RouteLimits, SpendCaps } from "./domain/route.ts";
import type { ResponseFormat } from "./llm/port.ts";

export interface Config {
  /** Null where REDIS_URL is not set; what needs a Redis says so itself. */
  readonly redisUrl: string | null;
  /** Losses of what was acknowledged that the operator accepts by name. */
  readonly acceptLoss: readonly ("restart" | "failover")[];
  /** The key prefix: two fleets of different names share a Redis without meeting. */
  readonly fleet: string;
  readonly dataDir: string;
  /** Paths or package names of modules that export report types. */
  readonly reportTypes: readonly string[];
  /** A price file that overrides the kept price library. */
  readonly prices: string | null;
  readonly openai: {
    readonly apiKey: string | null;
    readonly baseUrl: string;
    readonly model: string | null;
    readonly responseFormat: ResponseFormat;
    readonly stream: boolean;
    readonly limits: RouteLimits;
  };
  /** A file of ordered routes per model; null where the one of `openai` answers everything. */
  readonly routes: string | null;
  readonly caps: SpendCaps;
  readonly accountLimits: AccountLimits;
  readonly failureLimits: FailureLimits;
  /** Development only: webhooks to this machine and to private networks. */
  readonly allowPrivateWebhooks: boolean;
  readonly logLevel: LogLevel;
  /** Whether traces hold prompts and answers. */
  readonly traceContent: boolean;
  /** The operator's pages: who may sign in, under which address they are reached, and what the fleet is called there. */
  readonly console: {
    /** One person a line, from the variable and from a file; see docs/desk.md. */
    readonly users: string | null;
    readonly usersFile: string | null;
    readonly url: string | null;
    readonly environment: string | null;
  };
  /** Where a process listens, and how many requests an API key may make in a minute. */
  readonly api: {
    readonly host: string;
    readonly port: number;
    /** False where nobody said which port: then a process without the API takes any free one. */
    readonly portIsSet: boolean;
    readonly requestsPerMinute: number;
  };
  /** Asked of whoever reads metrics from beyond this machine. */
  readonly metricsToken: string | null;
  /** Sections written at the same time by one process. */
  readonly concurrency: number;
  readonly timeScale: number;
  readonly durations: Durations;
}

export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const settings = parseEnvironment(givenOf(env));
  return deepFreeze({
    redisUrl: redisAddress(settings),
    acceptLoss: (settings.ACCEPT_LOSS ?? "")
      .split(",")
      .map((loss) => loss.trim())
      .filter((loss) => loss !== "") as Config["acceptLoss"],
    fleet: settings.FLEET,
    dataDir: resolve(settings.DATA_DIR),
    reportTypes: settings.REPORT_TYPES.split(",")
      .map((specifier) => specifier.trim())
      .filter((specifier) => specifier !== ""),
    prices: settings.PRICES,
    openai: {
      apiKey: settings.OPENAI_API_KEY,
      baseUrl: settings.OPENAI_BASE_URL.replace(/\/+$/, ""),
      model: settings.OPENAI_MODEL,
      responseFormat: settings.RESPONSE_FORMAT,
      stream: isOn(settings.STREAM),
      limits: {
        requestsPerMinute: settings.REQUESTS_PER_MINUTE,
        tokensPerMinute: settings.TOKENS_PER_MINUTE,
        concurrency: settings.ROUTE_CONCURRENCY,
      },
    },
    routes: settings.ROUTES,
    caps: {
      fleetPerDay: micros(settings.SPEND_CAP_USD),
      accountPerDay: micros(settings.ACCOUNT_SPEND_CAP_USD),
    },
    accountLimits: {
      maxWaiting: settings.MAX_WAITING_PER_ACCOUNT,
      maxRunning: settings.MAX_RUNNING_PER_ACCOUNT,
    },
    failureLimits: {
      runsOfReport: settings.CREDIT_REVIEW_AFTER_RUNS,
      failedReports: settings.CREDIT_REVIEW_AFTER_REPORTS,
      windowMs: Math.max(1, Math.round(settings.CREDIT_REVIEW_HOURS * HOUR_MS * settings.TIME_SCALE)),
    },
    allowPrivateWebhooks: isOn(settings.ALLOW_PRIVATE_WEBHOOKS),
    logLevel: settings.LOG_LEVEL,
    traceContent: isOn(settings.TRACE_CONTENT),
    api: {
      host: settings.HOST,
      port: settings.PORT ?? 3_000,
      portIsSet: settings.PORT !== null,
      requestsPerMinute: settings.API_REQUESTS_PER_MINUTE,
    },
    console: {
      users: settings.CONSOLE_USERS,
      usersFile: settings.CONSOLE_USERS_FILE,
      url: settings.CONSOLE_URL?.replace(/\/+$/, "") ?? null,
      environment: settings.CONSOLE_ENVIRONMENT,
    },
    metricsToken: settings.METRICS_TOKEN,
    concurrency: settings.CONCURRENCY,
    timeScale: settings.TIME_SCALE,
    durations: scaledDurations(settings.TIME_SCALE),
  });
}

function isOn(word: Environment["STREAM"]): boolean {
  return word === "1" || word === "true" || word === "yes";
}

/** One line of text holds everything about where Redis is (`store/redis-address.ts`). */
function redisAddress(settings: Environment): string | null {
  if (settings.REDIS_URL === null) return null;
  const url = new URL(settings.REDIS_URL);
  for (const place of settings.REDIS_SENTINELS?.split(",") ?? [])
    url.searchParams.append("sentinel", place.trim());
  if (settings.REDIS_SENTINEL_PASSWORD !== null)
    url.searchParams.set("sentinel-password", settings.REDIS_SENTINEL_PASSWORD);
  if (settings.REDIS_CA_FILE !== null) url.searchParams.set("ca", resolve(settings.REDIS_CA_FILE));
  return url.href;
}

/** Dollars become micro-USD once, here. */
function micros(dollars: number | null): MicroUsd | null {
  return dollars === null ? null : Math.round(dollars * 1_000_000);
}

/** A key that the route file names by its variable, so that no other code reads the environment. */
export function readSecret(variable: string, env: NodeJS.ProcessEnv = process.env): string | null {
  const value = env[variable]?.trim();
  return value === undefined || value === "" ? null : value;
}

/** What a process that we start gets to see: what we see, with these settings instead. */
export function environmentWith(settings: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...process.env, ...settings };
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
