/** The role `api` of a process: a connection of its own, that tells a caller soon when Redis is away. */
import type { Config } from "../config.ts";
import type { Models } from "../llm/models.ts";
import { jobTelemetry } from "../observability/tracing.ts";
import type { Counter } from "../producer/submit-report.ts";
import { hasAdminKey } from "../store/api-keys.ts";
import { Queues } from "../store/queues.ts";
import { connectForRequests, openStore } from "../store/redis.ts";
import { checkApiExposure } from "./check-exposure.ts";
import type { Health } from "./health.ts";
import { serveApi, type ServedApi } from "./serve-api.ts";

export interface ApiRole extends Omit<Counter, "store" | "queues" | "durations"> {
  redisUrl: string;
  fleet: string;
  models: Models | null;
  spoolDir: string | null;
  durations: Config["durations"];
  allowPrivateWebhooks?: boolean;
  listen: Config["api"];
  health: Health;
  onError: (error: unknown, requestId: string) => void;
}

export async function startApi(role: ApiRole): Promise<ServedApi> {
  const { listen, health, onError, fleet, ...desk } = role;
  const redis = connectForRequests(role.redisUrl);
  const store = openStore(redis, fleet);
  const queues = new Queues(store, await jobTelemetry());
  async function hangUp(): Promise<void> {
    await queues.close();
    redis.disconnect();
  }
  try {
    checkApiExposure(listen.host, await hasAdminKey(store));
    const served = await serveApi(
      { desk: { ...desk, store, queues }, health, requestsPerMinute: listen.requestsPerMinute, onError },
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
