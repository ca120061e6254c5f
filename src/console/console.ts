/**
 * The operator's pages, put together: assets, the door, then every page and action behind it. One place decides what stands
 * before an action (a page of ours asks, the session's token, the role) and what an error looks like.
 */
import express, { type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { contentSecurityPolicy, referrerPolicy } from "helmet";
import type { z } from "zod";
import type { Pages } from "../api/app.ts";
import { Problem, problemOf, PROBLEMS, type ProblemCode } from "../api/problems.ts";
import { holdsRole, personInAudit, type PersonRole } from "../domain/person.ts";
import { sayInSession } from "../store/console-sessions.ts";
import { redisNow } from "../store/redis.ts";
import { readSpendingStop } from "../store/spending.ts";
import { readAssets } from "./assets.ts";
import { isSignedIn, mustHold, openDoor, ownWish, sessionOf } from "./door.ts";
import { html, type Html } from "./html.ts";
import { bareIn, pageIn } from "./layout.ts";
import { Live } from "./live.ts";
import type { Action, ConsoleDesk, Done, Page, Shown, ShownPage, Visit } from "./page.ts";
import { PAGES } from "./pages.ts";
import { QUEUES_PATH, queuesRouter } from "./plumbing.ts";
import { fieldsOf, formBody, fromOurPage, wanted } from "./request.ts";
import type { Users } from "./users.ts";

export interface ConsoleSettings {
  desk: ConsoleDesk;
  users: Users;
  /** Reached over https, whoever ends the TLS; the cookie is then for https only. */
  secure: boolean;
  onError: (error: unknown, requestId: string) => void;
}

const NOTHING_BUT_OURS = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", "data:"],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};
const FORM_BYTES = 64 * 1_024;

export function createConsole(settings: ConsoleSettings): Pages {
  const { desk, users, secure } = settings;
  const { store, durations } = desk;
  const assets = readAssets();
  const live = new Live({ redisUrl: desk.redisUrl, fleet: store.fleet });
  const door = openDoor({
    store,
    users,
    durations,
    secure,
    pollingPath: `${QUEUES_PATH}/api/`,
    show: sendBare,
  });
  const router = express.Router({ caseSensitive: true });

  router.use(assets.serve);
  router.use(policy(NOTHING_BUT_OURS));
  // Without a referrer at all a browser would not say either which page a form was sent from.
  router.use(referrerPolicy({ policy: "same-origin" }));

  router.use(door.outside);
  router.use(door.requireSession);
  router.get("/events", (_request: Request, response: Response) => {
    if (live.isFull()) throw new Problem("too_many_streams", "Too many pages listen to this process.");
    live.add(response);
  });
  router.post("/logout", fromOurPage, formBody(FORM_BYTES), ownWish, door.signOut);
  for (const one of PAGES) {
    if (one.kind === "page") router.get(one.path, mustHold(one.role), show(one));
    else
      router.post(
        one.path,
        fromOurPage,
        formBody(one.maxBytes ?? FORM_BYTES),
        ownWish,
        mustHold(one.role),
        act(one),
      );
  }
  router.use(() => {
    throw new Problem("not_found", "There is no page at this address.");
  });
  const queues = queuesRouter(desk, door.requireSession, (request) => sessionOf(request).session);
  // Four parameters are how express knows an error handler.
  for (const each of [router, queues])
    each.use(async (error: unknown, request: Request, response: Response, _next: NextFunction) => {
      await refuse(error, request, response);
    });
  return {
    mounts: [
      ["/console", router],
      [QUEUES_PATH, queues],
    ],
    close: () => live.close(),
  };

  function visitOf(request: Request, params: unknown, query: unknown): Visit {
    const { session } = sessionOf(request);
    return {
      params,
      query,
      desk,
      person: session,
      by: personInAudit(session),
      may: (least: PersonRole) => holdsRole(session, least),
      csrf: session.csrf,
      here: request.originalUrl,
    };
  }

  function show(one: Page): RequestHandler {
    return async (request: Request, response: Response) => {
      const visit = visitOf(request, read(one.params, request.params), read(one.query, request.query));
      await send(request, response, visit, await one.show(visit));
    };
  }

  function act(one: Action): RequestHandler {
    return async (request: Request, response: Response) => {
      const visit = visitOf(request, read(one.params, request.params), {});
      const done: Done = await one.act(visit, read(one.form, request.body));
      if ("shown" in done) {
        await send(request, response, visit, done.shown);
        return;
      }
      if (done.said !== undefined) await sayInSession(store, sessionOf(request).cookie, done.said);
      response.redirect(303, done.to ?? wanted(fieldsOf(request)["back"]));
    };
  }

  async function send(request: Request, response: Response, visit: Visit, shown: Shown): Promise<void> {
    if ("to" in shown) {
      response.redirect(303, shown.to);
      return;
    }
    if ("text" in shown) {
      if (shown.policy !== undefined) policy(shown.policy)(request, response, () => undefined);
      // A sandboxed document has no origin to be keyed by, and the browser would complain.
      response.removeHeader("Origin-Agent-Cluster");
      if (shown.fileName !== undefined) response.attachment(shown.fileName);
      response.setHeader("Content-Type", shown.contentType);
      response.end(shown.text);
      return;
    }
    if (shown.frames === true)
      policy({ ...NOTHING_BUT_OURS, frameSrc: ["'self'"] })(request, response, () => undefined);
    await sendPage(request, response, visit, shown.status ?? 200, shown);
  }

  async function sendPage(
    request: Request,
    response: Response,
    visit: Visit,
    status: number,
    shown: ShownPage,
  ): Promise<void> {
    const [stop, waiting, now] = await Promise.all([
      readSpendingStop(store),
      store.redis.zcard(store.keys.cases),
      redisNow(store),
    ]);
    const { said } = sessionOf(request).session;
    const around = { visit, assets: assets.names, fleet: store.fleet, stop, waiting, now, said };
    const text = await pageIn(around, shown);
    response.status(status).type("html").send(text.toString());
  }

  async function sendBare(
    response: Response,
    status: number,
    title: string,
    body: Html,
    refreshTo: string | null = null,
  ): Promise<void> {
    const text = await bareIn(assets.names, title, body, refreshTo);
    response.status(status).type("html").send(text.toString());
  }

  async function refuse(error: unknown, request: Request, response: Response): Promise<void> {
    const problem = problemOf(error);
    const { status } = PROBLEMS[problem.code];
    const title = TITLES[problem.code] ?? PROBLEMS[problem.code].title;
    const requestId = response.get("X-Request-Id") ?? "";
    if (status >= 500) settings.onError(problem.cause ?? problem, requestId);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const body = html`<h1>${title}</h1>
      <p class="banner bad" role="alert">${problem.message}</p>
      <p><a href="${backOf(request)}">Back</a></p>
      <p class="muted">Request ${requestId}</p>`;
    if (isSignedIn(request) && problem.code !== "redis_unavailable")
      await sendPage(request, response, visitOf(request, {}, {}), status, { title, body });
    else await sendBare(response, status, title, body);
  }
}

/** Where the API speaks of keys, a page speaks to a person. */
const TITLES: Partial<Record<ProblemCode, string>> = {
  unauthorized: "You are signed out",
  forbidden: "This is not possible for you",
};

function policy(directives: Record<string, string[]>): RequestHandler {
  return contentSecurityPolicy({ useDefaults: false, directives });
}

function read(schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const list = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
  throw new Problem("invalid_input", list);
}

function backOf(request: Request): string {
  return wanted(request.method === "GET" ? "/console" : fieldsOf(request)["back"]);
}
