/** Sends again what was sent before: one delivery by its id, or all that an endpoint missed, oldest first. */
import { FleetError } from "../domain/fleet-error.ts";
import type { Store } from "../store/redis.ts";
import { listSettled, readDelivery, replayDelivery } from "../store/webhook-deliveries.ts";
import { requireWebhook } from "./register-webhook.ts";

export async function replayWebhook(store: Store, id: string): Promise<"replayed" | "pending"> {
  const delivery = await readDelivery(store, id);
  const outcome = delivery === null ? "unknown" : await replayDelivery(store, delivery);
  if (outcome !== "unknown") return outcome;
  throw new FleetError(
    "not_found",
    `There is no delivery ${id}. \`report-fleet webhooks deliveries ENDPOINT\` lists the newest of an endpoint.`,
  );
}

export async function replayMissed(store: Store, endpoint: string): Promise<string[]> {
  await requireWebhook(store, endpoint);
  const dead = (await listSettled(store, endpoint))
    .filter(({ status }) => status === "dead")
    .sort((a, b) => byPlace(a.message, b.message));
  const replayed: string[] = [];
  for (const delivery of dead)
    if ((await replayDelivery(store, delivery)) === "replayed") replayed.push(delivery.id);
  return replayed;
}

/** Message ids are places in the outbox, `msg_<ms>-<n>`: the order in which the facts became true. */
function byPlace(a: string, b: string): number {
  const [[ms, nth], [otherMs, otherNth]] = [placeOf(a), placeOf(b)];
  return ms - otherMs || nth - otherNth;
}

function placeOf(message: string): [ms: number, nth: number] {
  const [ms = "0", nth = "0"] = message.slice("msg_".length).split("-");
  return [Number(ms), Number(nth)];
}
