/**
 * What a process without the role `api` listens for: `/livez`, `/readyz` and `/metrics`, on the port the API would have.
 * So every process has one port and is watched alike.
 */
import express, { type Request, type Response } from "express";
import helmet from "helmet";
import { connectForRequests, openStore } from "../store/redis.ts";
import { serveHealth, type Health } from "./health.ts";
import { listen, type Address } from "./listen.ts";
import { serveMetrics, type MetricsDoor } from "./serve-metrics.ts";

export interface Probes {
  url: string;
  /** Unready from now on, and still to be watched. */
  drain(): void;
  close(): Promise<void>;
}

export async function startProbes(settings: {
  redisUrl: string;
  fleet: string;
  listen: Address;
  health: Health;
  metrics: MetricsDoor;
}): Promise<Probes> {
  const { health, metrics } = settings;
  const redis = connectForRequests(settings.redisUrl);
  let draining = false;
  const app = express();
  app.disable("x-powered-by");
  app.use(helmet());
  serveHealth(app, openStore(redis, settings.fleet), {
    unreadyBecause: () => (draining ? "It is shutting down." : health.unreadyBecause()),
  });
  serveMetrics(app, metrics);
  app.use((_request: Request, response: Response) => {
    response.status(404).json({ here: ["/livez", "/readyz", "/metrics"] });
  });
  try {
    const listening = await listen(app, settings.listen);
    return {
      url: listening.url,
      drain() {
        draining = true;
      },
      async close() {
        await listening.close();
        redis.disconnect();
      },
    };
  } catch (error) {
    redis.disconnect();
    throw error;
  }
}
