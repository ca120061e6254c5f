/** The same trouble many times over, decided once: a canary first, staggered, under a cap, stoppable. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { DEFAULT_PROMPT, PROMPTS } from "../../domain/review.ts";
import { decideGroup, requireOperation, stopOperation } from "../../desk/group-operation.ts";
import { previewGroup } from "../../desk/preview-group.ts";
import { listGroups, readGroup } from "../../store/case-groups.ts";
import { GROUP_ACTIONS } from "../../store/operations.ts";
import { decidedBy } from "../own.ts";
import { offsetPage, pageOf, pageQuery, placeIn } from "../pages.ts";
import { Problem } from "../problems.ts";
import { route, type Route } from "../route.ts";
import { anId, decision, GroupPreview, GroupView, OperationView } from "../schemas.ts";

const TAG = "Reviews";
const aGroup = z.object({ group: z.string().max(300) });

const list = route({
  method: "get",
  path: "/v1/groups",
  summary: "List groups of equal failures with the money at stake",
  tag: TAG,
  scope: "reviews",
  reach: "fleet",
  query: z.strictObject(pageQuery),
  answer: { status: 200, schema: pageOf(GroupView), what: "A page of groups, those seen last first" },
  async handle({ query }, desk) {
    const offset = Number(placeIn(query.cursor, /^\d{1,9}$/) ?? 0);
    const groups = await listGroups(desk.store, { limit: query.limit + 1, offset });
    return { status: 200, body: offsetPage(groups, query.limit, offset) };
  },
});

const get = route({
  method: "get",
  path: "/v1/groups/{group}",
  summary: "One group",
  tag: TAG,
  scope: "reviews",
  reach: "fleet",
  params: aGroup,
  answer: { status: 200, schema: GroupView, what: "The group" },
  async handle({ params }, desk) {
    const group = await readGroup(desk.store, params.group);
    if (group === null) throw new Problem("not_found", "There is no such group.");
    return { status: 200, body: group };
  },
});

const decide = route({
  method: "post",
  path: "/v1/groups/{group}/decisions",
  summary: "Decide every open case of a group; the orchestrator carries it out",
  tag: TAG,
  scope: "reviews",
  reach: "fleet",
  params: aGroup,
  idempotent: true,
  body: {
    schema: z.strictObject({
      ...decision,
      action: z.enum(GROUP_ACTIONS),
      prompt: z.enum(PROMPTS).default(DEFAULT_PROMPT),
      canary: z.int().min(0).max(100).default(1),
      perSweep: z.int().min(1).max(1_000).default(10),
      maxMicros: z.int().min(0).nullable().default(null),
    }),
    example: { action: "revalidate", why: "the parser is mended", canary: 1 },
  },
  answer: { status: 202, schema: OperationView, what: "The operation, which goes on by itself" },
  async handle({ caller, params: { group }, body, idempotencyKey }, desk) {
    const { by, ...order } = body;
    const operation = await decideGroup(desk, {
      ...order,
      id: operationIdOf(group, idempotencyKey ?? ""),
      group,
      by: decidedBy(caller, by),
    });
    return { status: 202, headers: { Location: `/v1/operations/${operation.id}` }, body: operation };
  },
  dryRun: {
    schema: GroupPreview,
    show: ({ params, body }, desk) => previewGroup(desk, { ...body, group: params.group }),
  },
});

const operation = route({
  method: "get",
  path: "/v1/operations/{id}",
  summary: "How far a group's decision is",
  tag: TAG,
  scope: "reviews",
  reach: "fleet",
  params: anId,
  answer: { status: 200, schema: OperationView, what: "The operation" },
  handle: async ({ params }, desk) => ({ status: 200, body: await requireOperation(desk, params.id) }),
});

const stop = route({
  method: "post",
  path: "/v1/operations/{id}/stop",
  summary: "Decide no further case of a group",
  tag: TAG,
  scope: "reviews",
  reach: "fleet",
  params: anId,
  body: {
    schema: z.strictObject({ by: decision.by, why: z.string().trim().max(500).default("") }),
    example: { why: "it costs more than it brings" },
  },
  answer: { status: 200, schema: OperationView, what: "It is stopped; what was decided stays decided" },
  handle: async ({ caller, params, body }, desk) => ({
    status: 200,
    body: await stopOperation(desk, params.id, { by: decidedBy(caller, body.by), why: body.why }),
  }),
});

/** Of the key, so that a process that dies before it has answered leaves no second operation to a repeat. */
function operationIdOf(group: string, idempotencyKey: string): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([group, idempotencyKey]))
    .digest("hex");
  return `op-${hash.slice(0, 32)}`;
}

export const groupRoutes: readonly Route[] = [list, get, decide, operation, stop];
