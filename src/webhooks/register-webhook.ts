/** A new endpoint, checked before anything is kept; the only moment its secret is shown. */
import { randomBytes } from "node:crypto";
import { FleetError } from "../domain/fleet-error.ts";
import {
  ACCOUNT_WEBHOOKS,
  isWebhookType,
  OPERATOR_WEBHOOKS,
  WEBHOOK_TYPES,
  type WebhookEndpoint,
  type WebhookType,
} from "../domain/webhook.ts";
import type { Store } from "../store/redis.ts";
import {
  addWebhook,
  callbackEndpoint,
  callbackEndpointId,
  listWebhooks,
  readWebhook,
  rotateWebhook,
} from "../store/webhooks.ts";
import { checkEndpointUrl } from "./endpoint-url.ts";
import { newSecret } from "./sign.ts";

/** Of one account, or of the operator: every fact is sent to each of them. */
const MOST_ENDPOINTS = 20;

export interface WebhookRegistration {
  /** Null for the operator, who hears everything. */
  account: string | null;
  url: string;
  /** All that the account may hear where none is named. */
  events?: readonly string[] | undefined;
  by: string;
  why?: string;
}

export async function registerWebhook(
  store: Store,
  { account, url, events, by, why = "" }: WebhookRegistration,
  allowPrivate: boolean,
): Promise<{ id: string; url: string; events: readonly WebhookType[]; secret: string }> {
  const checked = checkEndpointUrl(url, allowPrivate);
  if (!checked.ok)
    throw new FleetError("usage", `This URL cannot be a webhook endpoint: ${checked.because}.`, {
      fields: [{ path: "url", message: checked.because }],
    });
  const wanted = wantedBy(account, events);
  const own = (await listWebhooks(store)).filter((endpoint) => endpoint.account === account);
  if (own.length >= MOST_ENDPOINTS)
    throw new FleetError(
      "not_allowed",
      `There are ${MOST_ENDPOINTS} endpoints already, as many as there may be. Remove one first.`,
    );
  const id = `wh-${randomBytes(12).toString("hex")}`;
  const secret = newSecret();
  await addWebhook(store, { id, account, url: checked.url.href, events: wanted, secret, by, why });
  return { id, url: checked.url.href, events: wanted, secret };
}

function wantedBy(account: string | null, events: readonly string[] | undefined): readonly WebhookType[] {
  const may: readonly WebhookType[] = account === null ? WEBHOOK_TYPES : ACCOUNT_WEBHOOKS;
  if (events === undefined || events.length === 0) return may;
  const wanted = [...new Set(events)].filter(isWebhookType);
  const wrong = events.filter((event) => !(may as readonly string[]).includes(event));
  if (wrong.length === 0) return wanted;
  const message = wrong.some((event) => (OPERATOR_WEBHOOKS as readonly string[]).includes(event))
    ? `${wrong.join(", ")} is the operator's to hear`
    : `${wrong.join(", ")} is no event`;
  throw new FleetError("usage", `Wrong events: ${message}. Possible: ${may.join(", ")}.`, {
    fields: [{ path: "events", message }],
  });
}

/** A new secret; the old one signs beside it until the overlap is over. Callbacks have theirs made by this as well. */
export async function renewSecret(
  store: Store,
  endpoint: string,
  overlapMs: number,
  by: string,
  why = "",
): Promise<string> {
  const secret = newSecret();
  const callback = callbackEndpointId("");
  if (endpoint.startsWith(callback)) {
    const made = await callbackEndpoint(store, endpoint.slice(callback.length), secret);
    if (made.secrets[0] === secret) return secret;
  }
  await requireWebhook(store, endpoint);
  await rotateWebhook(store, endpoint, secret, overlapMs, by, why);
  return secret;
}

export async function requireWebhook(store: Store, endpoint: string): Promise<WebhookEndpoint> {
  const known = await readWebhook(store, endpoint);
  if (known !== null) return known;
  throw new FleetError(
    "not_found",
    `There is no webhook endpoint ${endpoint}. \`report-fleet webhooks ls\` lists them.`,
  );
}
