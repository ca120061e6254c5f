/** What the orchestrator's `webhooks` queue is served with. */
import type { Config } from "../config.ts";
import type { Queues } from "../store/queues.ts";
import type { Store } from "../store/redis.ts";
import { deliverWebhook, type DeliveryEnding, type WebhookSettings } from "./deliver-webhook.ts";

export function webhookSender(
  config: Pick<Config, "durations" | "timeScale" | "allowPrivateWebhooks">,
): (workshop: { store: Store; queues: Queues }, delivery: string) => Promise<DeliveryEnding> {
  const settings: WebhookSettings = {
    timeoutMs: config.durations.webhookTimeoutMs,
    disableAfterMs: config.durations.webhookDisableMs,
    allowPrivate: config.allowPrivateWebhooks,
    timeScale: config.timeScale,
  };
  return (workshop, delivery) => deliverWebhook(workshop, delivery, settings);
}
