/** The HTTP API beside the demonstration: on the usual port, or on a free one where somebody else has that. */
import type { Config } from "../../src/config.ts";
import type { ServedApi } from "../../src/api/serve-api.ts";
import { openConsole } from "../../src/console/open-console.ts";
import { startApi } from "../../src/api/start-api.ts";
import { packageVersion } from "../../src/config/package-version.ts";
import { createExposition } from "../../src/observability/exposition.ts";
import { ProcessMetrics, type MeasuredRequest } from "../../src/observability/process-metrics.ts";
import type { Models } from "../../src/llm/models.ts";
import type { Fleet } from "../../src/workers/fleet.ts";

/** Of the one process the demonstration is. */
export const demoMetrics = new ProcessMetrics({
  version: packageVersion(),
  roles: ["api", "orchestrator", "worker"],
});

export async function serveDemoApi(
  fleet: Fleet,
  { config, redisUrl, models }: { config: Config; redisUrl: string; models: Models },
): Promise<ServedApi> {
  const { store, types, accountLimits, caps } = fleet.workshop;
  const role = {
    redisUrl,
    patient: store,
    types,
    models,
    accountLimits,
    spoolDir: null,
    durations: config.durations,
    health: { unreadyBecause: () => fleet.withdrawn() },
    metrics: {
      exposition: createExposition(demoMetrics, {
        store,
        processId: fleet.processId,
        types,
        caps,
        reviewDeadlineMs: config.durations.reviewDeadlineMs,
      }),
      token: config.metricsToken,
    },
    onRequest: (request: MeasuredRequest) => demoMetrics.observeRequest(request),
    // The demonstration writes no log; the caller has the request id and the problem's code.
    onError: () => undefined,
    openPages: openConsole(config),
  };
  try {
    return await startApi({ ...role, listen: config.api });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    return startApi({ ...role, listen: { ...config.api, port: 0 } });
  }
}
