import { flushCompileCache } from "node:module";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { MAX_CONCURRENCY } from "../../config/environment.ts";
import { packageVersion } from "../../config/package-version.ts";
import type { Terminal } from "../command.ts";
import { rolesOption, type RoleName } from "../options.ts";
import { listenError } from "../listen-error.ts";
import { stopSignal } from "../stop-signal.ts";

interface StartOptions {
  roles: readonly RoleName[];
  concurrency?: number;
}

export function startCommand({ output }: Terminal): Command {
  return new Command("start")
    .summary("run one or more roles of the fleet until it is stopped")
    .description(
      "Runs roles of the fleet on REDIS_URL with the configured provider. SIGTERM and Ctrl-C: no new call starts, calls in " +
        "flight get the grace period, sections are handed on to other workers. A second signal ends it at once.",
    )
    .addOption(rolesOption("comma-separated: api, orchestrator, worker"))
    .addOption(
      new Option("--concurrency <n>", "sections written at the same time (default: CONCURRENCY)").argParser(
        positive,
      ),
    )
    .option("--json", "print the process id as JSON once it runs", false)
    .action(async (options: StartOptions) => {
      const config = loadConfig();
      const { roles } = options;
      const { configuredModels, configuredTypes, requireRedisUrl } = await import("../configured.ts");
      const { startFleet } = await import("../../workers/fleet.ts");
      const { startIntake } = await import("../../producer/intake.ts");
      const { carryOnOperations } = await import("../../desk/group-operation.ts");
      const { dispatchWebhooks } = await import("../../webhooks/dispatch-webhooks.ts");
      const { settleOnRedis } = await import("../settle-on-redis.ts");
      const { checkRedisExposure } = await import("../../api/check-exposure.ts");
      const { ProcessMetrics } = await import("../../observability/process-metrics.ts");
      const { pino } = await import("pino");
      const pages = roles.includes("api") ? await import("../../console/open-console.ts") : null;

      const redisUrl = requireRedisUrl(config);
      checkRedisExposure(redisUrl);
      const models = roles.includes("worker") ? configuredModels(config) : null;
      const openPages = pages?.openConsole(config) ?? null;
      const { types, warnings } = await configuredTypes(config, models);
      // Logs are talk: stdout stays free for data.
      const log = pino({ level: config.logLevel, base: { pid: process.pid } }, pino.destination(2));
      for (const warning of warnings) log.warn({ type: warning.type }, warning.message);

      // Listened for from here on: the first process of a container hears no signal that it does not ask for.
      const ending = new AbortController();
      const stopped = stopSignal().finally(() => ending.abort());
      const settled = await settleOnRedis(redisUrl, {
        acceptLoss: config.acceptLoss,
        ending: ending.signal,
        say: (level, sentence) => log[level](sentence),
      });
      if (!settled) {
        log.info({ signal: await stopped }, "stopped before Redis answered");
        return;
      }
      const measured = new ProcessMetrics({ version: packageVersion(), roles });
      const fleet = await startFleet({
        chores: [carryOnOperations, dispatchWebhooks],
        companions: [startIntake],
        sendWebhook: async (workshop, delivery) => {
          const { webhookSender } = await import("../../webhooks/webhook-sender.ts");
          return webhookSender(config)(workshop, delivery);
        },
        redisUrl,
        fleet: config.fleet,
        roles,
        concurrency: options.concurrency ?? config.concurrency,
        types,
        models,
        durations: config.durations,
        caps: config.caps,
        accountLimits: config.accountLimits,
        failureLimits: config.failureLimits,
        spoolDir: join(config.dataDir, "spool"),
        traceContent: config.traceContent,
        observeWait: (queue, waitedMs) => measured.observeWait(queue, waitedMs),
        onTrouble: (message) => log.warn(message),
      });
      const { store } = fleet.workshop;
      // It works already: a worker that comes back after its death does not wait for what only others look at.
      const { createExposition } = await import("../../observability/exposition.ts");
      const door = roles.includes("api") ? await import("../../api/start-api.ts") : null;
      const { startProbes } = await import("../../api/start-probes.ts");
      const { logFleet } = await import("../log-fleet.ts");
      const metrics = {
        exposition: createExposition(
          measured,
          roles.includes("orchestrator")
            ? {
                store,
                processId: fleet.processId,
                types,
                caps: config.caps,
                reviewDeadlineMs: config.durations.reviewDeadlineMs,
              }
            : null,
        ),
        token: config.metricsToken,
      };
      const health = { unreadyBecause: () => fleet.withdrawn() };
      const notListening = async (error: unknown): Promise<never> => {
        await fleet.stop();
        throw listenError(error, config.api);
      };
      const api =
        door === null
          ? null
          : await door
              .startApi({
                redisUrl,
                patient: store,
                types,
                models,
                accountLimits: config.accountLimits,
                allowPrivateWebhooks: config.allowPrivateWebhooks,
                spoolDir: join(config.dataDir, "spool"),
                durations: config.durations,
                listen: config.api,
                health,
                metrics,
                onRequest: (request) => measured.observeRequest(request),
                openPages,
                onError: (error, requestId) =>
                  log.error({ error: describeError(error), requestId }, "request failed"),
              })
              .catch(notListening);
      const probes =
        api === null
          ? await startProbes({
              redisUrl,
              fleet: config.fleet,
              listen: { host: config.api.host, port: config.api.portIsSet ? config.api.port : 0 },
              health,
              metrics: { ...metrics, host: config.api.host },
            }).catch(notListening)
          : null;
      const url = api?.url ?? probes?.url ?? null;
      log.info({ url }, api === null ? "health and metrics listen" : "the HTTP API listens");
      if (api !== null) {
        const missing = pages?.consoleMissing(config) ?? null;
        if (missing === null)
          log.info({ url: `${config.console.url ?? api.url}/console` }, "the console is served");
        else log.warn(`the console is not served: ${missing}`);
      }
      // One voice per fleet: the events are the same wherever they are read.
      const following = roles.includes("orchestrator") ? logFleet(log, redisUrl, fleet.workshop.store) : null;
      log.info({ process: fleet.processId, roles, types: types.all().map(({ type }) => type) }, "started");
      // Now and not at its end, which may be a death: what was compiled is for whoever starts after it.
      flushCompileCache();
      output.data({ process: fleet.processId, roles, url }, () => [fleet.processId]);

      const signal = await stopped;
      log.info(
        { signal, graceMs: config.durations.graceMs },
        "stopping: no new call starts, calls in flight may answer",
      );
      probes?.drain();
      await api?.close();
      try {
        await fleet.stop();
      } finally {
        // Whatever stands open keeps a process alive.
        await following?.stop();
        await probes?.close();
      }
      log.info("stopped");
    });
}

/** Name and message only: an error may carry a command with its arguments, and those may be a customer's text. */
function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
}

function positive(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > MAX_CONCURRENCY)
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${MAX_CONCURRENCY}.`);
  return number;
}
