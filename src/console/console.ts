/**
 * The operator's pages, put together: assets, coming in, then everything else behind a session. One place decides who one
 * is, whether the request is the person's own wish (same origin, and the session's token), and what an error looks like.
 */
import { timingSafeEqual } from "node:crypto";
import express, { type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { contentSecurityPolicy, referrerPolicy } from "helmet";
import type { z } from "zod";
import type { Pages } from "../api/app.ts";
import { Problem, problemOf, PROBLEMS, type ProblemCode } from "../api/problems.ts";
import { holdsRole, personInAudit, type PersonRole } from "../domain/person.ts";
import { recordAudit } from "../store/audit.ts";
import { endSession, sayInSession, visitSession, type Session } from "../store/console-sessions.ts";
import { redisNow } from "../store/redis.ts";
import { readSpendingStop } from "../store/spending.ts";
import { readAssets } from "./assets.ts";
import { CSRF_FIELD } from "./form.ts";
import { html, type Html } from "./html.ts";
import { bareIn, pageIn } from "./layout.ts";
import { Live } from "./live.ts";
import type { Action, ConsoleDesk, Done, Page, Shown, ShownPage, Visit } from "./page.ts";
import { PAGES } from "./pages.ts";
import { QUEUES_PATH, queuesRouter } from "./plumbing.ts";
import { sameOrigin } from "./same-origin.ts";
import { signInByLink, signInByPassword, type SignedIn } from "./sign-in.ts";
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

/** Who the session of a request is; kept beside the request, where nothing sent along can reach it. */
const sessions = new WeakMap<Request, { session: Session; cookie: string }>();

export function createConsole(settings: ConsoleSettings): Pages {
  const { desk, users, secure } = settings;
  const { store, durations } = desk;
  const cookieName = secure ? "__Host-rf-console" : "rf-console";
  const assets = readAssets();
  const live = new Live({ redisUrl: desk.redisUrl, fleet: store.fleet });
  const signInDesk = { store, users, durations };
  const router = express.Router({ caseSensitive: true });

  router.use(assets.serve);
  router.use(policy(NOTHING_BUT_OURS));
  // Without a referrer at all a browser would not say either which page a form was sent from.
  router.use(referrerPolicy({ policy: "same-origin" }));

  router.get("/login", async (request: Request, response: Response) => {
    await sendBare(response, 200, "Sign in", signInForm(wanted(request.query["to"]), null, users.size > 0));
  });
  router.post("/login", fromOurPage, formBody(FORM_BYTES), async (request: Request, response: Response) => {
    const fields = fieldsOf(request);
    const given = { name: fields["name"] ?? "", password: fields["password"] ?? "" };
    const signedIn = await signInByPassword(signInDesk, given, request);
    if (await letIn(request, response, signedIn, wanted(fields["to"]))) return;
    const said =
      signedIn.outcome === "wait" ? waitWords(signedIn.ms) : "This name and password do not belong together.";
    await sendBare(
      response,
      signedIn.outcome === "wait" ? 429 : 401,
      "Sign in",
      signInForm(wanted(fields["to"]), said, true),
    );
  });
  // Opening a link only shows a button: what looks at links ahead of people must not use them up.
  router.get("/link/:text", async (request: Request, response: Response) => {
    await sendBare(response, 200, "Sign in", linkForm(String(request.params["text"])));
  });
  router.post("/link/:text", fromOurPage, async (request: Request, response: Response) => {
    const signedIn = await signInByLink(signInDesk, String(request.params["text"]), request);
    if (await letIn(request, response, signedIn, "/console")) return;
    const said =
      signedIn.outcome === "wait"
        ? waitWords(signedIn.ms)
        : "This link was used before, or is too old. `report-fleet console link` makes another one.";
    await sendBare(
      response,
      signedIn.outcome === "wait" ? 429 : 401,
      "Sign in",
      html`<h1>Sign in</h1>
        <p class="banner bad">${said}</p>`,
    );
  });

  router.use(requireSession);
  router.get("/events", (_request: Request, response: Response) => {
    if (live.isFull()) throw new Problem("too_many_streams", "Too many pages listen to this process.");
    live.add(response);
  });
  router.post(
    "/logout",
    fromOurPage,
    formBody(FORM_BYTES),
    ownWish,
    async (request: Request, response: Response) => {
      const { session, cookie } = sessionOf(request);
      await endSession(store, cookie);
      await recordAudit(store, { action: "sign_out", by: personInAudit(session), why: "" });
      response.clearCookie(cookieName, cookieOptions());
      response.redirect(303, "/console/login");
    },
  );
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
  const queues = queuesRouter(desk, requireSession, (request) => sessionOf(request).session);
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

  function cookieOptions() {
    return { httpOnly: true, sameSite: "strict", secure, path: "/" } as const;
  }

  async function letIn(
    request: Request,
    response: Response,
    signedIn: SignedIn,
    to: string,
  ): Promise<boolean> {
    if (signedIn.outcome !== "in") return false;
    const before = cookieOf(request);
    if (before !== null) await endSession(store, before);
    response.cookie(cookieName, signedIn.cookie, cookieOptions());
    response.redirect(303, to);
    return true;
  }

  async function requireSession(request: Request, response: Response, next: NextFunction): Promise<void> {
    const cookie = cookieOf(request);
    // What the page asks for by itself keeps nobody signed in.
    const byPerson =
      request.get("X-Live") === undefined &&
      request.path !== "/events" &&
      !(request.method === "GET" && request.originalUrl.startsWith(`${QUEUES_PATH}/api/`));
    const session = cookie === null ? null : await visitSession(store, cookie, byPerson, durations);
    // A person who was taken off the list, or has another password or role now, comes in anew.
    const isCurrent =
      session !== null &&
      (session.proof === null ||
        (users.get(session.name)?.proof === session.proof && users.get(session.name)?.role === session.role));
    if (cookie !== null && session !== null && isCurrent) {
      sessions.set(request, { session, cookie });
      next();
      return;
    }
    if (request.path === "/events") {
      // 204 is how a browser's EventSource is told to stop asking.
      response.status(204).end();
      return;
    }
    if (request.method !== "GET" && request.method !== "HEAD")
      throw new Problem("unauthorized", "You are signed out. Sign in and do it again; nothing was changed.");
    // A strict cookie stays at home when somebody follows a link from elsewhere; once more, from a page of ours.
    if (cookie === null && request.get("Sec-Fetch-Site") === "cross-site") {
      const words = html`<p><a href="${request.originalUrl}">Continue</a></p>`;
      await sendBare(response, 200, "Report Fleet", words, request.originalUrl);
      return;
    }
    response.redirect(303, `/console/login?to=${encodeURIComponent(request.originalUrl)}`);
  }

  function cookieOf(request: Request): string | null {
    for (const part of (request.headers.cookie ?? "").split(";")) {
      const [name, value] = part.trim().split("=", 2);
      if (name === cookieName && value !== undefined && /^[A-Za-z0-9_-]{43}$/.test(value)) return value;
    }
    return null;
  }

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
    if (sessions.has(request) && problem.code !== "redis_unavailable")
      await sendPage(request, response, visitOf(request, {}, {}), status, { title, body });
    else await sendBare(response, status, title, body);
  }
}

/** Where the API speaks of keys, a page speaks to a person. */
const TITLES: Partial<Record<ProblemCode, string>> = {
  unauthorized: "You are signed out",
  forbidden: "This is not possible for you",
};

function sessionOf(request: Request): { session: Session; cookie: string } {
  const found = sessions.get(request);
  if (found === undefined) throw new Error("A page was reached without a session.");
  return found;
}

function policy(directives: Record<string, string[]>): RequestHandler {
  return contentSecurityPolicy({ useDefaults: false, directives });
}

function ownWish(request: Request, _response: Response, next: NextFunction): void {
  const given = Buffer.from(fieldsOf(request)[CSRF_FIELD] ?? "");
  const kept = Buffer.from(sessionOf(request).session.csrf);
  if (given.length !== kept.length || !timingSafeEqual(given, kept))
    throw new Problem(
      "forbidden",
      "This form is not of this session. Load the page again; nothing was changed.",
    );
  next();
}

function fromOurPage(request: Request, _response: Response, next: NextFunction): void {
  sameOrigin(request);
  next();
}

function formBody(limit: number): RequestHandler {
  return express.urlencoded({ extended: false, limit, inflate: false, parameterLimit: 2_000 });
}

function mustHold(role: PersonRole): RequestHandler {
  return (request: Request, _response: Response, next: NextFunction) => {
    if (!holdsRole(sessionOf(request).session, role))
      throw new Problem(
        "forbidden",
        `This takes the role ${role}; you are ${sessionOf(request).session.role}.`,
      );
    next();
  };
}

function read(schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const list = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
  throw new Problem("invalid_input", list);
}

function fieldsOf(request: Request): Record<string, string> {
  const body = (request.body ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** Only to pages of ours, whatever was asked for. */
function wanted(to: unknown): string {
  if (typeof to !== "string" || !URL.canParse(to, "http://here")) return "/console";
  const { origin, pathname, search } = new URL(to, "http://here");
  const isOurs = origin === "http://here" && /^\/(console|admin\/queues)(\/|$)/.test(pathname);
  return isOurs && !/^\/console\/(login|link)(\/|$)/.test(pathname) ? `${pathname}${search}` : "/console";
}

function backOf(request: Request): string {
  return wanted(request.method === "GET" ? "/console" : fieldsOf(request)["back"]);
}

function waitWords(ms: number): string {
  return `Too many tries. Wait ${Math.max(1, Math.ceil(ms / 60_000))} min, or use a one-time link.`;
}

function signInForm(to: string, said: string | null, hasUsers: boolean): Html {
  const words = said === null ? "" : html`<p class="banner bad" role="alert">${said}</p>`;
  const fields = html`<form method="post" action="/console/login" class="form">
    <input type="hidden" name="to" value="${to}" />
    <label for="name">Name</label>
    <input id="name" name="name" required maxlength="64" autocomplete="username" autofocus />
    <label for="password">Password</label>
    <input
      id="password"
      name="password"
      type="password"
      required
      maxlength="200"
      autocomplete="current-password"
    />
    <button>Sign in</button>
  </form>`;
  return html`<h1>Report Fleet</h1>
    ${words} ${hasUsers ? fields : html`<p>Nobody has a password here. Sign in by a one-time link:</p>`}
    <p class="muted">A one-time link: <code>report-fleet console link</code></p>`;
}

function linkForm(text: string): Html {
  return html`<h1>Report Fleet</h1>
    <form method="post" action="/console/link/${text}" class="form">
      <p>This link signs you in once.</p>
      <button autofocus>Sign in</button>
    </form>`;
}
