/** The role `api` of a process: a connection of its own, that tells a caller soon when Redis is away. */
import type { Config } from "../config.ts";
import type { Models } from "../llm/models.ts";
import { jobTelemetry } from "../observability/tracing.ts";
import type { MeasuredRequest } from "../observability/process-metrics.ts";
import type { Counter } from "../producer/submit-report.ts";
import { hasAdminKey } from "../store/api-keys.ts";
import { Queues } from "../store/queues.ts";
import { connectForRequests, openStore, type Store } from "../store/redis.ts";
import { checkApiExposure } from "./check-exposure.ts";
import type { Health } from "./health.ts";
import type { Pages } from "./app.ts";
import type { ApiDesk } from "./route.ts";
import { serveApi, type ServedApi } from "./serve-api.ts";
import type { MetricsDoor } from "./serve-metrics.ts";

export interface ApiRole extends Omit<Counter, "store" | "queues" | "durations"> {
  redisUrl: string;
  /** Of the process, and waits for Redis: a start is nobody's request, and is in no hurry. */
  patient: Store;
  models: Models | null;
  spoolDir: string | null;
  durations: Config["durations"];
  allowPrivateWebhooks?: boolean;
  listen: Omit<Config["api"], "portIsSet">;
  health: Health;
  metrics: Omit<MetricsDoor, "host">;
  onRequest: (request: MeasuredRequest) => void;
  onError: OnError;
  /** Makes the operator's pages; without it there are none. */
  openPages?: ((desk: ApiDesk, onError: OnError) => Pages) | null;
}

type OnError = (error: unknown, requestId: string) => void;

export async function startApi(role: ApiRole): Promise<ServedApi> {
  const { listen, health, metrics, onRequest, onError, patient, openPages, ...rest } = role;
  checkApiExposure(listen.host, await hasAdminKey(patient));
  const redis = connectForRequests(role.redisUrl);
  const store = openStore(redis, patient.fleet);
  const queues = new Queues(store, await jobTelemetry());
  async function hangUp(): Promise<void> {
    await queues.close();
    redis.disconnect();
  }
  try {
    const desk = { ...rest, store, queues };
    const pages = openPages?.(desk, onError) ?? null;
    const served = await serveApi(
      {
        desk,
        health,
        metrics: { ...metrics, host: listen.host },
        onRequest,
        requestsPerMinute: listen.requestsPerMinute,
        pages,
        onError,
      },
      listen,
    );
    return {
      url: served.url,
      async close() {
        await served.close();
        await hangUp();
      },
    };
  } catch (error) {
    await hangUp();
    throw error;
  }
}
