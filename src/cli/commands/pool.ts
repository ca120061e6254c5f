import { Command, InvalidArgumentError, Option } from "commander";
import { environmentWith, loadConfig } from "../../config.ts";
import { DEFAULT_POOL, MOST_REPLICAS, SHORTEST_TTL_MS } from "../../domain/warm-pool.ts";
import type { Pool as WorkerPool, PoolEvent } from "../../workers/pool.ts";
import type { Terminal } from "../command.ts";
import { duration, wholeNumber } from "../options.ts";
import { startReplica } from "../start-replica.ts";
import { MAX_CONCURRENCY } from "../../config/environment.ts";
import { packageVersion } from "../../config/package-version.ts";
import { listenError } from "../listen-error.ts";
import { stopSignal } from "../stop-signal.ts";

interface PoolCommandOptions {
  replicas: { least: number; most: number };
  concurrency: number;
  scaledownTtl: number;
  idleTtl: number;
}

export function poolCommand({ output }: Terminal): Command {
  const { replicas, concurrency, scaledownTtlMs, idleTtlMs } = DEFAULT_POOL;
  return new Command("pool")
    .summary("keep a warm pool of worker processes on this machine, as many as there is to write")
    .description(
      "Supervises `start --roles worker` processes by what waits in the queues. One that crashes is started again, each time " +
        "later, and what it had in hand is handed on at once. SIGTERM and Ctrl-C drain all: calls in flight may answer, sections " +
        "are handed on. A second signal ends it at once.",
    )
    .addOption(
      new Option("--replicas <least..most>", "kept warm, and at most; one number is both")
        .default(replicas, `${replicas.least}..${replicas.most}`)
        .argParser(replicaRange),
    )
    .addOption(
      new Option("--concurrency <n>", "sections one replica writes at the same time")
        .default(concurrency)
        .argParser(wholeNumber(1, MAX_CONCURRENCY)),
    )
    .addOption(
      new Option("--scaledown-ttl <time>", "a replica is stopped once it was not needed for so long")
        .default(scaledownTtlMs, "5m")
        .argParser(ttl),
    )
    .addOption(
      new Option("--idle-ttl <time>", "all are stopped once there was nothing to write for so long")
        .default(idleTtlMs, "30m")
        .argParser(ttl),
    )
    .option("--json", "print every event as one JSON line", false)
    .action(async (options: PoolCommandOptions) => {
      const config = loadConfig();
      const { configuredModels, configuredTypes, requireRedisUrl } = await import("../configured.ts");
      const { checkRedisExposure } = await import("../../api/check-exposure.ts");
      const { Pool } = await import("../../workers/pool.ts");
      const { settleOnRedis } = await import("../settle-on-redis.ts");
      const { startProbes } = await import("../../api/start-probes.ts");
      const { createExposition } = await import("../../observability/exposition.ts");
      const { ProcessMetrics } = await import("../../observability/process-metrics.ts");

      const redisUrl = requireRedisUrl(config);
      checkRedisExposure(redisUrl);
      // What would end every replica is one sentence here, and not a pool of crashes; so is an unfit Redis below.
      const { types } = await configuredTypes(config, configuredModels(config));
      const { durations, timeScale } = config;
      const port = config.api.portIsSet ? config.api.port : 0;
      let pool: WorkerPool | null = null;
      const ending = new AbortController();
      const stopped = stopSignal(() => pool?.kill()).finally(() => ending.abort());
      const settled = await settleOnRedis(redisUrl, {
        acceptLoss: config.acceptLoss,
        ending: ending.signal,
        say: (_level, line) => output.talk(line),
      });
      if (!settled) return;
      const measured = new ProcessMetrics({ version: packageVersion(), roles: ["pool"] });
      const probes = await startProbes({
        redisUrl,
        fleet: config.fleet,
        listen: { host: config.api.host, port },
        health: { unreadyBecause: () => null },
        metrics: {
          exposition: createExposition(measured, null),
          host: config.api.host,
          token: config.metricsToken,
        },
      }).catch((error: unknown) => {
        throw listenError(error, { host: config.api.host, port });
      });
      pool = new Pool({
        redisUrl,
        fleet: config.fleet,
        types,
        settings: {
          replicas: options.replicas,
          concurrency: options.concurrency,
          scaledownTtlMs: options.scaledownTtl * timeScale,
          idleTtlMs: options.idleTtl * timeScale,
        },
        durations: {
          lookMs: durations.poolLookMs,
          drainMs: durations.graceMs + durations.poolEndMs,
          firstMs: durations.restartFirstMs,
          longestMs: durations.restartLongestMs,
          steadyMs: durations.restartSteadyMs,
        },
        startReplica: (place) =>
          startReplica({
            program: process.argv[1] ?? "",
            concurrency: options.concurrency,
            // Each replica has a port of its own; where ours is known, so are theirs.
            env: environmentWith({ PORT: String(port === 0 ? 0 : port + 1 + place) }),
          }),
        tell: (event) => output.data({ at: Date.now(), ...event }, () => [sentence(event)]),
      });
      pool.start();
      await stopped;
      probes.drain();
      await pool.stop();
      await probes.close();
    });
}

function sentence(event: PoolEvent): string {
  switch (event.event) {
    case "pool.started":
      return `The pool keeps ${event.replicas.least} to ${event.replicas.most} replicas of ${event.concurrency} sections each.`;
    case "pool.resized":
      return `${sectionsToWrite(event.sections)}: ${event.from} → ${event.to} replicas.`;
    case "pool.idle":
      return "Nothing to write for the idle time: all replicas are stopped until there is.";
    case "pool.blind":
      return "Redis does not answer: the pool keeps what it has.";
    case "pool.sees_again":
      return "Redis answers again.";
    case "pool.draining":
      return `Stopping: ${event.replicas} replicas let their calls answer and hand their sections on.`;
    case "pool.ended":
      return "All replicas are stopped.";
    case "replica.starting":
      return `Replica ${event.replica} starts (pid ${event.pid}).`;
    case "replica.started":
      return `Replica ${event.replica} writes, as ${event.process}.`;
    case "replica.draining":
      return `Replica ${event.replica} drains (pid ${event.pid}).`;
    case "replica.drained":
      return `Replica ${event.replica} has stopped (pid ${event.pid}).`;
    case "replica.killed":
      return `Replica ${event.replica} did not end within ${Math.round(event.afterMs / 1_000)} s and is killed (pid ${event.pid}).`;
    case "replica.crashed":
      return (
        `Replica ${event.replica} ended by itself (pid ${event.pid}, ${event.signal ?? `exit code ${event.code}`}), ` +
        `${event.crashes} in a row; it is started again in ${(event.restartInMs / 1_000).toFixed(1)} s.` +
        (event.signal === null ? " Its log says why." : "")
      );
    case "work.handed_on":
      return `${event.sections} sections of the dead ${event.process} are handed on.`;
  }
}

function sectionsToWrite(sections: number | null): string {
  if (sections === null) return "Nobody knows what is to be written";
  return sections === 1 ? "1 section to write" : `${sections} sections to write`;
}

function replicaRange(text: string): PoolCommandOptions["replicas"] {
  const [, from, to] = /^(\d{1,4})(?:\.\.(\d{1,4}))?$/.exec(text.trim()) ?? [];
  const least = Number(from);
  const most = Number(to ?? from);
  if (!(least >= 1 && least <= most && most <= MOST_REPLICAS))
    throw new InvalidArgumentError(
      `Expected a range such as 2..6, from 1 and at most ${MOST_REPLICAS} replicas.`,
    );
  return { least, most };
}

function ttl(text: string): number {
  const ms = duration(text);
  if (ms < SHORTEST_TTL_MS)
    throw new InvalidArgumentError(
      `Expected at least ${SHORTEST_TTL_MS / 1_000}s: with less, replicas would stop and start with every lull, and each start keeps a customer waiting.`,
    );
  return ms;
}
