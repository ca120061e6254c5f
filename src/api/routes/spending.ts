/** What the providers billed, the ways to them, and the switch that stops it all. */
import { z } from "zod";
import { SPEND_DIMENSIONS, sumSpend } from "../../producer/sum-spend.ts";
import { dayName, dayNumber, readSpend } from "../../store/books.ts";
import { redisNow } from "../../store/redis.ts";
import { closeRouteBy, listRoutes, openRoute } from "../../store/routes.ts";
import { readSpendingStop, startSpending, stopSpending } from "../../store/spending.ts";
import { decidedBy } from "../own.ts";
import { pageOf } from "../pages.ts";
import { Problem } from "../problems.ts";
import { route, type Route } from "../route.ts";
import { Decision, decision, EpochMs, Micros, RouteView } from "../schemas.ts";

const TAG = "Operating";
const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const MOST_DAYS = 400;
const day = z.iso.date();
const aRoute = z.object({ route: z.string().max(500) });
const Spending = z.object({
  stopped: z.object({ reason: z.string(), by: z.string(), at: EpochMs }).nullable(),
});
const Sum = z.object({
  key: z.string(),
  calls: z.int(),
  micros: Micros,
  wastedMicros: Micros,
  unknownMicros: Micros,
});

const spend = route({
  method: "get",
  path: "/v1/spend",
  summary: "What was spent, and what for",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  query: z.strictObject({
    by: z.enum(SPEND_DIMENSIONS).default("outcome"),
    from: day.optional(),
    to: day.optional(),
  }),
  answer: {
    status: 200,
    schema: pageOf(Sum),
    what: "One row for each; a request belongs to the UTC day it left on",
  },
  async handle({ query }, desk) {
    const today = Math.floor((await redisNow(desk.store)) / DAY_MS);
    const last = query.to === undefined ? today : dayNumber(query.to);
    const first = query.from === undefined ? last - DEFAULT_DAYS + 1 : dayNumber(query.from);
    if (first > last || last - first >= MOST_DAYS)
      throw new Problem(
        "invalid_input",
        `From must not be after to, and at most ${MOST_DAYS} days are summed.`,
        {
          fields: [{ path: "from", message: "is out of range" }],
        },
      );
    const data = sumSpend(query.by, await readSpend(desk.store, dayName(first), dayName(last)));
    return { status: 200, body: { data, next_cursor: null } };
  },
});

const state = route({
  method: "get",
  path: "/v1/spending",
  summary: "Whether spending is stopped",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  answer: { status: 200, schema: Spending, what: "Null while calls may begin" },
  handle: async (_asked, desk) => ({ status: 200, body: { stopped: await readSpendingStop(desk.store) } }),
});

const stop = route({
  method: "post",
  path: "/v1/spending/stop",
  summary: "Let no call begin anywhere; reports wait and nothing is lost",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  body: { schema: Decision, example: { why: "the bill looks wrong" } },
  answer: { status: 200, schema: Spending, what: "It is stopped" },
  async handle({ caller, body }, desk) {
    await stopSpending(desk.store, body.why, decidedBy(caller, body.by));
    return { status: 200, body: { stopped: await readSpendingStop(desk.store) } };
  },
});

const start = route({
  method: "post",
  path: "/v1/spending/start",
  summary: "Let calls begin again",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  body: { schema: z.strictObject({ by: decision.by }), example: {} },
  answer: { status: 200, schema: Spending, what: "Waiting reports go on within seconds" },
  async handle({ caller, body }, desk) {
    await startSpending(desk.store, decidedBy(caller, body.by));
    return { status: 200, body: { stopped: await readSpendingStop(desk.store) } };
  },
});

const routes = route({
  method: "get",
  path: "/v1/routes",
  summary: "List the routes to providers, and whether calls may go over each",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  answer: { status: 200, schema: pageOf(RouteView), what: "All that a call ever went over" },
  handle: async (_asked, desk) => ({
    status: 200,
    body: { data: await listRoutes(desk.store), next_cursor: null },
  }),
});

const open = route({
  method: "post",
  path: "/v1/routes/{route}/open",
  summary: "Let calls over a closed route again",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  params: aRoute,
  body: { schema: z.strictObject({ by: decision.by }), example: {} },
  answer: { status: 200, schema: z.object({ route: z.string(), state: z.string() }), what: "It is open" },
  async handle({ caller, params, body }, desk) {
    const opened = await openRoute(desk.store, params.route, decidedBy(caller, body.by));
    if (opened === "unknown") throw new Problem("not_found", "No call ever went over such a route.");
    return { status: 200, body: { route: params.route, state: "open" } };
  },
});

const close = route({
  method: "post",
  path: "/v1/routes/{route}/close",
  summary: "Let no call begin over a route until a person opens it",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  params: aRoute,
  body: { schema: Decision, example: { why: "the key is being replaced" } },
  answer: { status: 200, schema: z.object({ route: z.string(), state: z.string() }), what: "It is closed" },
  async handle({ caller, params, body }, desk) {
    const closed = await closeRouteBy(desk.store, params.route, {
      by: decidedBy(caller, body.by),
      why: body.why,
    });
    if (closed === "unknown") throw new Problem("not_found", "No call ever went over such a route.");
    return { status: 200, body: { route: params.route, state: "closed" } };
  },
});

export const spendingRoutes: readonly Route[] = [spend, state, stop, start, routes, open, close];
