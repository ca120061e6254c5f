import { randomBytes } from "node:crypto";
import { reportIdFrom, type ReportId } from "../../src/domain/ids.ts";
import { admit, type Admission, type Order } from "../../src/store/admit.ts";
import { connectPatiently, openStore, type Store } from "../../src/store/redis.ts";
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
