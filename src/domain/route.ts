/** A route is provider + account + model: the thing that has limits, prices and outages. */
import type { EpochMs, MicroUsd } from "./ids.ts";

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

/** `waiting`: the provider named a time. `trouble`: nobody gets an answer, one call at a time tries it. `closed`: a person opens it. */
export const ROUTE_STATES = ["open", "waiting", "trouble", "closed"] as const;
export type RouteState = (typeof ROUTE_STATES)[number];

/** What a route's gate keeps of it. */
export interface RouteGate {
  /** Why a person has to open it; null while it is not closed that way. */
  closed: string | null;
  closedUntil: EpochMs | null;
  troubleSince: EpochMs | null;
}

export function routeStateOf({ closed, closedUntil, troubleSince }: RouteGate, now: EpochMs): RouteState {
  if (closed !== null) return "closed";
  if (troubleSince !== null) return "trouble";
  return (closedUntil ?? 0) > now ? "waiting" : "open";
}
