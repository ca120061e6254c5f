/**
 * How many reports a second a fleet writes: the least of what its places, its processes' cores and its Redis allow.
 * docs/scaling.md explains it, `bench/capacity.ts` compares it with measurements.
 */

/** CPU in ms a report; one process of a role uses at most about one core, and so does Redis. */
export interface CostsOfReport {
  worker: number;
  orchestrator: number;
  redis: number;
  /** Of whatever else runs on the same cores. */
  others: number;
}

export interface FleetPlan {
  workers: number;
  /** Sections written at the same time by one worker. */
  concurrency: number;
  /** Calls of a report, those of all its sections. */
  calls: number;
  /** From the question to the whole answer. */
  callSeconds: number;
  /** Of the one machine that everything runs on; null where each process has cores enough. */
  cores: number | null;
}

export interface Capacity {
  reportsPerSecond: number;
  /** What has to grow first. */
  limitedBy: "places" | "workers" | "orchestrator" | "redis" | "cores";
}

export function capacityOf(plan: FleetPlan, cost: CostsOfReport): Capacity {
  const limits: Record<Capacity["limitedBy"], number> = {
    places: (plan.workers * plan.concurrency) / (plan.calls * plan.callSeconds),
    workers: plan.workers * perCore(cost.worker),
    orchestrator: perCore(cost.orchestrator),
    redis: perCore(cost.redis),
    cores:
      plan.cores === null
        ? Infinity
        : plan.cores * perCore(cost.worker + cost.orchestrator + cost.redis + cost.others),
  };
  const [limitedBy, reportsPerSecond] = Object.entries(limits).reduce((least, other) =>
    other[1] < least[1] ? other : least,
  ) as [Capacity["limitedBy"], number];
  return { reportsPerSecond, limitedBy };
}

function perCore(ms: number): number {
  return 1_000 / ms;
}
