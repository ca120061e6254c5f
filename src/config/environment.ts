/**
 * Everything a deployment can set: each variable with its rules, its default and what it means. Pages and errors about
 * settings are made of this list; `config.ts` turns what is set into what the sources read.
 */
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { DEFAULT_FAILURE_LIMITS } from "../domain/credits.ts";
import { FleetError } from "../domain/fleet-error.ts";
import { RESPONSE_FORMATS } from "../llm/port.ts";
import { HOUR_MS } from "./durations.ts";

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** So many calls hang in one process with memory and CPU to spare (docs/bench.md); more are more processes. */
export const MAX_CONCURRENCY = 1_000;

// The examples lie beside us as sources in a clone, and as JavaScript in an installed package.
const EXAMPLES = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../../examples/index.ts" : "../../examples/index.js",
    import.meta.url,
  ),
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
const CAPPED = ["api", "orchestrator", "worker"] as const;
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

export const environment = z.object({
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
    CAPPED,
    "The most the fleet may spend in a UTC day. At the cap no call begins until midnight. Empty: none. Workers hold to it; the orchestrator tells it as a metric, and the API's console shows it.",
    usd,
  ),
  ACCOUNT_SPEND_CAP_USD: setting("Money and limits", CAPPED, "The same for each account.", usd),
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
    "Sections written at the same time by one process; a tenth more where an account's first report would have to wait.",
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

export type Environment = z.infer<typeof environment>;

/** Compose files and shells set an empty text where they mean "not set". */
export function givenOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value = ""]) => (value.trim() === "" ? [] : [[name, value.trim()]])),
  );
}

/** @throws FleetError `usage` that names every variable that is wrong, and no secret. */
export function parseEnvironment(given: Record<string, string>): Environment {
  const parsed = environment.safeParse(given);
  if (!parsed.success) throw refusal(parsed.error, given);
  return parsed.data;
}

export function meaningOf(name: string, schema: z.ZodType | undefined): Meaning {
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
