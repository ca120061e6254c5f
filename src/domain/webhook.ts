/**
 * What is told outside the fleet: to endpoints that an account or the operator named, and to the callback of an order.
 *
 * A webhook is a knock at the door. It names what happened and to which report, never what is written in it; whoever
 * wants more asks the API. Its id is the id of the fact, the same however often it is sent, so a receiver drops repeats
 * by it.
 */
import type { LedgerEntry } from "./credits.ts";
import type { FleetEvent } from "./events.ts";
import type { EpochMs } from "./ids.ts";

/** What an account may hear about its own orders and credits. */
export const ACCOUNT_WEBHOOKS = [
  "report.completed",
  "report.failed",
  "report.cancelled",
  "report.needs_review",
  "credits.low",
  /** One per row of the ledger, in the order of the rows. */
  "ledger.entry",
  /** The account's own daily cap; the fleet's is the operator's. */
  "spending.capped",
] as const;

/** What only the operator hears, besides all of the above. */
export const OPERATOR_WEBHOOKS = [
  "breaker.opened",
  "breaker.half_open",
  "breaker.closed",
  "route.closed",
  "route.opened",
  "spending.stopped",
  "spending.started",
] as const;

export const WEBHOOK_TYPES = [...ACCOUNT_WEBHOOKS, ...OPERATOR_WEBHOOKS] as const;
export type WebhookType = (typeof WEBHOOK_TYPES)[number];

export function isWebhookType(text: string): text is WebhookType {
  return (WEBHOOK_TYPES as readonly string[]).includes(text);
}

/** What the scripts write to the outbox, each in the script that makes it true. */
export type Fact =
  | Extract<
      FleetEvent,
      {
        event:
          | "report.status"
          | "breaker"
          | "route.closed"
          | "route.opened"
          | "spending.stopped"
          | "spending.started"
          | "spending.capped";
      }
    >
  | { event: "credits.low"; available: number; below: number }
  | ({ event: "ledger.entry"; entry: number; report: string } & Pick<
      LedgerEntry,
      "verb" | "credits" | "reference"
    >);

export interface WebhookEndpoint {
  id: string;
  /** Whose facts it hears; null hears everybody's and the fleet's own. */
  account: string | null;
  url: string;
  events: readonly WebhookType[];
  /** Signs with the newest first; the one before it until its time is over, so that a receiver can change in peace. */
  secrets: readonly string[];
  state: { status: "enabled"; failingSince: EpochMs | null } | { status: "disabled"; because: string };
  createdBy: string;
  createdAt: EpochMs;
}

export const DELIVERY_STATUSES = ["pending", "delivered", "dead"] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** One message on its way to one endpoint. */
export interface WebhookDelivery {
  /** `<message>.<endpoint>` */
  id: string;
  /** The `webhook-id` the receiver sees. */
  message: string;
  endpoint: string;
  type: WebhookType;
  /** Of an order's own callback; else the endpoint's counts, as it is when it is sent. */
  url: string | null;
  body: string;
  status: DeliveryStatus;
  attempts: number;
  /** What came back each time: an HTTP status, or why there was none. */
  answers: readonly { at: EpochMs; answer: string }[];
  /** Null once it is settled, and while an earlier row of the ledger is on its way. */
  nextAt: EpochMs | null;
  createdAt: EpochMs;
}
