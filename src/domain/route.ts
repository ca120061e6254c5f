/** A route is provider + account + model: the thing that has limits, prices and outages. */
import type { MicroUsd } from "./ids.ts";

/** Limits of a route as configured, fleet-wide; null is none. */
export interface RouteLimits {
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  /** Requests in flight at the same time. */
  concurrency: number | null;
}

export const NO_LIMITS: RouteLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null };

/** What may be spent in one UTC day, in micro-USD; null is no cap. */
export interface SpendCaps {
  fleetPerDay: MicroUsd | null;
  accountPerDay: MicroUsd | null;
}

export const NO_CAPS: SpendCaps = { fleetPerDay: null, accountPerDay: null };
