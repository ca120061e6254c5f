import { randomBytes } from "node:crypto";
import { DEFAULT_FAILURE_LIMITS } from "../../src/domain/credits.ts";
import { reportIdFrom, type ReportId } from "../../src/domain/ids.ts";
import type { FailureSummary } from "../../src/domain/report.ts";
import { admit, type Admission, type Order } from "../../src/store/admit.ts";
import { connectPatiently, openStore, type Store } from "../../src/store/redis.ts";
import { parkReport } from "../../src/store/report-transitions.ts";
import { readReport } from "../../src/store/reports.ts";
import { testRedisUrl, uniqueFleet } from "./redis.ts";

/** A store of its own, without a fleet; `close` ends its connection. */
export function openTestStore(label: string): Store & { close(): void } {
  const redis = connectPatiently(testRedisUrl());
  return { ...openStore(redis, uniqueFleet(label)), close: () => redis.disconnect() };
}

export function aReportId(): ReportId {
  return reportIdFrom(randomBytes(16));
}

/** Admits an order as the producer does, without a type behind it. */
export function admitOrder(
  store: Store,
  order: Partial<Order> & Pick<Order, "account" | "credits">,
): Promise<Admission> {
  const whole: Order = {
    id: aReportId(),
    type: "topic",
    typeVersion: 1,
    budgetMicros: 1_000_000,
    source: { canonical: "{}", hash: "0".repeat(64), bytes: 2 },
    idempotencyKey: null,
    again: true,
    ...order,
  };
  return admit(store, whole, 60_000);
}

export const A_FAILURE: FailureSummary = {
  kind: "contract",
  code: "schema_mismatch",
  scope: "request",
  message: "It does not fit.",
  fingerprint: "0123456789abcdef",
  rule: "a test",
};

/** Parks a report for what failed of itself, as the orchestrator does. */
export async function parkOrder(
  store: Store,
  id: ReportId,
  parking: Partial<Parameters<typeof parkReport>[2]> = {},
): ReturnType<typeof parkReport> {
  const stored = await readReport(store, id);
  if (stored === null) throw new Error(`${id} is gone.`);
  return parkReport(store, stored, {
    failure: A_FAILURE,
    sections: null,
    deadlineMs: 60_000,
    version: 1,
    ballot: [],
    failureLimits: DEFAULT_FAILURE_LIMITS,
    ...parking,
  });
}
