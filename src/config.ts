/**
 * The environment, read once, checked, and frozen. Nothing else in the sources reads `process.env`, so everything a
 * deployment can set is on this page, and a test that wants other settings passes another environment.
 *
 * All waiting times lie in one object and are multiplied by one scale, so that a story of minutes is tested in seconds.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { AccountLimits } from "./domain/fairness.ts";
import { FleetError } from "./domain/fleet-error.ts";
import type { MicroUsd } from "./domain/ids.ts";
import type { RouteLimits, SpendCaps } from "./domain/route.ts";
import { RESPONSE_FORMATS, type ResponseFormat } from "./llm/port.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

const DURATIONS = {
  /** How often a process says that it lives, and how long its silence makes it suspect. */
  heartbeatMs: 1 * SECOND_MS,
  suspectAfterMs: 15 * SECOND_MS,
  /** How often the sweeper looks for reports that did not move in time. */
  sweepMs: 1 * SECOND_MS,
  /** A report that has not moved for this long is looked at. */
  wakeAfterMs: 1 * MINUTE_MS,
  /** How long a job waits before it asks again for what it cannot have now. */
  askAgainMs: 5 * SECOND_MS,
  /** An order of the intake stream whose reader has not answered for so long is somebody else's, and how long its answer can be read. */
  intakeClaimMs: 5 * SECOND_MS,
  intakeAnswerMs: 7 * DAY_MS,
  /** How long calls in flight may take to answer once a process is told to end. */
  graceMs: 25 * SECOND_MS,
  /** BullMQ: how long a worker owns a job without renewing, and how often lost owners are looked for. */
  lockMs: 60 * SECOND_MS,
  stalledMs: 15 * SECOND_MS,
  /** One request to a provider: until it is connected, between two bytes, and altogether. */
  callConnectMs: 10 * SECOND_MS,
  callIdleMs: 2 * MINUTE_MS,
  callTotalMs: 10 * MINUTE_MS,
  /** A route closed for longer than this is passed over where the model has another one. */
  fallbackAfterMs: 30 * SECOND_MS,
  /** A route nobody gets an answer from: first and longest pause between probes, and how long it costs no attempts. */
  troubleFirstMs: 1 * SECOND_MS,
  troubleLongestMs: 60 * SECOND_MS,
  troubleFreeMs: 60 * MINUTE_MS,
  /** A worker that is refused where another was answered this recently has the wrong settings itself. */
  withdrawWithinMs: 60 * SECOND_MS,
  /** An answer that is not saved by then is kept in a file as well. */
  spoolAfterMs: 2 * SECOND_MS,
  /** How long a canary report may stay silent before another takes its place; longer than any single call. */
  probeLeaseMs: 15 * MINUTE_MS,
  /** How long a webhook's receiver may take, how long all may fail before it is disabled, and how long an old secret signs. */
  webhookTimeoutMs: 15 * SECOND_MS,
  webhookDisableMs: 5 * DAY_MS,
  webhookRotateMs: 1 * DAY_MS,
  /** The most a section may take in all, its calls included; and a report type's own code beside them. */
  sectionMs: 60 * MINUTE_MS,
  userCodeMs: 30 * SECOND_MS,
  /** After its end a report loses its raw answers and prompts, and later everything but its place in the books. */
  keepTextsMs: 30 * DAY_MS,
  keepReportsMs: 365 * DAY_MS,
  /** How long a submit may be repeated under its idempotency key, and a person may think about a review. */
  idempotencyTtlMs: 7 * DAY_MS,
  reviewDeadlineMs: 14 * DAY_MS,
} as const;

export type Durations = Readonly<Record<keyof typeof DURATIONS, number>>;

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Config {
  /** Null where REDIS_URL is not set; what needs a Redis says so itself. */
  readonly redisUrl: string | null;
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
  /** Development only: webhooks to this machine and to private networks. */
  readonly allowPrivateWebhooks: boolean;
  readonly logLevel: LogLevel;
  /** Where the HTTP API listens, and how many requests a key may make in a minute. */
  readonly api: { readonly host: string; readonly port: number; readonly requestsPerMinute: number };
  /** Sections written at the same time by one process. */
  readonly concurrency: number;
  readonly timeScale: number;
  readonly durations: Durations;
}

/** A wrong value of one of these is never repeated in an error message. */
const SECRETS = ["OPENAI_API_KEY", "REDIS_URL", "OPENAI_BASE_URL"];
const MAX_CONCURRENCY = 256;

// The examples lie beside us as sources in a clone, and as JavaScript in an installed package.
const EXAMPLES = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../examples/index.ts" : "../examples/index.js", import.meta.url),
);

function numeric<T extends z.ZodType<number, number>>(rules: T) {
  const anyNumber = z.coerce.number("expected a number");
  return anyNumber.pipe(rules);
}

const flag = z.enum(["1", "true", "yes", "0", "false", "no"], { error: "expected true or false" });

const limit = z.coerce
  .number()
  .pipe(z.int({ error: "expected a whole number" }).positive("expected 1 or more"))
  .nullable()
  .default(null);
const usd = z.coerce
  .number()
  .pipe(z.number().nonnegative("expected dollars, 0 or more"))
  .nullable()
  .default(null);

const environment = z.object({
  REDIS_URL: z
    .url({ protocol: /^rediss?$/, error: "expected redis://host:port or rediss://host:port" })
    .nullable()
    .default(null),
  FLEET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,79}$/, "expected lower-case letters, digits and dashes, at most 80")
    .default("fleet"),
  DATA_DIR: z.string().default(".data"),
  REPORT_TYPES: z.string().default(EXAMPLES),
  PRICES: z.string().nullable().default(null),
  OPENAI_API_KEY: z.string().nullable().default(null),
  OPENAI_BASE_URL: z
    .url({ protocol: /^https?$/, error: "expected an http or https URL" })
    .default("https://api.openai.com/v1"),
  OPENAI_MODEL: z.string().nullable().default(null),
  RESPONSE_FORMAT: z
    .enum(RESPONSE_FORMATS, { error: `expected one of ${RESPONSE_FORMATS.join(", ")}` })
    .default("auto"),
  STREAM: flag.default("false"),
  REQUESTS_PER_MINUTE: limit,
  TOKENS_PER_MINUTE: limit,
  ROUTE_CONCURRENCY: limit,
  ROUTES: z.string().nullable().default(null),
  SPEND_CAP_USD: usd,
  ACCOUNT_SPEND_CAP_USD: usd,
  // Far more than one account needs, and few enough that a program gone wild fills neither Redis nor the queues.
  MAX_WAITING_PER_ACCOUNT: limit.default(10_000),
  MAX_RUNNING_PER_ACCOUNT: limit,
  ALLOW_PRIVATE_WEBHOOKS: flag.default("false"),
  LOG_LEVEL: z.enum(LOG_LEVELS, { error: `expected one of ${LOG_LEVELS.join(", ")}` }).default("info"),
  CONCURRENCY: numeric(
    z
      .int("expected a whole number")
      .min(1, `expected 1 to ${MAX_CONCURRENCY}`)
      .max(MAX_CONCURRENCY, `expected 1 to ${MAX_CONCURRENCY}`),
  ).default(8),
  HOST: z.string().default("127.0.0.1"),
  PORT: numeric(
    z.int("expected a whole number").min(0, "expected 0 to 65535").max(65_535, "expected 0 to 65535"),
  ).default(3_000),
  API_REQUESTS_PER_MINUTE: numeric(
    z.int("expected a whole number").min(1, "expected 1 or more").max(1_000_000, "expected at most 1000000"),
  ).default(600),
  TIME_SCALE: numeric(
    z.number().positive("expected a number above 0").max(1_000, "expected at most 1000"),
  ).default(1),
});

export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  // Compose files and shells set an empty text where they mean "not set".
  const given = Object.fromEntries(
    Object.entries(env)
      .map(([name, value]) => [name, value?.trim()] as const)
      .filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = environment.safeParse(given);
  if (!parsed.success) throw refusal(parsed.error, given);
  const settings = parsed.data;
  return deepFreeze({
    redisUrl: settings.REDIS_URL,
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
      stream: ["1", "true", "yes"].includes(settings.STREAM),
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
    allowPrivateWebhooks: ["1", "true", "yes"].includes(settings.ALLOW_PRIVATE_WEBHOOKS),
    logLevel: settings.LOG_LEVEL,
    api: {
      host: settings.HOST,
      port: settings.PORT,
      requestsPerMinute: settings.API_REQUESTS_PER_MINUTE,
    },
    concurrency: settings.CONCURRENCY,
    timeScale: settings.TIME_SCALE,
    durations: scaled(settings.TIME_SCALE),
  });
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

/** The configuration for a person to see: no secret is in it. */
export function describeConfig(config: Config): Record<string, unknown> {
  return {
    ...config,
    redisUrl: config.redisUrl === null ? null : withoutPassword(config.redisUrl),
    openai: {
      ...config.openai,
      apiKey: config.openai.apiKey === null ? null : "***",
      baseUrl: withoutPassword(config.openai.baseUrl),
    },
  };
}

function refusal(error: z.ZodError, given: Record<string, string | undefined>): FleetError {
  const fields = error.issues.map((issue) => {
    const name = String(issue.path[0] ?? "");
    const shown = SECRETS.includes(name) ? "" : `, got ${JSON.stringify(given[name])}`;
    return { path: name, message: `${issue.message}${shown}` };
  });
  const list = fields.map(({ path, message }) => `${path}: ${message}`).join("; ");
  return new FleetError("usage", `The environment is not usable. ${list}.`, { fields });
}

function scaled(scale: number): Durations {
  const entries = Object.entries(DURATIONS).map(
    // Redis and timers take whole milliseconds, and 0 would mean "at once" or "never", depending on whom you ask.
    ([name, ms]) => [name, Math.max(1, Math.round(ms * scale))] as const,
  );
  return Object.fromEntries(entries) as unknown as Durations;
}

function withoutPassword(text: string): string {
  const url = new URL(text);
  if (url.password !== "") url.password = "***";
  // Some gateways take the key as a query parameter.
  for (const name of url.searchParams.keys()) url.searchParams.set(name, "***");
  return url.href;
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
