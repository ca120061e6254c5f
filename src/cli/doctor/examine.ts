/** Reads everything the checks want to know, and lets each of them speak. What does not answer is itself a finding. */
import { setTimeout as pause } from "node:timers/promises";
import { loadConfig, type Config } from "../../config.ts";
import { packageVersion } from "../../config/package-version.ts";
import { isFleetError } from "../../domain/fleet-error.ts";
import type { Registry } from "../../report-types/registry.ts";
import { readBacklog } from "../../store/backlog.ts";
import { listBreakers, readBreaker } from "../../store/read-breakers.ts";
import { listProcesses } from "../../store/processes.ts";
import { Queues } from "../../store/queues.ts";
import { reconcile } from "../../store/reconcile.ts";
import type { Store } from "../../store/redis.ts";
import { readRedisFacts } from "../../store/redis-facts.ts";
import { listRoutes } from "../../store/routes.ts";
import { readSpendingStop } from "../../store/spending.ts";
import { listWebhooks } from "../../store/webhooks.ts";
import {
  commandRedisUrl,
  configuredModels,
  configuredRoutes,
  configuredTypes,
  withStore,
} from "../configured.ts";
import { checkFleet, type FleetFacts } from "./fleet-checks.ts";
import { fail, ok, type Finding } from "./finding.ts";
import {
  checkConsole,
  checkDataDir,
  checkPort,
  checkProvider,
  checkSetUp,
  checkSpool,
} from "./machine-checks.ts";
import { checkRedis } from "./redis-checks.ts";

export interface Examination {
  /** What this machine is meant to run. */
  roles: readonly string[];
  /** Asks the provider for its list of models, which costs nothing. */
  probeProvider: boolean;
}

export async function examine(examination: Examination): Promise<Finding[]> {
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return [fail("config", error.message, "docs/configuration.md has every setting.")];
  }
  const loaded: { types: Registry | null } = { types: null };
  const findings = [
    ok("config", "Every setting can be used; report-fleet config print shows them."),
    ...(await examineTypes(config, examination, loaded)),
    checkDataDir(config.dataDir),
    checkSpool(config.dataDir),
    ...(examination.roles.includes("api") ? [await checkPort(config.api), await checkConsole(config)] : []),
  ];
  return [...findings, ...(await examineFleet(config, loaded.types))];
}

async function examineTypes(
  config: Config,
  { roles, probeProvider }: Examination,
  loaded: { types: Registry | null },
): Promise<Finding[]> {
  const isWorker = roles.includes("worker");
  const findings: Finding[] = [];
  if (isWorker)
    findings.push(
      await checkSetUp(
        "provider.key",
        "A provider is configured.",
        "Or examine what this machine is for: doctor --roles orchestrator,api.",
        () => configuredModels(config),
      ),
    );
  const models = isWorker && findings.every(({ level }) => level === "ok") ? configuredModels(config) : null;
  findings.push(
    await checkSetUp(
      "types.lint",
      models === null
        ? "Every report type passes the lint; prices are a worker's business."
        : "Every report type passes the lint, and every model has a price.",
      "report-fleet types lint shows the same; docs/report-types.md says what is expected.",
      async () => {
        const { types, warnings } = await configuredTypes(config, models);
        loaded.types = types;
        findings.push(
          ...warnings.map(({ type, message }): Finding => ({
            check: "types.lint",
            level: "warn",
            says: `${type}: ${message}`,
            advice: "docs/report-types.md says when that is meant.",
          })),
        );
      },
    ),
  );
  if (probeProvider && models !== null) findings.push(...(await checkProvider(configuredRoutes(config))));
  return findings;
}

async function examineFleet(config: Config, types: Registry | null): Promise<Finding[]> {
  try {
    return await withStore(config, async (store) => {
      const redis = checkRedis(await readRedisFacts(store.redis), {
        address: commandRedisUrl(config),
        acceptLoss: config.acceptLoss,
      });
      const reached = ok("redis.reachable", "Redis answers.");
      return [reached, ...redis, ...checkFleet(await readFleet(store, types, config.durations.heartbeatMs))];
    });
  } catch (error) {
    if (!isFleetError(error)) throw error;
    return [
      fail(
        "redis.reachable",
        error.message,
        "Without Redis nothing else of the fleet can be looked at; then run doctor again.",
      ),
    ];
  }
}

async function readFleet(store: Store, types: Registry | null, heartbeatMs: number): Promise<FleetFacts> {
  const queues = new Queues(store);
  try {
    const before = await listProcesses(store);
    // Nobody compares clocks: who is alive is whose beat moves.
    await pause(heartbeatMs * 2.5);
    const after = new Map((await listProcesses(store)).map((process) => [process.id, process]));
    const known = before.flatMap(({ id, beat }) => {
      const now = after.get(id);
      return now === undefined ? [] : [{ process: now, moved: now.beat !== beat }];
    });
    const typeNames = await listBreakers(store);
    return {
      version: packageVersion(),
      alive: known.filter(({ moved }) => moved).map(({ process }) => process),
      dead: known.filter(({ moved }) => !moved).map(({ process }) => process),
      sectionsToWrite: await queues.sectionsToWrite(typeNames),
      backlog: await readBacklog(store),
      breakers: await Promise.all(
        typeNames.map(async (type) => {
          const { breaker, waiting } = await readBreaker(store, type);
          return { type, breaker, waiting, ourVersion: types?.get(type)?.version ?? null };
        }),
      ),
      routes: await listRoutes(store),
      spendingStop: await readSpendingStop(store),
      ledger: await reconcile(store),
      webhooks: await listWebhooks(store),
    };
  } finally {
    await queues.close();
  }
}
