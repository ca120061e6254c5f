/** What a command needs of the configuration: report types that passed the lint, models with prices, a store. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { readSecret, type Config } from "../config.ts";
import { FleetError } from "../domain/fleet-error.ts";
import { NO_LIMITS } from "../domain/route.ts";
import { modelsOf, type Models, type RouteConfig } from "../llm/models.ts";
import { loadPriceFile, NO_OVERRIDES, SIMULATED_MODELS } from "../llm/prices.ts";
import { loadRouteFile } from "../llm/route-file.ts";
import { lintRegistry, type LintProblem } from "../report-types/lint.ts";
import { loadReportTypes, type Registry } from "../report-types/registry.ts";
import { jobTelemetry } from "../observability/tracing.ts";
import { Queues } from "../store/queues.ts";
import { connectForCommand, openStore, type Store } from "../store/redis.ts";
import type { Counter } from "../producer/submit-report.ts";

export function requireRedisUrl(config: Config): string {
  if (config.redisUrl !== null) return config.redisUrl;
  throw new FleetError(
    "redis_unreachable",
    "REDIS_URL is not set. Point it at your fleet's Redis, for example REDIS_URL=redis://127.0.0.1:6379.",
  );
}

/**
 * For commands in a second terminal: `npm start` leaves the address of its private Redis in DATA_DIR while it runs. The
 * fleet's own processes never look there, since a server with a forgotten REDIS_URL must not start on another Redis.
 */
export function commandRedisUrl(config: Config): string {
  if (config.redisUrl !== null) return config.redisUrl;
  try {
    return readFileSync(join(config.dataDir, "redis", "url"), "utf8").trim();
  } catch {
    return requireRedisUrl(config);
  }
}

/** The models of the configured provider, or of the route file. */
export function configuredModels(config: Config): Models {
  const { apiKey, model } = config.openai;
  const { single, models } = readRoutes(config);
  if (single === null && models["default"] === undefined) {
    const missing = [apiKey === null ? "OPENAI_API_KEY" : "", model === null ? "OPENAI_MODEL" : ""].filter(
      (name) => name !== "",
    );
    throw new FleetError(
      "usage",
      `The worker role needs a provider: set ${missing.join(" and ")} (or ROUTES), or start it with --roles orchestrator.`,
    );
  }
  return modelsFor(config, single, models);
}

/** Every way to a provider that this process would use. */
export function configuredRoutes(config: Config): RouteConfig[] {
  const { single, models } = readRoutes(config);
  return [...(single === null ? [] : [single]), ...Object.values(models).flat()];
}

function readRoutes(config: Config): { single: RouteConfig | null; models: Record<string, RouteConfig[]> } {
  const { apiKey, baseUrl, model, responseFormat, stream, limits } = config.openai;
  return {
    single:
      apiKey === null || model === null ? null : { apiKey, baseUrl, model, responseFormat, stream, limits },
    models: config.routes === null ? {} : loadRouteFile(config.routes, readSecret),
  };
}

/** The models of a simulated provider; they cost nothing whatever the environment holds. */
export function simulatedModels(config: Config, baseUrl: string): Models {
  const model = SIMULATED_MODELS[0] ?? "simulated-writer";
  return modelsFor(
    config,
    { baseUrl, apiKey: "simulated", model, responseFormat: "auto", stream: false, limits: NO_LIMITS },
    {},
  );
}

function modelsFor(
  config: Config,
  fallThrough: RouteConfig | null,
  models: Record<string, readonly RouteConfig[]>,
): Models {
  const { callConnectMs, callIdleMs, callTotalMs } = config.durations;
  return modelsOf({
    fallThrough,
    models,
    timeouts: { connectMs: callConnectMs, idleMs: callIdleMs, totalMs: callTotalMs },
    prices: config.prices === null ? NO_OVERRIDES : loadPriceFile(config.prices),
  });
}

/** The report types, checked; a broken one refuses to start. Without models, prices are the worker role's business. */
export async function configuredTypes(
  config: Config,
  models: Models | null,
): Promise<{ types: Registry; warnings: LintProblem[] }> {
  const types = await loadReportTypes(config.reportTypes, process.cwd());
  const warnings = lintRegistry(types, {
    priceKnown: (model) => models === null || models.priceKnown(model),
  });
  return { types, warnings };
}

/** A store for one command, closed again whatever happens. An unreachable Redis is one sentence within seconds. */
export async function withStore<T>(config: Config, work: (store: Store) => Promise<T>): Promise<T> {
  const url = commandRedisUrl(config);
  const redis = connectForCommand(url);
  try {
    await reach(redis, url);
    return await work(openStore(redis, config.fleet));
  } finally {
    redis.disconnect();
  }
}

/** A store and queues, for commands that order something. */
export async function withCounter<T>(config: Config, work: (counter: Counter) => Promise<T>): Promise<T> {
  const { types } = await configuredTypes(config, null);
  return withStore(config, async (store) => {
    const queues = new Queues(store, await jobTelemetry());
    try {
      return await work({
        store,
        queues,
        types,
        durations: config.durations,
        accountLimits: config.accountLimits,
      });
    } finally {
      await queues.close();
    }
  });
}

async function reach(redis: Redis, url: string): Promise<void> {
  try {
    await redis.ping();
  } catch (cause) {
    const { host } = new URL(url);
    throw new FleetError(
      "redis_unreachable",
      `Redis at ${host} does not answer. Start it, or point REDIS_URL at one that runs.`,
      { cause },
    );
  }
}
