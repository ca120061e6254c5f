/** Who is told outside, and what became of it. A secret is in the answer that made it, and in no other. */
import { z } from "zod";
import type { ApiKey } from "../../domain/api-key.ts";
import { DELIVERY_STATUSES, WEBHOOK_TYPES, type WebhookEndpoint } from "../../domain/webhook.ts";
import type { Store } from "../../store/redis.ts";
import { listDeliveries, readDelivery } from "../../store/webhook-deliveries.ts";
import {
  callbackEndpointId,
  enableWebhook,
  listWebhooks,
  readWebhook,
  removeWebhook,
} from "../../store/webhooks.ts";
import { registerWebhook, renewSecret } from "../../webhooks/register-webhook.ts";
import { replayMissed, replayWebhook } from "../../webhooks/replay-webhooks.ts";
import { accountFor, decidedBy, filterFor } from "../own.ts";
import { pageOf } from "../pages.ts";
import { Problem } from "../problems.ts";
import { route, type ApiDesk, type Route } from "../route.ts";
import { EpochMs } from "../schemas.ts";

const TAG = "Webhooks";
const MOST_REPLAYED = 100;
const anEndpoint = z.object({ id: z.string().max(120) });
const Secret = z.string().meta({ description: "Shown now and never again; the receiver verifies with it" });

const WebhookView = z
  .object({
    id: z.string(),
    account: z.string().nullable().meta({ description: "Null hears of every account and of the fleet" }),
    url: z.string(),
    events: z.array(z.enum(WEBHOOK_TYPES)),
    status: z.enum(["enabled", "disabled"]),
    because: z.string().nullable().meta({ description: "Why it is disabled" }),
    failingSince: EpochMs.nullable(),
    createdBy: z.string(),
    createdAt: EpochMs,
  })
  .meta({ id: "WebhookView" });

const WebhookDeliveryView = z
  .object({
    id: z.string(),
    message: z.string().meta({ description: "The webhook-id, the same however often it is sent" }),
    type: z.enum(WEBHOOK_TYPES),
    status: z.enum(DELIVERY_STATUSES),
    attempts: z.int(),
    answers: z.array(z.object({ at: EpochMs, answer: z.string() })),
    nextAt: EpochMs.nullable(),
    createdAt: EpochMs,
  })
  .meta({ id: "WebhookDeliveryView" });

const create = route({
  method: "post",
  path: "/v1/webhooks",
  summary: "Be told what happens from now on",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  body: {
    schema: z.strictObject({
      url: z.string().max(2_048),
      account: z.string().max(100).optional(),
      events: z.array(z.string().max(100)).max(WEBHOOK_TYPES.length).optional(),
    }),
    example: { url: "https://hooks.example.com/fleet", events: ["report.completed", "report.needs_review"] },
  },
  answer: { status: 201, schema: WebhookView.extend({ secret: Secret }), what: "The endpoint" },
  async handle({ caller, body }, desk) {
    const account = filterFor(caller, body.account) ?? null;
    const made = await registerWebhook(
      desk.store,
      { account, url: body.url, events: body.events, by: decidedBy(caller, undefined) },
      desk.allowPrivateWebhooks === true,
    );
    const view = viewOf(await ownWebhook(desk.store, caller, made.id));
    return {
      status: 201,
      headers: { Location: `/v1/webhooks/${made.id}` },
      body: { ...view, secret: made.secret },
    };
  },
});

const list = route({
  method: "get",
  path: "/v1/webhooks",
  summary: "List the endpoints, the oldest first",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  query: z.strictObject({ account: z.string().max(100).optional() }),
  answer: { status: 200, schema: pageOf(WebhookView), what: "All of the account, or of the fleet" },
  async handle({ caller, query }, desk) {
    const endpoints = await listWebhooks(desk.store, filterFor(caller, query.account));
    return { status: 200, body: { data: endpoints.map(viewOf), next_cursor: null } };
  },
});

const get = route({
  method: "get",
  path: "/v1/webhooks/{id}",
  summary: "One endpoint, and whether it is told anything",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  params: anEndpoint,
  answer: { status: 200, schema: WebhookView, what: "The endpoint without its secret" },
  handle: async ({ caller, params }, desk) => ({
    status: 200,
    body: viewOf(await ownWebhook(desk.store, caller, params.id)),
  }),
});

const remove = route({
  method: "delete",
  path: "/v1/webhooks/{id}",
  summary: "Remove an endpoint with everything that was to be sent there",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  params: anEndpoint,
  answer: { status: 204, what: "It is removed" },
  async handle({ caller, params }, desk) {
    const { id } = await ownWebhook(desk.store, caller, params.id);
    await removeWebhook(desk.store, id, decidedBy(caller, undefined));
    return { status: 204 };
  },
});

const rotate = route({
  method: "post",
  path: "/v1/webhooks/{id}/rotate-secret",
  summary: "Make a new secret; for a day the old one signs beside it",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  params: anEndpoint,
  answer: { status: 201, schema: z.object({ id: z.string(), secret: Secret }), what: "The new secret" },
  async handle({ caller, params }, desk) {
    const { id } = await ownWebhook(desk.store, caller, params.id);
    return renewed(desk, caller, id);
  },
});

const callbackSecret = route({
  method: "post",
  path: "/v1/accounts/{account}/callback-secret",
  summary: "Make a new secret for the callbacks of an account's orders",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  params: z.object({ account: z.string().max(100) }),
  answer: { status: 201, schema: z.object({ id: z.string(), secret: Secret }), what: "The new secret" },
  async handle({ caller, params }, desk) {
    const id = callbackEndpointId(accountFor(caller, params.account));
    return renewed(desk, caller, id);
  },
});

const enable = route({
  method: "post",
  path: "/v1/webhooks/{id}/enable",
  summary: "Tell an endpoint again that was disabled because it failed",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  params: anEndpoint,
  answer: { status: 200, schema: WebhookView, what: "It is enabled" },
  async handle({ caller, params }, desk) {
    const { id } = await ownWebhook(desk.store, caller, params.id);
    await enableWebhook(desk.store, id, decidedBy(caller, undefined));
    return { status: 200, body: viewOf(await ownWebhook(desk.store, caller, id)) };
  },
});

const deliveries = route({
  method: "get",
  path: "/v1/webhooks/{id}/deliveries",
  summary: "What an endpoint was sent, and what it answered",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  params: anEndpoint,
  query: z.strictObject({ limit: z.coerce.number().pipe(z.int().min(1).max(500)).default(50) }),
  answer: {
    status: 200,
    schema: pageOf(WebhookDeliveryView),
    what: "What is still on its way first; each the newest first",
  },
  async handle({ caller, params, query }, desk) {
    const { id } = await ownWebhook(desk.store, caller, params.id);
    const rows = await listDeliveries(desk.store, id, query.limit);
    const data = rows.map(
      ({ id: delivery, message, type, status, attempts, answers, nextAt, createdAt }) => ({
        id: delivery,
        message,
        type,
        status,
        attempts,
        answers: [...answers],
        nextAt,
        createdAt,
      }),
    );
    return { status: 200, body: { data, next_cursor: null } };
  },
});

const replay = route({
  method: "post",
  path: "/v1/webhooks/{id}/replay",
  summary: "Send deliveries again under their message id: those named, or all that the endpoint never took",
  tag: TAG,
  scope: "webhooks",
  reach: "account",
  params: anEndpoint,
  body: {
    schema: z.strictObject({ deliveries: z.array(z.string().max(200)).min(1).max(MOST_REPLAYED).optional() }),
    example: {},
  },
  answer: { status: 200, schema: z.object({ replayed: z.array(z.string()) }), what: "What is sent again" },
  async handle({ caller, params, body }, desk) {
    const { id } = await ownWebhook(desk.store, caller, params.id);
    if (body.deliveries === undefined)
      return { status: 200, body: { replayed: await replayMissed(desk.store, id) } };
    for (const delivery of body.deliveries)
      if ((await readDelivery(desk.store, delivery))?.endpoint !== id)
        throw new Problem("not_found", "This endpoint has no such delivery.");
    const replayed: string[] = [];
    for (const delivery of body.deliveries)
      if ((await replayWebhook(desk.store, delivery)) === "replayed") replayed.push(delivery);
    return { status: 200, body: { replayed } };
  },
});

async function renewed({ store, durations }: ApiDesk, caller: ApiKey, id: string) {
  const secret = await renewSecret(store, id, durations.webhookRotateMs, decidedBy(caller, undefined));
  return { status: 201, body: { id, secret } } as const;
}

async function ownWebhook(store: Store, caller: ApiKey, id: string): Promise<WebhookEndpoint> {
  const endpoint = await readWebhook(store, id);
  if (endpoint === null || (caller.account !== null && caller.account !== endpoint.account))
    throw new Problem("not_found", "There is no such webhook endpoint.");
  return endpoint;
}

/** Field by field: whatever else is ever kept of an endpoint, its secrets above all, does not leave by accident. */
function viewOf({ id, account, url, events, state, createdBy, createdAt }: WebhookEndpoint) {
  return {
    id,
    account,
    url,
    events: [...events],
    createdBy,
    createdAt,
    status: state.status,
    because: state.status === "disabled" ? state.because : null,
    failingSince: state.status === "enabled" ? state.failingSince : null,
  };
}

export const webhookRoutes: readonly Route[] = [
  create,
  list,
  get,
  remove,
  rotate,
  callbackSecret,
  enable,
  deliveries,
  replay,
];
