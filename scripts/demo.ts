/**
 * `npm start`: the whole main job on this machine, beside a Redis of its own.
 *
 *     npm start -- --once                    ends when the sample reports are delivered
 *     npm start -- --live --max-usd 0.5      asks the provider of OPENAI_BASE_URL, and stops at the limit
 *
 * What is opened is closed in reverse order, whether the demo ended, failed or was interrupted.
 *
 * On a Redis that REDIS_URL names, the demo works under a fleet name of its own: its simulated provider must never
 * write what somebody ordered from the real fleet there. For the same reason live reports have a fleet of their own:
 * what a simulated run left unfinished must not be finished with money.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { topicReport } from "../examples/topic-report.ts";
import { audienceFor } from "../src/cli/audience.ts";
import { configuredModels, configuredTypes, simulatedModels } from "../src/cli/configured.ts";
import { failWith } from "../src/cli/errors.ts";
import { estimateReport } from "../src/producer/estimate-report.ts";
import { EXIT } from "../src/cli/exit-codes.ts";
import { openOutput } from "../src/cli/output.ts";
import { readDocument } from "../src/producer/read-document.ts";
import { consoleLink } from "../src/cli/commands/console.ts";
import { exitCodeOf, watchReports, type Audience, type Watched } from "../src/cli/watch-reports.ts";
import { loadConfig, type Config } from "../src/config.ts";
import { totalSpend } from "../src/domain/failure.ts";
import { FleetError } from "../src/domain/fleet-error.ts";
import { formatUsd, type MicroUsd, type ReportId } from "../src/domain/ids.ts";
import { isFinished } from "../src/domain/report.ts";
import { startSimulatedProvider, type SimulatedLatency } from "../src/llm/simulated-provider.ts";
import type { Models } from "../src/llm/models.ts";
import { submitReport } from "../src/producer/submit-report.ts";
import type { ReportType } from "../src/report-types/define-report.ts";
import { registryOf } from "../src/report-types/registry.ts";
import { checkSource, factsOf } from "../src/report-types/source.ts";
import { grantCredits, readBalance } from "../src/store/credits.ts";
import { makeLink } from "../src/store/console-sessions.ts";
import { connectForCommand, openStore, type Store } from "../src/store/redis.ts";
import { listReports, type StoredReport } from "../src/store/reports.ts";
import { carryOnOperations } from "../src/desk/group-operation.ts";
import { startIntake } from "../src/producer/intake.ts";
import { dispatchWebhooks } from "../src/webhooks/dispatch-webhooks.ts";
import { webhookSender } from "../src/webhooks/webhook-sender.ts";
import { startFleet, type Fleet } from "../src/workers/fleet.ts";
import type { Workshop } from "../src/workers/session.ts";
import { keepOrdering, ORDERING_FAULTS } from "./demo/keep-ordering.ts";
import { allowanceOf } from "./demo/live-limit.ts";
import { playStory, STORY_FAULTS, STORY_TYPES, wasPlayed } from "./demo/story.ts";
import { samplesOf, type Sample } from "./demo/samples.ts";
import {
  environmentFor,
  reasonLine,
  receiptLines,
  sayParagraph,
  sayTable,
  shownPath,
  type Receipt,
} from "./demo/words.ts";
import { demoMetrics, serveDemoApi } from "./demo/serve-demo-api.ts";
import { writeDocuments } from "./demo/write-documents.ts";
import { openRedis } from "./redis/open-redis.ts";

const ACCOUNT = "demo";
/** Slow enough to watch, far faster than a real model. */
function latencyOf({ timeScale }: Config): SimulatedLatency {
  return { firstByteMs: [300 * timeScale, 900 * timeScale], perTokenMs: 1.5 * timeScale };
}

const WELCOME_CREDITS = 1_000;
const MOST_EARLIER = 10_000;

const output = openOutput({ json: false });
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // Whoever asks twice does not want to wait for calls in flight.
    if (interrupted.signal.aborted) process.exit(EXIT.interrupted);
    interrupted.abort();
  });
}

try {
  process.exitCode = await demo(readOptions());
} catch (error) {
  process.exitCode = failWith(output, error);
}

interface Options {
  once: boolean;
  live: boolean;
  maxMicros: MicroUsd;
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: "boolean", default: false },
        live: { type: "boolean", default: false },
        "max-usd": { type: "string", default: "0.50" },
      },
    });
    const maxMicros = Math.round(Number(values["max-usd"]) * 1_000_000);
    if (!Number.isSafeInteger(maxMicros) || maxMicros <= 0)
      throw new TypeError("--max-usd takes an amount in US dollars, such as 0.50");
    return { once: values.once, live: values.live, maxMicros };
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
    throw new FleetError("usage", `${why}. There are: --once, --live, --max-usd.`, { cause: error });
  }
}

async function demo(options: Options): Promise<number> {
  const config = loadConfig();
  if (options.live) requireProvider(config);
  output.talk(output.paint("bold", "Report Fleet"));
  output.talk("");
  const redis = await openRedis({
    url: config.redisUrl,
    dir: join(config.dataDir, "redis"),
    say: (line) => sayParagraph(output, line),
  });
  try {
    return await withProvider(config, options, redis.url, redis.origin);
  } finally {
    await redis.close();
  }
}

function requireProvider({ openai }: Config): void {
  const missing = [
    ...(openai.apiKey === null ? ["OPENAI_API_KEY"] : []),
    ...(openai.model === null ? ["OPENAI_MODEL"] : []),
  ];
  if (missing.length === 0) return;
  throw new FleetError(
    "usage",
    `--live asks a real provider: set ${missing.join(" and ")}, and OPENAI_BASE_URL where it is not OpenAI itself. Nothing was started.`,
  );
}

async function withProvider(
  config: Config,
  options: Options,
  redisUrl: string,
  redisOrigin: string,
): Promise<number> {
  const provider = options.live
    ? null
    : await startSimulatedProvider({
        latency: latencyOf(config),
        faults: [...STORY_FAULTS, ...ORDERING_FAULTS],
      });
  try {
    const models = provider === null ? configuredModels(config) : simulatedModels(config, provider.url);
    const plan = await planOf(config, options, models);
    const fleetName = fleetNameOf(config, options);
    const earlier = await readEarlier(redisUrl, fleetName);
    if (options.live) refuseOldDebts(earlier, options.maxMicros - plan.limitMicros);

    sayTable(output, [
      [
        "Redis",
        redisOrigin === "REDIS_URL"
          ? `${redisOrigin}, fleet "${fleetName}"`
          : shownOrigin(config, redisOrigin),
      ],
      ["Provider", providerWords(config, options)],
      ["Workers", `${config.concurrency} sections at a time, in this process`],
      ...(earlier.length === 0 ? [] : [["Found", earlierWords(earlier)] as const]),
    ]);
    if (!options.live && config.openai.apiKey !== null) {
      output.talk("");
      sayParagraph(output, "OPENAI_API_KEY is set and was not used. `npm start -- --live` would use it.");
    }
    for (const words of plan.words) {
      output.talk("");
      sayParagraph(output, words);
    }
    if (plan.samples.length === 0) throw new FleetError("usage", "There is nothing to order.");

    const fleet = await startFleet({
      chores: [carryOnOperations, dispatchWebhooks],
      companions: [startIntake],
      sendWebhook: webhookSender(config),
      redisUrl,
      fleet: fleetName,
      roles: ["api", "orchestrator", "worker"],
      concurrency: config.concurrency,
      types: registryOf(staysUp(options) ? withStory(plan.types) : plan.types),
      models,
      durations: config.durations,
      accountLimits: config.accountLimits,
      observeWait: (queue, waitedMs) => demoMetrics.observeWait(queue, waitedMs),
    });
    try {
      return await runSamples(fleet, { config, options, redisUrl, fleetName, models, samples: plan.samples });
    } finally {
      if (interrupted.signal.aborted) output.talk("Stopping; what was ordered and written is kept.");
      await fleet.stop();
    }
  } finally {
    await provider?.close();
  }
}

/** Live, nobody may order more behind the limit's back, so it ends when its reports do. */
function staysUp({ once, live }: Options): boolean {
  return !once && !live;
}

/** What the story orders as well; a team's own type of that name comes first. */
function withStory(types: readonly ReportType[]): ReportType[] {
  const more = [topicReport, ...STORY_TYPES].filter(({ type }) => !types.some((one) => one.type === type));
  return [...types, ...more];
}

function fleetNameOf(config: Config, { live }: Options): string {
  const demoName = config.redisUrl === null ? config.fleet : `${config.fleet}-demo`;
  return live ? `${demoName}-live` : demoName;
}

interface Plan {
  samples: Sample[];
  types: Sample["type"][];
  /** The most a live run may spend; 0 where nothing costs anything. */
  limitMicros: MicroUsd;
  words: string[];
}

async function planOf(config: Config, options: Options, models: Models): Promise<Plan> {
  const { types } = await configuredTypes(config, models);
  const samples = samplesOf(types.all());
  if (!options.live) return { samples, types: types.all(), limitMicros: 0, words: [] };

  const candidates = samples.map((sample) => {
    const checked = checkSource(sample.type, sample.source);
    if (!checked.ok) throw new FleetError(checked.code, `The sample "${sample.name}" is no valid source.`);
    const material = { source: checked.source, facts: factsOf(sample.type, checked.source, checked.hash) };
    const estimate = estimateReport(sample.type, material, models);
    const budgetMicros = Math.round(sample.type.budget.usd * 1_000_000);
    // Where no full estimate is known, the budget is the only honest one.
    return { sample, budgetMicros, estimateMicros: estimate.complete ? estimate.micros : budgetMicros };
  });
  const { ordered, tooDear, limitMicros } = allowanceOf(candidates, options.maxMicros);
  // A budget belongs to a type, so reports of one type share the smallest of theirs.
  const budgets = new Map<string, MicroUsd>();
  for (const { candidate, budgetMicros } of ordered) {
    const { type } = candidate.sample.type;
    budgets.set(type, Math.min(budgetMicros, budgets.get(type) ?? Infinity));
  }
  const limited = types
    .all()
    .filter(({ type }) => budgets.has(type))
    .map((type) => ({ ...type, budget: { usd: (budgets.get(type.type) ?? 0) / 1_000_000 } }));
  const chosen = ordered.flatMap(({ candidate: { sample } }) => {
    const type = limited.find((one) => one.type === sample.type.type);
    return type === undefined ? [] : [{ ...sample, type }];
  });
  const expected = ordered.reduce((sum, { candidate }) => sum + candidate.estimateMicros, 0);
  return {
    samples: chosen,
    types: limited,
    limitMicros,
    words: [
      `This costs money: at most ${formatUsd(expected)} is expected for ${chosen.length} reports, and they stop at ${formatUsd(limitMicros)} (--max-usd ${(options.maxMicros / 1_000_000).toFixed(2)}).`,
      ...tooDear.map(
        ({ sample, estimateMicros }) =>
          `Not ordered: ${sample.name} (${sample.type.type}) may cost ${formatUsd(estimateMicros)}, which does not fit into --max-usd any more.`,
      ),
    ],
  };
}

async function readEarlier(redisUrl: string, fleetName: string): Promise<StoredReport[]> {
  const redis = connectForCommand(redisUrl);
  try {
    return await listReports(openStore(redis, fleetName), { limit: MOST_EARLIER });
  } catch (cause) {
    throw new FleetError("redis_unreachable", "Redis does not answer. Start it, or unset REDIS_URL.", {
      cause,
    });
  } finally {
    redis.disconnect();
  }
}

/** Reports of an earlier live run go on by themselves, with real money; they count against the limit too. */
function refuseOldDebts(earlier: readonly StoredReport[], leftMicros: MicroUsd): void {
  const open = earlier.filter(({ report }) => !isFinished(report.status));
  const debt = open.reduce(
    (sum, { report }) => sum + Math.max(0, report.budgetMicros - totalSpend(report.spend)),
    0,
  );
  if (debt <= leftMicros) return;
  throw new FleetError(
    "usage",
    `${open.length} reports of an earlier live run are not finished and may still cost ${formatUsd(debt)}. Raise --max-usd by that much to go on with them.`,
  );
}

function providerWords({ openai }: Config, { live }: Options): string {
  return live
    ? `${openai.model ?? ""} at ${new URL(openai.baseUrl).host}, with real money`
    : "simulated, over real HTTP; it costs nothing";
}

function shownOrigin(config: Config, origin: string): string {
  return origin.replace(join(config.dataDir, "redis"), shownPath(join(config.dataDir, "redis")));
}

function earlierWords(earlier: readonly StoredReport[]): string {
  const open = earlier.filter(({ report }) => !isFinished(report.status) && report.status !== "needs_review");
  const count = `${earlier.length} ${earlier.length === 1 ? "report" : "reports"} of earlier runs`;
  return open.length === 0 ? count : `${count}; ${open.length} unfinished, which go on now`;
}

interface Run {
  config: Config;
  options: Options;
  redisUrl: string;
  fleetName: string;
  models: Models;
  samples: readonly Sample[];
}

async function runSamples(fleet: Fleet, run: Run): Promise<number> {
  const { config, options, redisUrl, fleetName, samples } = run;
  const { store } = fleet.workshop;
  const runId = randomUUID();
  const price = samples.reduce((sum, { type }) => sum + type.credits, 0);
  await fundAccount(store, price, runId);
  const { available } = await readBalance(store, ACCOUNT);
  output.talk("");
  sayParagraph(
    output,
    `Account "${ACCOUNT}" has ${available} credits and orders ${samples.length} reports for ${price}.`,
  );
  output.talk("");

  // Ordered all at once: a batch is nothing but orders, and the workers take as many sections as they may.
  const ids = await Promise.all(
    samples.map(async ({ name, type, source }) => {
      const order = { account: ACCOUNT, type: type.type, source, idempotencyKey: `${runId}-${name}` };
      return (await submitReport(fleet.workshop, order)).id;
    }),
  );
  const watched = await watchWithin(run, ids);
  await deliverDocuments(fleet, join(config.dataDir, "reports"), ids, watched);

  if (!staysUp(options) || watched.outcome !== "ended") return exitCodeOf(watched);
  const api = await serveDemoApi(fleet, run);
  const link = consoleLink(
    config.console.url ?? api.url,
    await makeLink(store, { name: "operator", role: "admin" }, config.durations.consoleLinkMs),
  );
  sayHowToGoOn(environmentFor(config, fleetName, redisUrl), api.url, link);
  // It goes on while people look, and ends where it is when they go. What it has done by then stays.
  void playAndGoOn(fleet.workshop, interrupted.signal).catch(() => undefined);
  await new Promise((resolve) => {
    interrupted.signal.addEventListener("abort", resolve, { once: true });
    if (interrupted.signal.aborted) resolve(undefined);
  });
  await api.close();
  return EXIT.ok;
}

async function playAndGoOn(desk: Workshop, signal: AbortSignal): Promise<void> {
  if (!(await wasPlayed(desk))) await playStory(desk, signal);
  await keepOrdering(desk, signal);
}

/** Once by its reference; later runs top up only what their own orders need. */
async function fundAccount(store: Store, price: number, runId: string): Promise<void> {
  await grantCredits(store, { account: ACCOUNT, credits: WELCOME_CREDITS, reference: "welcome" });
  const { available } = await readBalance(store, ACCOUNT);
  if (available < price)
    await grantCredits(store, { account: ACCOUNT, credits: price - available, reference: `demo-${runId}` });
}

/** Budgets bound each live report; the sum is watched as well, should the limit and the books ever disagree. */
async function watchWithin(
  { options, redisUrl, fleetName }: Run,
  ids: readonly ReportId[],
): Promise<Watched> {
  const overspent = new AbortController();
  const spent = new Map<ReportId, MicroUsd>();
  const shown = audienceFor(output);
  const audience: Audience = {
    events: (events) => shown.events(events),
    snapshot(snapshot) {
      shown.snapshot(snapshot);
      if (!options.live) return;
      const { report } = snapshot.stored;
      spent.set(report.id, totalSpend(report.spend));
      const total = [...spent.values()].reduce((sum, micros) => sum + micros, 0);
      if (total > options.maxMicros) overspent.abort();
    },
    close: () => shown.close(),
  };
  const signal = AbortSignal.any([interrupted.signal, overspent.signal]);
  const watched = await watchReports({ redisUrl, fleet: fleetName, ids, signal, audience });
  if (overspent.signal.aborted) sayParagraph(output, "Stopped: --max-usd is reached.");
  return watched;
}

async function deliverDocuments(
  { workshop }: Fleet,
  dir: string,
  ids: readonly ReportId[],
  { snapshots }: Watched,
): Promise<void> {
  const receipts: Receipt[] = [];
  for (const id of ids) {
    const snapshot = snapshots.get(id);
    if (snapshot === undefined) continue;
    const delivered = snapshot.stored.report.status === "completed";
    const document = delivered
      ? await readDocument(workshop.store, id, (type) => workshop.types.get(type))
      : null;
    receipts.push({ snapshot, path: document === null ? null : writeDocuments(dir, document) });
  }
  output.talk("");
  output.data(null, () => receiptLines(receipts, process.stdout.isTTY));
  for (const { snapshot, path } of receipts) if (path === null) sayParagraph(output, reasonLine(snapshot));
}

function sayHowToGoOn(environment: readonly string[], apiUrl: string, link: string): void {
  const lines = [
    ...(environment.length === 0 ? [] : [`export ${environment.join(" ")}`]),
    `npx report-fleet submit topic-report --account ${ACCOUNT} --wait \\`,
    `    --input '{"topic": "The return of the night train"}'`,
    "npx report-fleet ls",
    "npx report-fleet --help",
  ];
  output.talk("");
  output.talk("The fleet stays up. Watch it in a browser; this link signs you in once:");
  output.talk("");
  output.talk(`  ${link}`);
  output.talk("");
  output.talk("There, a working day of other customers is under way: answers that fail, a report type that");
  output.talk(
    "stops by itself, reports that wait for a decision of yours. Then one of them orders on, every 20 s.",
  );
  output.talk("");
  output.talk("Order more from a second terminal, in this folder:");
  output.talk("");
  for (const line of lines) output.talk(`  ${line}`);
  output.talk("");
  output.talk(`The HTTP API listens on ${apiUrl} (see docs/api.md). A key for it:`);
  output.talk("");
  output.talk(
    `  npx report-fleet keys create --name me --account ${ACCOUNT} --scopes reports:read,reports:write`,
  );
  output.talk("");
  output.talk("Ctrl-C ends everything; what was ordered and written is kept.");
}
