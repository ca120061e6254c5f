/** What is sold, what it would cost, and whether it is stopped. */
import { z } from "zod";
import { FleetError } from "../../domain/fleet-error.ts";
import { estimateReport } from "../../producer/estimate-report.ts";
import { DEFAULT_MAX_SOURCE_BYTES, HARD_MAX_SOURCE_BYTES } from "../../report-types/define-report.ts";
import type { ReportType } from "../../report-types/define-report.ts";
import { checkSource, factsOf } from "../../report-types/source.ts";
import { turnBreaker } from "../../store/breakers.ts";
import { listBreakers, readBreaker, readBreakerHistory } from "../../store/read-breakers.ts";
import type { Store } from "../../store/redis.ts";
import { decidedBy } from "../own.ts";
import { pageOf } from "../pages.ts";
import { Problem } from "../problems.ts";
import { route, type ApiDesk, type Route } from "../route.ts";
import { BreakerView, Decision, decision, Micros, TypeView } from "../schemas.ts";

const TAG = "Report types";
const HISTORY_ROWS = 20;
const aType = z.object({ type: z.string().max(100) });

const list = route({
  method: "get",
  path: "/v1/types",
  summary: "List the report types that can be ordered",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  answer: { status: 200, schema: pageOf(TypeView), what: "All of them" },
  async handle(_asked, desk) {
    const data = await Promise.all(desk.types.all().map((type) => viewOf(desk, type)));
    return { status: 200, body: { data, next_cursor: null } };
  },
});

const get = route({
  method: "get",
  path: "/v1/types/{type}",
  summary: "One report type with the schema of its source",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  params: aType,
  answer: {
    status: 200,
    schema: TypeView.extend({ sourceSchema: z.unknown().meta({ description: "JSON Schema of the source" }) }),
    what: "The type",
  },
  async handle({ params }, desk) {
    const type = desk.types.require(params.type);
    const sourceSchema: unknown = z.toJSONSchema(type.source, { io: "input", unrepresentable: "any" });
    return { status: 200, body: { ...(await viewOf(desk, type)), sourceSchema } };
  },
});

const estimate = route({
  method: "post",
  path: "/v1/estimates",
  summary: "What a report would cost, before anything is ordered or paid",
  tag: TAG,
  scope: "reports:read",
  reach: "account",
  body: {
    schema: z.strictObject({ type: z.string().max(100), source: z.unknown() }),
    example: { type: "topic-report", source: { topic: "The return of the night train" } },
    maxBytes: HARD_MAX_SOURCE_BYTES + 64 * 1_024,
  },
  answer: {
    status: 200,
    schema: z.object({
      type: z.string(),
      credits: z.int(),
      budgetMicros: Micros,
      sections: z.array(z.object({ key: z.string(), title: z.string(), micros: Micros.nullable() })),
      micros: Micros.nullable().meta({
        description: "At most, without retries; null where no price is known here",
      }),
      complete: z
        .boolean()
        .meta({ description: "False where the plan or a section gives no number beforehand" }),
    }),
    what: "Credits exactly, spend as an upper estimate; no model was asked",
  },
  async handle({ body }, desk) {
    const type = desk.types.require(body.type);
    const checked = checkSource(type, body.source);
    if (!checked.ok) {
      const sentence = checked.fields.map(({ path, message }) => `${path} ${message}`).join("; ");
      throw new FleetError(checked.code, `The source cannot be used: ${sentence}.`, {
        fields: checked.fields,
      });
    }
    const facts = factsOf(type, checked.source, checked.hash);
    const of = {
      type: type.type,
      credits: type.credits,
      budgetMicros: Math.round(type.budget.usd * 1_000_000),
    };
    if (desk.models === null)
      return { status: 200, body: { ...of, sections: [], micros: null, complete: false } };
    const { sections, micros, complete } = estimateReport(
      type,
      { source: checked.source, facts },
      desk.models,
    );
    const rows = sections.map(({ key, title, calls, micros: most }) => ({
      key,
      title,
      micros: calls > 0 ? most : null,
    }));
    return { status: 200, body: { ...of, sections: rows, micros, complete } };
  },
});

const breaker = route({
  method: "get",
  path: "/v1/types/{type}/breaker",
  summary: "Whether a type is stopped: why, by whom, what it cost, who waits",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  params: aType,
  answer: { status: 200, schema: BreakerView, what: "How it stands, and what was before" },
  async handle({ params }, desk) {
    await requireAnnounced(desk.store, params.type);
    const history = await readBreakerHistory(desk.store, params.type, HISTORY_ROWS);
    return { status: 200, body: { ...(await breakerOf(desk.store, params.type)), history } };
  },
});

const disable = route({
  method: "post",
  path: "/v1/types/{type}/disable",
  summary: "Stop a type: no call of it begins anywhere",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  params: aType,
  body: { schema: Decision, example: { why: "its prompt is wrong" } },
  answer: { status: 200, schema: BreakerView, what: "It is stopped until a person enables it" },
  async handle({ caller, params, body }, desk) {
    await requireAnnounced(desk.store, params.type);
    const turn = { by: decidedBy(caller, body.by), reason: body.why };
    await turnBreaker(desk.store, params.type, { to: "open", ...turn });
    return { status: 200, body: await breakerOf(desk.store, params.type) };
  },
});

const enable = route({
  method: "post",
  path: "/v1/types/{type}/enable",
  summary: "Start a stopped type again; reports that waited go on by themselves",
  tag: TAG,
  scope: "operate",
  reach: "fleet",
  params: aType,
  body: {
    schema: z.strictObject({ ...decision, canary: z.boolean().default(false) }),
    example: { why: "the prompt is mended", canary: true },
  },
  answer: { status: 200, schema: BreakerView, what: "It runs, or with `canary` is on trial" },
  async handle({ caller, params, body }, desk) {
    await requireAnnounced(desk.store, params.type);
    const turn = { by: decidedBy(caller, body.by), reason: body.why };
    await turnBreaker(desk.store, params.type, { to: body.canary ? "half_open" : "closed", ...turn });
    return { status: 200, body: await breakerOf(desk.store, params.type) };
  },
});

async function viewOf(desk: ApiDesk, type: ReportType) {
  const { breaker: current } = await readBreaker(desk.store, type.type);
  return {
    type: type.type,
    version: type.version,
    title: type.title,
    credits: type.credits,
    budgetMicros: Math.round(type.budget.usd * 1_000_000),
    maxSourceBytes: type.maxSourceBytes ?? DEFAULT_MAX_SOURCE_BYTES,
    state: current.state,
  };
}

async function breakerOf(store: Store, type: string) {
  const { breaker: current, since, settings, waiting } = await readBreaker(store, type);
  const opening = current.state === "closed" ? null : current.opening;
  return { type, state: current.state, since, version: current.version, waiting, settings, opening };
}

/** A slip of the pen must not stop a type that nobody has, and leave the other one running. */
async function requireAnnounced(store: Store, type: string): Promise<void> {
  if (!(await listBreakers(store)).includes(type))
    throw new Problem("unknown_type", "No process of this fleet has announced such a report type.");
}

export const typeRoutes: readonly Route[] = [list, get, estimate, breaker, disable, enable];
