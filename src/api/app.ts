/**
 * The HTTP API, put together. The order of the layers is the design: what needs no key, then authentication, then
 * routes, then the refusals. So an unknown path without a key is 401 like any other.
 */
import { createHash, randomUUID } from "node:crypto";
import express, { type Express, type NextFunction, type Request, type Response, type Router } from "express";
import helmet from "helmet";
import { holdsScope } from "../domain/api-key.ts";
import type { MeasuredRequest } from "../observability/process-metrics.ts";
import { fieldProblems } from "../report-types/field-problems.ts";
import { authenticate, callerOf } from "./authenticate.ts";
import { serveHealth, type Health } from "./health.ts";
import { jsonBody, SMALL_BODY_BYTES } from "./json-body.ts";
import { answerOnce, requireIdempotencyKey, type JsonAnswer } from "./keep-answer.ts";
import { openApiDocument } from "./openapi.ts";
import { serveMetrics, type MetricsDoor } from "./serve-metrics.ts";
import { Problem, problemBody, problemOf, PROBLEMS } from "./problems.ts";
import type { Answer, ApiDesk, Asked, EventLine, Route } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { DryRun } from "./schemas.ts";
import { z } from "zod";

/** The operator's pages, and Bull Board: behind a login of their own. */
export interface Pages {
  mounts: readonly (readonly [path: string, router: Router])[];
  /** Ends the streams that its pages listen to. */
  close(): void;
}

export interface ApiSettings {
  desk: ApiDesk;
  health: Health;
  metrics: MetricsDoor;
  /** Hears of every request that is over. */
  onRequest: (request: MeasuredRequest) => void;
  requestsPerMinute: number;
  /** Null where they are not served. */
  pages: Pages | null;
  /** Event streams that are open; whoever closes the server ends them. */
  streams: Set<Response>;
  /** True once this process takes no further request. */
  isDraining: () => boolean;
  /** Hears what should not happen; the request id is in the answer as well. */
  onError: (error: unknown, requestId: string) => void;
}

/** A proxy in front of us may cut what is silent for longer. */
const HEARTBEAT_MS = 15_000;
const MOST_STREAMS = 100;
/** An HTML document brings its own styles and may do nothing else, wherever it is opened. */
const NOTHING_MAY_RUN = {
  defaultSrc: ["'none'"],
  styleSrc: ["'unsafe-inline'"],
  imgSrc: ["data:"],
  frameAncestors: ["'none'"],
  formAction: ["'none'"],
  baseUri: ["'none'"],
  sandbox: [],
};

export function createApi(settings: ApiSettings): Express {
  const { desk } = settings;
  const app = express();
  app.disable("x-powered-by");
  // Our own tags: express would hash every body again, and weakly.
  app.disable("etag");
  app.set("query parser", "simple");
  app.use(helmet({ contentSecurityPolicy: { useDefaults: false, directives: NOTHING_MAY_RUN } }));
  app.use((_request: Request, response: Response, next: NextFunction) => {
    response.setHeader("X-Request-Id", randomUUID());
    response.setHeader("Cache-Control", "no-store");
    next();
  });

  app.use(measure(settings.onRequest));
  serveHealth(app, desk.store, settings.health);
  serveMetrics(app, settings.metrics);
  const document = openApiDocument(ROUTES);
  app.get("/openapi.json", (_request, response) => void response.json(document));
  app.get("/problems/:code", (request, response) => {
    const known = Object.entries(PROBLEMS).find(([code]) => code === request.params.code);
    if (known === undefined) throw new Problem("not_found", "There is no problem of this name.");
    response.json({ code: known[0], ...known[1], documentation: `docs/problems.md#${known[0]}` });
  });

  app.use((_request: Request, response: Response, next: NextFunction) => {
    if (!settings.isDraining()) {
      next();
      return;
    }
    response.setHeader("Connection", "close");
    throw new Problem("draining", "This process is about to end; another one answers.", {
      retryAfterMs: 1_000,
    });
  });
  if (settings.pages !== null) for (const [path, router] of settings.pages.mounts) app.use(path, router);
  app.use(authenticate(desk.store, settings.requestsPerMinute));
  for (const route of ROUTES) {
    const path = route.path.replaceAll(/\{(\w+)\}/g, ":$1");
    const bodies = route.body === undefined ? [] : jsonBody(route.body.maxBytes ?? SMALL_BODY_BYTES);
    app[route.method](
      path,
      named(route),
      allow(route),
      ...bodies,
      async (request: Request, response: Response) => {
        await answer(route, request, response, settings);
      },
    );
  }
  refuseOtherMethods(app);
  app.use(() => {
    throw new Problem("not_found", "There is nothing at this address.");
  });
  // Four parameters are how express knows an error handler.
  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    refuse(error, response, settings);
  });
  return app;
}

/** Routes are told apart by the path they were declared with: what was asked for has ids in it, and no end. */
function named({ path }: Route) {
  return (_request: Request, response: Response, next: NextFunction) => {
    response.locals["route"] = path;
    next();
  };
}

/** Event streams last as long as somebody reads, which says nothing of ours. */
function measure(onRequest: ApiSettings["onRequest"]) {
  return (request: Request, response: Response, next: NextFunction) => {
    const startedAt = performance.now();
    response.once("close", () => {
      if (response.get("Content-Type")?.startsWith("text/event-stream") === true) return;
      const route = response.locals["route"] as string | undefined;
      onRequest({
        route: route ?? "other",
        method: request.method,
        status: response.statusCode,
        seconds: (performance.now() - startedAt) / 1_000,
      });
    });
    next();
  };
}

/** Said before the body is read: whoever may not do it need not send it. */
function allow(route: Route) {
  return (request: Request, _response: Response, next: NextFunction) => {
    const caller = callerOf(request);
    if (!holdsScope(caller, route.scope))
      throw new Problem("forbidden", `This key does not hold the scope ${route.scope}.`);
    if (route.reach === "fleet" && caller.account !== null)
      throw new Problem("forbidden", "This concerns the whole fleet, and this key belongs to one account.");
    next();
  };
}

async function answer(
  route: Route,
  request: Request,
  response: Response,
  { desk, streams }: ApiSettings,
): Promise<void> {
  const caller = callerOf(request);
  const header = (name: string) => request.get(name) ?? null;
  const { dry, query, body } = dryRunIn(route, request);
  const asked: Asked<unknown, unknown, unknown> = {
    caller,
    params: checked(route.params, request.params),
    query: checked(route.query, query),
    body: checked(route.body?.schema, body),
    ifMatch: header("If-Match"),
    idempotencyKey: header("Idempotency-Key"),
    lastEventId: header("Last-Event-ID"),
  };
  if (dry && route.dryRun !== undefined) {
    send(response, { status: 200, headers: {}, body: await route.dryRun.show(asked, desk) });
    return;
  }
  if (route.ifMatch === true && asked.ifMatch === null)
    throw new Problem(
      "precondition_required",
      "Send the ETag of what you have looked at as If-Match, so that you decide about that and nothing newer.",
    );
  if (route.idempotent === true) {
    const key = requireIdempotencyKey(asked.idempotencyKey);
    const scope = { account: caller.account ?? "", route: `${route.method} ${request.path}`, key };
    send(
      response,
      await answerOnce(desk.store, scope, [asked.params, asked.query, request.body], async () =>
        jsonOf(await route.handle(asked, desk)),
      ),
    );
    return;
  }
  const answered: Answer<unknown> = await route.handle(asked, desk);
  if ("stream" in answered) {
    stream(response, answered.stream, streams);
    return;
  }
  if ("text" in answered) {
    response.status(answered.status).set(answered.headers ?? {});
    response.setHeader("Content-Type", answered.contentType);
    sendTagged(request, response, answered.text);
    return;
  }
  if (answered.status === 204) {
    response.status(204).end();
    return;
  }
  if (request.method === "GET" || request.method === "HEAD") {
    response.status(answered.status).set(answered.headers ?? {});
    response.setHeader("Content-Type", "application/json; charset=utf-8");
    sendTagged(request, response, JSON.stringify(answered.body));
    return;
  }
  send(response, jsonOf(answered));
}

/** Where a route has a dry run, its parameter is ours: the route's own schemas never see it. */
function dryRunIn(route: Route, request: Request): { dry: boolean; query: unknown; body: unknown } {
  const body: unknown = request.body;
  if (route.dryRun === undefined) return { dry: false, query: request.query, body };
  const { dry_run, ...query } = request.query;
  const dry = checked(z.object({ dry_run: DryRun }), { dry_run }).dry_run === "true";
  // Nothing is decided, so nobody has to say why, or to send anything where that was all.
  const said = body ?? {};
  const unreasoned = typeof said === "object" && !Array.isArray(said);
  return { dry, query, body: dry && unreasoned ? { why: "a dry run", ...said } : body };
}

function checked<T extends z.ZodType>(schema: T | undefined, value: unknown): z.output<T> {
  if (schema === undefined) return undefined as z.output<T>;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = fieldProblems(parsed.error, value);
  const list = fields.map(({ path, message }) => `${path}: ${message}`).join("; ");
  throw new Problem("invalid_input", list, { fields });
}

function jsonOf(answered: Answer<unknown>): JsonAnswer {
  if (!("body" in answered)) throw new Error("A route that is answered once must answer with JSON.");
  return { status: answered.status, headers: answered.headers ?? {}, body: answered.body };
}

function send(response: Response, { status, headers, body }: JsonAnswer): void {
  response.status(status).set(headers).json(body);
}

/** A reader that polls is told in a few bytes that nothing has changed. */
function sendTagged(request: Request, response: Response, text: string): void {
  if (response.get("ETag") === undefined) {
    const hash = createHash("sha256").update(text).digest("base64url").slice(0, 27);
    response.setHeader("ETag", `"${hash}"`);
  }
  response.setHeader("Cache-Control", "private, no-cache");
  const known = (request.get("If-None-Match") ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  if (known.includes(response.get("ETag") ?? "") || known.includes("*")) {
    response.status(304).end();
    return;
  }
  response.end(text);
}

/** Server-sent events: the handler writes lines, this keeps the line alive and ends it once. */
function stream(response: Response, start: (line: EventLine) => void, streams: Set<Response>): void {
  if (streams.size >= MOST_STREAMS)
    throw new Problem(
      "too_many_streams",
      `This process serves at most ${MOST_STREAMS} streams; poll instead.`,
      {
        retryAfterMs: 10_000,
      },
    );
  streams.add(response);
  response.writeHead(200, {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
  });
  response.write("retry: 3000\n\n");
  const heartbeat = setInterval(() => response.write(": hb\n\n"), HEARTBEAT_MS);
  response.once("close", () => {
    clearInterval(heartbeat);
    streams.delete(response);
  });
  start({
    send: (text) => void response.write(text),
    end: () => void response.end(),
    onClose: (listener) => void response.once("close", listener),
  });
}

function refuseOtherMethods(app: Express): void {
  const methods = new Map<string, string[]>();
  for (const { path, method } of ROUTES) {
    const known = methods.get(path) ?? [];
    methods.set(path, [...known, method.toUpperCase()]);
  }
  for (const [path, allowed] of methods) {
    app.all(path.replaceAll(/\{(\w+)\}/g, ":$1"), (_request: Request, response: Response) => {
      response.setHeader("Allow", allowed.join(", "));
      throw new Problem("method_not_allowed", `Here only ${allowed.join(", ")} is possible.`);
    });
  }
}

function refuse(error: unknown, response: Response, { onError }: ApiSettings): void {
  const requestId = response.get("X-Request-Id") ?? randomUUID();
  const problem = problemOf(error);
  const { status } = PROBLEMS[problem.code];
  if (status >= 500) onError(problem.cause ?? problem, requestId);
  // Too late for another status; a cut connection is what is left to say.
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (problem.retryAfterMs !== null)
    response.setHeader("Retry-After", String(Math.ceil(problem.retryAfterMs / 1_000)));
  response
    .status(status)
    .type("application/problem+json")
    .send(JSON.stringify(problemBody(problem, requestId)));
}
