/**
 * What `/metrics` answers: what the process measured, and in one process of the fleet what the store knows.
 *
 * That one holds the sweeper's lease. If every process told the same figures, a sum over instances would be too large
 * and a maximum too small after a restart; told by one, sums are right, and after a hand-over the next one goes on where
 * the books are. docs/adr has the alternatives.
 */
import { Gauge, Registry } from "prom-client";
import { promptVersionsOf } from "../report-types/prompt-versions.ts";
import type { Registry as TypeRegistry } from "../report-types/registry.ts";
import type { SpendCaps } from "../domain/route.ts";
import { readFleetState } from "../store/fleet-state.ts";
import { LedgerWalk } from "../store/ledger-walk.ts";
import type { Store } from "../store/redis.ts";
import { samplesOf, type KnownTypes, type Sample, type Samples } from "./fleet-metrics.ts";
import { metricOf, type Metric, type MetricName } from "./metrics.ts";
import type { ProcessMetrics } from "./process-metrics.ts";

export interface Exposition {
  readonly contentType: string;
  text(): Promise<string>;
}

export interface FleetSource {
  store: Store;
  processId: string;
  types: TypeRegistry;
  caps: SpendCaps;
  /** Of a type that names none. */
  reviewDeadlineMs: number;
}

/** A scrape may come while Redis is away, and what the process knows of itself is wanted all the more then. */
const STORE_WITHIN_MS = 4_000;

/** `fleet` is null in a process without the role orchestrator, which never holds the lease. */
export function createExposition(process: ProcessMetrics, fleet: FleetSource | null): Exposition {
  const walk = new LedgerWalk();
  const known: KnownTypes | null =
    fleet === null
      ? null
      : {
          types: fleet.types.all().map((type) => ({
            type: type.type,
            prompts: promptVersionsOf(type),
            reviewDeadlineMs: type.reviewDeadlineMs ?? fleet.reviewDeadlineMs,
          })),
          caps: fleet.caps,
        };
  let reading: Promise<Samples | null> | null = null;
  return {
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    async text() {
      // Two scrapes at once read once.
      reading ??= read().finally(() => {
        reading = null;
      });
      const samples = await within(STORE_WITHIN_MS, reading);
      process.exportsBooks(samples !== null);
      const own = await process.registry.metrics();
      return samples === null ? own : own + (await textOf(samples));
    },
  };

  async function read(): Promise<Samples | null> {
    if (fleet === null || known === null) return null;
    const state = await readFleetState(
      fleet.store,
      fleet.processId,
      known.types.map(({ type }) => type),
    );
    return state === null ? null : samplesOf(state, await walk.step(fleet.store), known);
  }
}

async function within(limitMs: number, reading: Promise<Samples | null>): Promise<Samples | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), limitMs);
  });
  try {
    return await Promise.race([reading, late]);
  } catch {
    // Redis is away; `fleet_books_exported` says that no figure is current.
    return null;
  } finally {
    clearTimeout(timer);
  }
}

async function textOf(samples: Samples): Promise<string> {
  const registry = new Registry();
  for (const [name, list] of samples) registry.registerMetric(new StoredMetric(name, metricOf(name), list));
  return registry.metrics();
}

/** Samples that lie in the store, for prom-client to write: its own classes only know what they have counted themselves. */
class StoredMetric extends Gauge {
  readonly #name: string;
  readonly #metric: Metric;
  readonly #samples: readonly Sample[];

  constructor(name: MetricName, metric: Metric, samples: readonly Sample[]) {
    super({ name, help: metric.help, registers: [] });
    this.#name = name;
    this.#metric = metric;
    this.#samples = samples;
  }

  override async get(): ReturnType<Gauge["get"]> {
    const own = await super.get();
    return {
      ...own,
      name: this.#name,
      type: this.#metric.kind as unknown as typeof own.type,
      values: this.#samples.map(({ name, labels, value }) => ({ metricName: name, labels, value })),
    };
  }
}
