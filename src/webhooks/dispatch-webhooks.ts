/**
 * Takes facts out of the outbox and makes a delivery for each endpoint that wants them; rings what should have moved.
 * Part of every sweep. Two at once do the same work twice and harm nothing: a fact is taken out once.
 */
import type { WebhookEndpoint } from "../domain/webhook.ts";
import type { Queues } from "../store/queues.ts";
import type { Store } from "../store/redis.ts";
import {
  dropFacts,
  fanOut,
  readOutbox,
  takeDue,
  type AnnouncedFact,
  type Target,
} from "../store/webhook-deliveries.ts";
import { callbackEndpoint, listWebhooks } from "../store/webhooks.ts";
import { webhookOf, type Webhook } from "./payload.ts";
import { newSecret } from "./sign.ts";

const FACTS_AT_ONCE = 500;
/** What else a sweep does must not wait long for a burst of facts; the rest is taken by the next one. */
const MOST_FACTS_A_SWEEP = 1_000;
const RUNG_AT_ONCE = 500;
/** Ringing is nothing where the job lives; where it ended in the very moment it was rung, the next try counts. */
const RING_AGAIN_MS = 10_000;

export async function dispatchWebhooks({ store, queues }: { store: Store; queues: Queues }): Promise<void> {
  for (let taken = 0; taken < MOST_FACTS_A_SWEEP;) {
    const facts = await readOutbox(store, FACTS_AT_ONCE);
    if (facts.length === 0) break;
    const endpoints = await listWebhooks(store);
    const toldToNobody: string[] = [];
    for (const fact of facts) {
      const webhook = webhookOf(fact);
      const targets = webhook === null ? [] : await targetsOf(store, fact, webhook, endpoints);
      if (webhook === null || targets.length === 0) {
        toldToNobody.push(fact.entry);
        continue;
      }
      const { entry } = fact;
      const message = `msg_${entry}`;
      for (const delivery of await fanOut(store, { entry, message, type: webhook.type }, targets))
        await queues.ringWebhook(delivery);
    }
    await dropFacts(store, toldToNobody);
    taken += facts.length;
  }
  for (const delivery of await takeDue(store, RUNG_AT_ONCE, RING_AGAIN_MS))
    await queues.ringWebhook(delivery);
}

async function targetsOf(
  store: Store,
  fact: AnnouncedFact,
  { type, body }: Webhook,
  endpoints: readonly WebhookEndpoint[],
): Promise<Target[]> {
  const targets: Target[] = endpoints
    .filter((endpoint) => hears(endpoint, fact, type))
    .map(({ id }) => ({
      endpoint: id,
      lane: type === "ledger.entry" ? fact.account : null,
      url: null,
      body,
    }));
  if (fact.callback !== null && fact.account !== null) {
    const { id } = await callbackEndpoint(store, fact.account, newSecret());
    targets.push({ endpoint: id, lane: null, url: fact.callback, body });
  }
  return targets;
}

/** An endpoint hears nothing older than itself. */
function hears(endpoint: WebhookEndpoint, fact: AnnouncedFact, type: Webhook["type"]): boolean {
  return (
    endpoint.state.status === "enabled" &&
    endpoint.events.includes(type) &&
    endpoint.createdAt <= fact.at &&
    (endpoint.account === null || endpoint.account === fact.account)
  );
}
