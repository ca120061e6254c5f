/** API keys: made once, shown once, refused everywhere at the next request after they are revoked. */
import { z } from "zod";
import { isKeyId, SCOPES } from "../../domain/api-key.ts";
import { createApiKey, listApiKeys, revokeApiKey } from "../../store/api-keys.ts";
import { checkNewKey } from "../../desk/check-new-key.ts";
import { decidedBy } from "../own.ts";
import { pageOf } from "../pages.ts";
import { Problem } from "../problems.ts";
import { route, type Route } from "../route.ts";
import { anId, EpochMs, KeyView } from "../schemas.ts";

const TAG = "API keys";
const MOST_KEYS = 1_000;

const create = route({
  method: "post",
  path: "/v1/keys",
  summary: "Create an API key",
  tag: TAG,
  scope: "admin",
  reach: "fleet",
  body: {
    schema: z.strictObject({
      name: z.string().trim().min(1).max(100),
      account: z.string().max(100).nullable().default(null),
      scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
      expiresAt: EpochMs.nullable().default(null),
    }),
    example: { name: "web shop", account: "acme", scopes: ["reports:read", "reports:write"] },
  },
  answer: {
    status: 201,
    schema: KeyView.extend({
      key: z.string().meta({ description: "The key itself, shown now and never again" }),
    }),
    what: "The key",
  },
  async handle({ caller, body }, desk) {
    checkNewKey(body);
    const { key, text } = await createApiKey(desk.store, { ...body, by: decidedBy(caller, undefined) });
    return { status: 201, headers: { Location: `/v1/keys/${key.id}` }, body: { ...key, key: text } };
  },
});

const list = route({
  method: "get",
  path: "/v1/keys",
  summary: "List the API keys, revoked ones too, the newest first",
  tag: TAG,
  scope: "admin",
  reach: "fleet",
  answer: { status: 200, schema: pageOf(KeyView), what: "All but the keys themselves" },
  handle: async (_asked, desk) => ({
    status: 200,
    body: { data: await listApiKeys(desk.store, MOST_KEYS), next_cursor: null },
  }),
});

const revoke = route({
  method: "delete",
  path: "/v1/keys/{id}",
  summary: "Revoke an API key",
  tag: TAG,
  scope: "admin",
  reach: "fleet",
  params: anId,
  answer: { status: 204, what: "It is revoked, or was before" },
  async handle({ caller, params }, desk) {
    const outcome = isKeyId(params.id)
      ? await revokeApiKey(desk.store, params.id, decidedBy(caller, undefined))
      : "unknown";
    if (outcome === "unknown") throw new Problem("not_found", "There is no such key.");
    return { status: 204 };
  },
});

export const keyRoutes: readonly Route[] = [create, list, revoke];
