/**
 * The door: signing in and out, the cookie, and who the session of a request is. Everything behind it stands behind
 * `requireSession`; what changes something stands behind `ownWish` and `mustHold` as well.
 */
import { timingSafeEqual } from "node:crypto";
import express, {
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from "express";
import { Problem } from "../api/problems.ts";
import { holdsRole, personInAudit, type PersonRole } from "../domain/person.ts";
import { recordAudit } from "../store/audit.ts";
import { endSession, visitSession, type Session } from "../store/console-sessions.ts";
import { CSRF_FIELD } from "./form.ts";
import { html, type Html } from "./html.ts";
import { fieldsOf, formBody, fromOurPage, wanted } from "./request.ts";
import { signInByLink, signInByPassword, type SignedIn, type SignInDesk } from "./sign-in.ts";

const FORM_BYTES = 4 * 1_024;

/** Who the session of a request is; kept beside the request, where nothing sent along can reach it. */
const sessions = new WeakMap<Request, { session: Session; cookie: string }>();

export interface DoorSettings extends SignInDesk {
  /** Reached over https, whoever ends the TLS; the cookie is then for https only. */
  secure: boolean;
  /** Bull Board's page asks below this by itself. */
  pollingPath: string;
  /** A page for whoever is not signed in. */
  show: (response: Response, status: number, title: string, body: Html, refreshTo?: string) => Promise<void>;
}

export interface Door {
  /** Signing in, for whoever is outside. */
  outside: Router;
  requireSession: RequestHandler;
  signOut: RequestHandler;
}

export function openDoor({ store, users, durations, secure, pollingPath, show }: DoorSettings): Door {
  const cookieName = secure ? "__Host-rf-console" : "rf-console";
  const desk: SignInDesk = { store, users, durations };
  const outside = express.Router({ caseSensitive: true });

  outside.get("/login", async (request: Request, response: Response) => {
    await show(response, 200, "Sign in", signInForm(wanted(request.query["to"]), null, users.size > 0));
  });
  outside.post("/login", fromOurPage, formBody(FORM_BYTES), async (request: Request, response: Response) => {
    const fields = fieldsOf(request);
    const given = { name: fields["name"] ?? "", password: fields["password"] ?? "" };
    const signedIn = await signInByPassword(desk, given, request);
    if (await letIn(request, response, signedIn, wanted(fields["to"]))) return;
    const said =
      signedIn.outcome === "wait" ? waitWords(signedIn.ms) : "This name and password do not belong together.";
    await show(
      response,
      signedIn.outcome === "wait" ? 429 : 401,
      "Sign in",
      signInForm(wanted(fields["to"]), said, true),
    );
  });
  // Opening a link only shows a button: what looks at links ahead of people must not use them up.
  outside.get("/link/:text", async (request: Request, response: Response) => {
    await show(response, 200, "Sign in", linkForm(String(request.params["text"])));
  });
  outside.post("/link/:text", fromOurPage, async (request: Request, response: Response) => {
    const signedIn = await signInByLink(desk, String(request.params["text"]), request);
    if (await letIn(request, response, signedIn, "/console")) return;
    const said =
      signedIn.outcome === "wait"
        ? waitWords(signedIn.ms)
        : "This link was used before, or is too old. `report-fleet console link` makes another one.";
    await show(
      response,
      signedIn.outcome === "wait" ? 429 : 401,
      "Sign in",
      html`<h1>Sign in</h1>
        <p class="banner bad">${said}</p>`,
    );
  });

  return {
    outside,
    requireSession,
    async signOut(request: Request, response: Response) {
      const { session, cookie } = sessionOf(request);
      await endSession(store, cookie);
      await recordAudit(store, { action: "sign_out", by: personInAudit(session), why: "" });
      response.clearCookie(cookieName, cookieOptions());
      response.redirect(303, "/console/login");
    },
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
      !(request.method === "GET" && request.originalUrl.startsWith(pollingPath));
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
      await show(response, 200, "Report Fleet", words, request.originalUrl);
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
}

export function isSignedIn(request: Request): boolean {
  return sessions.has(request);
}

export function sessionOf(request: Request): { session: Session; cookie: string } {
  const found = sessions.get(request);
  if (found === undefined) throw new Error("A page was reached without a session.");
  return found;
}

export function ownWish(request: Request, _response: Response, next: NextFunction): void {
  const given = Buffer.from(fieldsOf(request)[CSRF_FIELD] ?? "");
  const kept = Buffer.from(sessionOf(request).session.csrf);
  if (given.length !== kept.length || !timingSafeEqual(given, kept))
    throw new Problem(
      "forbidden",
      "This form is not of this session. Load the page again; nothing was changed.",
    );
  next();
}

export function mustHold(role: PersonRole): RequestHandler {
  return (request: Request, _response: Response, next: NextFunction) => {
    if (!holdsRole(sessionOf(request).session, role))
      throw new Problem(
        "forbidden",
        `This takes the role ${role}; you are ${sessionOf(request).session.role}.`,
      );
    next();
  };
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
