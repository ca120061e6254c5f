/** A fact in the words of the receiver: thin, in snake_case, without anything a model or a customer has written. */
import type { WebhookType } from "../domain/webhook.ts";
import type { AnnouncedFact } from "../store/webhook-deliveries.ts";

export interface Webhook {
  type: WebhookType;
  /** Exactly what is signed and sent. */
  body: string;
}

/** Null for a fact that is told to nobody outside. */
export function webhookOf(announced: AnnouncedFact): Webhook | null {
  const told = tell(announced);
  if (told === null) return null;
  const timestamp = new Date(announced.at).toISOString();
  return { type: told.type, body: JSON.stringify({ type: told.type, timestamp, data: told.data }) };
}

function tell(announced: AnnouncedFact): { type: WebhookType; data: Record<string, unknown> } | null {
  const { fact, account } = announced;
  switch (fact.event) {
    case "report.status": {
      const type = REPORT_TYPES[fact.status];
      if (type === undefined) return null;
      const { delivery } = announced;
      return {
        type,
        data: {
          report: fact.report,
          report_type: fact.type,
          account,
          status: fact.status,
          ...(delivery === null ? {} : { delivery }),
        },
      };
    }
    case "breaker": {
      const state = fact.to === "open" ? "opened" : fact.to;
      const { cause, version, votes, burntMicros } = fact;
      return {
        type: `breaker.${state}`,
        data: { report_type: fact.type, from: fact.from, cause, version, votes, burnt_micros: burntMicros },
      };
    }
    case "route.closed":
    case "route.opened":
      return { type: fact.event, data: { route: fact.route } };
    case "spending.stopped":
    case "spending.started":
      return { type: fact.event, data: { by: fact.by } };
    case "spending.capped":
      return { type: fact.event, data: { scope: fact.scope, account } };
    case "credits.low":
      return { type: fact.event, data: { account, available: fact.available, below: fact.below } };
    case "ledger.entry": {
      const { entry, verb, credits, reference, report } = fact;
      return {
        type: fact.event,
        data: {
          account,
          entry,
          // What another billing system books by, so that a row sent twice is booked once.
          idempotency_key: `${account}:${entry}`,
          verb,
          credits,
          reference,
          report: report === "" ? null : report,
        },
      };
    }
    default:
      // A newer version of the scripts says more than this process has words for.
      return null;
  }
}

const REPORT_TYPES: Readonly<Record<string, WebhookType>> = {
  completed: "report.completed",
  failed: "report.failed",
  cancelled: "report.cancelled",
  needs_review: "report.needs_review",
};
