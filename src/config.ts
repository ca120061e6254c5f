/**
 * The environment, read once, checked, and frozen. Nothing else in the sources reads `process.env`, so everything a
 * deployment can set is on this page, and a test that wants other settings passes another environment.
 *
 * All waiting times lie in one object and are multiplied by one scale, so that a story of minutes is tested in seconds.
 */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { DEFAULT_FAILURE_LIMITS, type FailureLimits } from "./domain/credits.ts";
import type { AccountLimits } from "./domain/fairness.ts";
import { FleetError } from "./domain/fleet-error.ts";
import type { MicroUsd } from "./domain/ids.ts";
import type { RouteLimits, SpendCaps } from "./domain/route.ts";
import { RESPONSE_FORMATS, type ResponseFormat } from "./llm/port.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

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
  /** A pool of workers: how often it looks at the queues, and how long it waits beyond the grace period for one to end. */
  poolLookMs: 1 * SECOND_MS,
  poolEndMs: 10 * SECOND_MS,
  /** A replica that crashed: first and longest pause before it is started again, and how long one runs to start anew. */
  restartFirstMs: 1 * SECOND_MS,
  restartLongestMs: 60 * SECOND_MS,
  restartSteadyMs: 60 * SECOND_MS,
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
  /** A person at the console: unused for so long, signed in for so long, and how long a one-time link opens. */
  consoleIdleMs: 30 * MINUTE_MS,
  consoleLongestMs: 12 * 60 * MINUTE_MS,
  /** Whoever looks at a review case is named there for so long. */
  caseClaimMs: 15 * MINUTE_MS,
  consoleLinkMs: 15 * MINUTE_MS,
  reviewDeadlineMs: 14 * DAY_MS,
} as const;

export type Durations = Readonly<Record<keyof typeof DURATIONS, number>>;

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

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

const count = z.coerce
  .number()
  .pipe(z.int({ error: "expected a whole number" }).positive("expected 1 or more"));
const limit = count.nullable().default(null);
const usd = z.coerce
  .number()
  .pipe(z.number().nonnegative("expected dollars, 0 or more"))
  .nullable()
  .default(null);

/** What a setting is about; docs/configuration.md has a table for each, in this order. */
export const AREAS = [
  "Redis",
  "Report types",
  "Provider",
  "Money and limits",
  "HTTP",
  "Console",
  "Processes",
] as const;

export interface Meaning {
  area: (typeof AREAS)[number];
  /** Who needs it; `commands` are those of the command line that work on a running fleet. */
  roles: readonly ("api" | "orchestrator" | "worker" | "commands")[];
  /** Sentences for the page of settings. */
  meaning: string;
  /** `whole`: its value is shown nowhere, not in an error and not by `config print`. `url`: only its password and parameters are hidden. */
  secret?: "whole" | "url";
  /** What the page shows where the default itself is a path of this machine. */
  shownDefault?: string;
}

const EVERYWHERE = ["api", "orchestrator", "worker", "commands"] as const;
const meanings = z.registry<Meaning>();

/** Every setting says what it means, since docs/configuration.md is made of it (`npm run docs`). */
function setting<T extends z.ZodType>(
  area: Meaning["area"],
  roles: Meaning["roles"],
  meaning: string,
  schema: T,
  more: Pick<Meaning, "secret" | "shownDefault"> = {},
): T {
  // Some schemas serve several settings.
  const own = schema.clone();
  meanings.add(own, { area, roles, meaning, ...more });
  return own;
}

const environment = z.object({
  REDIS_URL: setting(
    "Redis",
    EVERYWHERE,
    "Address of the fleet's Redis, `redis://user:password@host:6379/0`, or `rediss://` for TLS. Beyond loopback it must have a password. Commands without it use the private Redis of `npm start`.",
    z
      .url({ protocol: /^rediss?$/, error: "expected redis://host:port or rediss://host:port" })
      .nullable()
      .default(null),
    { secret: "url" },
  ),
  REDIS_SENTINELS: setting(
    "Redis",
    EVERYWHERE,
    "Sentinels that know the primary, `host:26379,host:26379`. The host in `REDIS_URL` is then the name they watch it under, and its user and password are those of the servers. See [redis.md](redis.md).",
    z
      .string()
      .regex(/^[\w.-]+(:\d+)?(\s*,\s*[\w.-]+(:\d+)?)*$/, "expected host:port, separated by commas")
      .nullable()
      .default(null),
  ),
  REDIS_SENTINEL_PASSWORD: setting(
    "Redis",
    EVERYWHERE,
    "Password of the sentinels themselves, where they have one.",
    z.string().nullable().default(null),
    { secret: "whole" },
  ),
  REDIS_CA_FILE: setting(
    "Redis",
    EVERYWHERE,
    "A PEM file of the certificate authority that signed Redis's certificate, where it is no public one. Needs `rediss://`.",
    z.string().nullable().default(null),
  ),
  ACCEPT_LOSS: setting(
    "Redis",
    ["api", "orchestrator", "worker"],
    "Losses of acknowledged data that are accepted by name: `restart` (Redis writes no append-only file) and `failover` (a replica may take over without the newest writes), separated by a comma. Without it such a Redis is refused. See [redis.md](redis.md).",
    z
      .string()
      .regex(/^(restart|failover)(\s*,\s*(restart|failover))?$/, "expected restart, failover or both")
      .nullable()
      .default(null),
  ),
  FLEET: setting(
    "Redis",
    EVERYWHERE,
    "Prefix of all keys. Fleets of different names share a Redis without meeting.",
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,79}$/, "expected lower-case letters, digits and dashes, at most 80")
      .default("fleet"),
  ),
  DATA_DIR: setting(
    "Processes",
    ["api", "worker", "commands"],
    "Folder for answers that Redis does not take (`spool/`), and for the private Redis of `npm start`. A worker's must outlive its process.",
    z.string().default(".data"),
  ),
  REPORT_TYPES: setting(
    "Report types",
    EVERYWHERE,
    "Paths or package names of modules that export report types, separated by commas.",
    z.string().default(EXAMPLES),
    { shownDefault: "the examples" },
  ),
  PRICES: setting(
    "Report types",
    ["worker", "commands"],
    "A JSON file of model prices that overrides the kept price library. An unknown price refuses to start; `0` is a price.",
    z.string().nullable().default(null),
  ),
  OPENAI_API_KEY: setting(
    "Provider",
    ["worker"],
    "Key of the provider. Only workers need it; the other roles start without.",
    z.string().nullable().default(null),
    { secret: "whole" },
  ),
  OPENAI_BASE_URL: setting(
    "Provider",
    ["worker"],
    "Any endpoint that speaks OpenAI's chat completions.",
    z
      .url({ protocol: /^https?$/, error: "expected an http or https URL" })
      .default("https://api.openai.com/v1"),
    { secret: "url" },
  ),
  OPENAI_MODEL: setting(
    "Provider",
    ["worker"],
    "The model that answers every logical model without a route of its own.",
    z.string().nullable().default(null),
  ),
  RESPONSE_FORMAT: setting(
    "Provider",
    ["worker"],
    "How JSON is asked for. `auto` begins with the strictest and remembers what the endpoint takes.",
    z.enum(RESPONSE_FORMATS, { error: `expected one of ${RESPONSE_FORMATS.join(", ")}` }).default("auto"),
  ),
  STREAM: setting(
    "Provider",
    ["worker"],
    "Read answers as a stream, so that a silent endpoint is noticed sooner.",
    flag.default("false"),
  ),
  REQUESTS_PER_MINUTE: setting(
    "Provider",
    ["worker"],
    "Limit of the route over all workers. Empty: none.",
    limit,
  ),
  TOKENS_PER_MINUTE: setting(
    "Provider",
    ["worker"],
    "Limit of the route over all workers, input and output together. Empty: none.",
    limit,
  ),
  ROUTE_CONCURRENCY: setting(
    "Provider",
    ["worker"],
    "Calls in flight on the route over all workers. Empty: none.",
    limit,
  ),
  ROUTES: setting(
    "Provider",
    ["worker"],
    "A JSON file of ordered routes per model, see [providers](providers.md). It names the variables that hold the keys.",
    z.string().nullable().default(null),
  ),
  SPEND_CAP_USD: setting(
    "Money and limits",
    ["orchestrator", "worker"],
    "The most the fleet may spend in a UTC day. At the cap no call begins until midnight. Empty: none. The orchestrator only shows it as a metric.",
    usd,
  ),
  ACCOUNT_SPEND_CAP_USD: setting("Money and limits", ["worker"], "The same for each account.", usd),
  // Far more than one account needs, and few enough that a program gone wild fills neither Redis nor the queues.
  MAX_WAITING_PER_ACCOUNT: setting(
    "Money and limits",
    ["api", "orchestrator", "commands"],
    "Reports of one account that may wait to be begun; further orders are refused.",
    limit.default(10_000),
  ),
  MAX_RUNNING_PER_ACCOUNT: setting(
    "Money and limits",
    ["orchestrator"],
    "Reports of one account that are written at the same time. Empty: no limit.",
    limit,
  ),
  CREDIT_REVIEW_AFTER_RUNS: setting(
    "Money and limits",
    ["orchestrator"],
    "A report that fails in this run or a later one, after money was spent on it, puts its account under credit review; a report type may set `creditReviewAfterRuns`. See [money](money.md#repeated-paid-failure).",
    count.default(DEFAULT_FAILURE_LIMITS.runsOfReport),
  ),
  CREDIT_REVIEW_AFTER_REPORTS: setting(
    "Money and limits",
    ["orchestrator"],
    "So do so many failed reports of the account within `CREDIT_REVIEW_HOURS`.",
    count.default(DEFAULT_FAILURE_LIMITS.failedReports),
  ),
  CREDIT_REVIEW_HOURS: setting(
    "Money and limits",
    ["orchestrator"],
    "How long a failed report counts.",
    count.default(DEFAULT_FAILURE_LIMITS.windowMs / HOUR_MS),
  ),
  ALLOW_PRIVATE_WEBHOOKS: setting(
    "HTTP",
    ["api", "orchestrator", "commands"],
    "Development only: webhooks to this machine and to private networks.",
    flag.default("false"),
  ),
  LOG_LEVEL: setting(
    "Processes",
    ["api", "orchestrator", "worker"],
    "How much is logged to stderr.",
    z.enum(LOG_LEVELS, { error: `expected one of ${LOG_LEVELS.join(", ")}` }).default("info"),
  ),
  TRACE_CONTENT: setting(
    "Processes",
    ["worker"],
    "Whether traces hold prompts and answers; only where OpenTelemetry is loaded, see docs/tracing.md.",
    flag.default("false"),
  ),
  CONCURRENCY: setting(
    "Processes",
    ["worker"],
    "Sections written at the same time by one process.",
    numeric(
      z
        .int("expected a whole number")
        .min(1, `expected 1 to ${MAX_CONCURRENCY}`)
        .max(MAX_CONCURRENCY, `expected 1 to ${MAX_CONCURRENCY}`),
    ).default(8),
  ),
  HOST: setting(
    "HTTP",
    ["api", "orchestrator", "worker"],
    "Where the process listens: the HTTP API, `/livez`, `/readyz` and `/metrics`. Beyond loopback the API starts only with an admin key.",
    z.string().default("127.0.0.1"),
  ),
  PORT: setting(
    "HTTP",
    ["api", "orchestrator", "worker"],
    "Its port; `0` takes a free one. Unset: 3000 with the role `api`, else a free one, told in the log.",
    numeric(z.int("expected a whole number").min(0, "expected 0 to 65535").max(65_535, "expected 0 to 65535"))
      .nullable()
      .default(null),
    { shownDefault: "`3000`" },
  ),
  METRICS_TOKEN: setting(
    "HTTP",
    ["api", "orchestrator", "worker"],
    "Whoever reads `/metrics` from beyond this machine sends it as `Authorization: Bearer …`. On loopback it is not asked for.",
    z.string().min(16, "expected at least 16 characters").nullable().default(null),
    { secret: "whole" },
  ),
  API_REQUESTS_PER_MINUTE: setting(
    "HTTP",
    ["api"],
    "Requests one API key may make in a minute.",
    numeric(
      z
        .int("expected a whole number")
        .min(1, "expected 1 or more")
        .max(1_000_000, "expected at most 1000000"),
    ).default(600),
  ),
  CONSOLE_USERS_FILE: setting(
    "Console",
    ["api"],
    "A file of the people who may sign in at `/console`, one `name:role:hash` a line, as `console hash` prints it; see [desk](desk.md).",
    z.string().nullable().default(null),
  ),
  CONSOLE_USERS: setting(
    "Console",
    ["api"],
    "The same in a variable, separated by commas or lines.",
    z.string().nullable().default(null),
    { secret: "whole" },
  ),
  CONSOLE_URL: setting(
    "Console",
    ["api", "commands"],
    "Where people reach the fleet. With https the session's cookie is one for https only. Beyond loopback the pages are served only with users and an https address. Empty: HOST and PORT.",
    z
      .url({
        protocol: /^https?$/,
        error: "expected the http or https URL under which people reach the fleet",
      })
      .nullable()
      .default(null),
  ),
  CONSOLE_ENVIRONMENT: setting(
    "Console",
    ["api"],
    "Shown beside the fleet's name on every page; one that begins with `prod` in red.",
    z.string().max(40, "expected at most 40 characters").nullable().default(null),
  ),
  TIME_SCALE: setting(
    "Processes",
    EVERYWHERE,
    "Multiplies every waiting time (leases, heartbeats, cool-downs). For tests: a story of minutes in seconds. All processes of a fleet need the same.",
    numeric(z.number().positive("expected a number above 0").max(1_000, "expected at most 1000")).default(1),
  ),
});

export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const settings = parse(givenOf(env));
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
    durations: scaled(settings.TIME_SCALE),
  });
}

/** Compose files and shells set an empty text where they mean "not set". */
function givenOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value = ""]) => (value.trim() === "" ? [] : [[name, value.trim()]])),
  );
}

function parse(given: Record<string, string>): z.infer<typeof environment> {
  const parsed = environment.safeParse(given);
  if (!parsed.success) throw refusal(parsed.error, given);
  return parsed.data;
}

function isOn(word: z.infer<typeof flag>): boolean {
  return word === "1" || word === "true" || word === "yes";
}

/** One line of text holds everything about where Redis is (`store/redis-address.ts`). */
function redisAddress(settings: z.infer<typeof environment>): string | null {
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

/** One line of docs/configuration.md. */
export interface Setting extends Meaning {
  name: string;
  /** What may be set, as JSON Schema. */
  schema: Readonly<Record<string, unknown>>;
  /** Null where there is none. */
  fallback: string | number | null;
}

export function listSettings(): Setting[] {
  const { properties = {} } = z.toJSONSchema(environment);
  return Object.entries(environment.shape).map(([name, shape]) => {
    const schema = properties[name] as Record<string, unknown>;
    return { name, schema, fallback: schema["default"] as Setting["fallback"], ...meaningOf(name, shape) };
  });
}

/** A setting as it is in force, for a person to see: no secret is in it. */
export interface SettingInForce {
  name: string;
  /** Null where nothing is set and there is no default. */
  value: string | null;
  from: "environment" | "default";
}

export function settingsInForce(env: NodeJS.ProcessEnv = process.env): SettingInForce[] {
  const given = givenOf(env);
  const settings = parse(given);
  return listSettings().map(({ name, secret }) => ({
    name,
    value: shown(settings[name as keyof typeof settings], secret),
    from: name in given ? "environment" : "default",
  }));
}

function shown(value: string | number | null, secret: Meaning["secret"]): string | null {
  if (value === null) return null;
  if (secret === "whole") return "***";
  return secret === "url" ? withoutPassword(String(value)) : String(value);
}

function meaningOf(name: string, schema: z.ZodType | undefined): Meaning {
  const meaning = schema === undefined ? undefined : meanings.get(schema);
  if (meaning === undefined) throw new Error(`The setting ${name} does not say what it means.`);
  return meaning;
}

function refusal(error: z.ZodError, given: Record<string, string>): FleetError {
  const fields = error.issues.map((issue) => {
    const name = String(issue.path[0] ?? "");
    const { secret } = meaningOf(name, environment.shape[name as keyof typeof environment.shape]);
    const got = secret === undefined ? `, got ${JSON.stringify(given[name])}` : "";
    return { path: name, message: `${issue.message}${got}` };
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
