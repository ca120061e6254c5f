/** What a process measures of itself. It is gone with the process, so there is no money in it. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { metricOf, type MetricName } from "./metrics.ts";

export interface MeasuredRequest {
  /** The path of the route as the API declares it, never the path that was asked for. */
  route: string;
  method: string;
  status: number;
  seconds: number;
}

/** Their names say "total" and they are gauges; promtool is right to refuse that. */
const MISNAMED = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];
const METHODS = metricOf("fleet_http_request_duration_seconds").labels[1]?.values ?? [];

export class ProcessMetrics {
  readonly registry = new Registry();
  readonly #wait = histogram(this.registry, "fleet_queue_wait_seconds");
  readonly #requests = histogram(this.registry, "fleet_http_request_duration_seconds");
  readonly #exported = gauge(this.registry, "fleet_books_exported");

  constructor(build: { version: string; roles: readonly string[] }) {
    collectDefaultMetrics({ register: this.registry });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    gauge(this.registry, "fleet_build_info").set(
      { version: build.version, roles: [...build.roles].sort().join(",") },
      1,
    );
    this.#exported.set(0);
  }

  observeWait(queue: string, waitedMs: number): void {
    this.#wait.observe({ queue }, Math.max(0, waitedMs) / 1_000);
  }

  observeRequest({ route, method, status, seconds }: MeasuredRequest): void {
    const labels = {
      route,
      method: METHODS.includes(method) ? method : "other",
      status_class: `${Math.floor(status / 100)}xx`,
    };
    this.#requests.observe(labels, seconds);
  }

  exportsBooks(exports: boolean): void {
    this.#exported.set(exports ? 1 : 0);
  }
}

function histogram(registry: Registry, name: MetricName): Histogram {
  const { help, labels, buckets = [] } = metricOf(name);
  return new Histogram({
    name,
    help,
    labelNames: labels.map((label) => label.name),
    buckets: [...buckets],
    registers: [registry],
  });
}

function gauge(registry: Registry, name: MetricName): Gauge {
  const { help, labels } = metricOf(name);
  return new Gauge({ name, help, labelNames: labels.map((label) => label.name), registers: [registry] });
}
