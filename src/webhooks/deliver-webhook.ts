/** Sends one delivery once and writes down what came of it: any 2xx is a yes, 410 a no for good, the rest is tried again. */
import type { Queues } from "../store/queues.ts";
import { redisNow, type Store } from "../store/redis.ts";
import {
  buryDelivery,
  dropDue,
  noteAttempt,
  readDelivery,
  type Attempt,
} from "../store/webhook-deliveries.ts";
import { readWebhook } from "../store/webhooks.ts";
import { retryAfterMs } from "./retry-schedule.ts";
import { safePost, type Sent } from "./safe-fetch.ts";
import { signedHeaders } from "./sign.ts";

export interface WebhookSettings {
  timeoutMs: number;
  /** An endpoint that nothing has reached for this long is disabled. */
  disableAfterMs: number;
  allowPrivate: boolean;
  timeScale: number;
}

export type DeliveryEnding = { outcome: "settled" } | { outcome: "again"; afterMs: number };

export async function deliverWebhook(
  { store, queues }: { store: Store; queues: Queues },
  id: string,
  settings: WebhookSettings,
): Promise<DeliveryEnding> {
  const delivery = await readDelivery(store, id);
  if (delivery === null || delivery.status !== "pending") {
    await dropDue(store, id);
    return { outcome: "settled" };
  }
  const endpoint = await readWebhook(store, delivery.endpoint);
  if (endpoint === null || endpoint.state.status === "disabled") {
    const { next } = await buryDelivery(
      store,
      delivery,
      endpoint === null ? "endpoint_removed" : "endpoint_disabled",
    );
    if (next !== null) await queues.ringWebhook(next);
    return { outcome: "settled" };
  }

  const sent = await safePost(
    delivery.url ?? endpoint.url,
    signedHeaders(delivery.message, await redisNow(store), delivery.body, endpoint.secrets),
    delivery.body,
    settings,
  );
  const afterMs = retryAfterMs(delivery.attempts, settings.timeScale, Math.random());
  const { word, next } = await noteAttempt(
    store,
    delivery,
    attemptOf(sent, afterMs),
    settings.disableAfterMs,
  );
  if (next !== null) await queues.ringWebhook(next);
  return word === "again" && afterMs !== null ? { outcome: "again", afterMs } : { outcome: "settled" };
}

function attemptOf(sent: Sent, afterMs: number | null): Attempt {
  switch (sent.outcome) {
    case "answered": {
      const answer = String(sent.status);
      if (sent.status >= 200 && sent.status < 300) return { outcome: "delivered", answer };
      if (sent.status === 410) return { outcome: "gone", answer };
      return { outcome: "failed", answer, retryAfterMs: afterMs };
    }
    case "refused":
      // A name may lead elsewhere tomorrow; whoever listens is not told where it leads today.
      return { outcome: "failed", answer: "forbidden_address", retryAfterMs: afterMs };
    case "unanswered":
      return { outcome: "failed", answer: sent.because, retryAfterMs: afterMs };
  }
}
