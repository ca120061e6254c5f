/**
 * Bull Board behind the console's login: everybody signed in may look, only admins act, and what they do is in the audit.
 * Its page is not ours and needs a policy of its own, which holds for this address alone. It sends no token along, so it
 * rests on the strict cookie and on where the browser says that a request comes from.
 */
import express, {
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from "express";
import { contentSecurityPolicy, referrerPolicy } from "helmet";
import { mayBeDone, openBoard } from "../api/board.ts";
import { Problem } from "../api/problems.ts";
import { holdsRole, personInAudit, type Person } from "../domain/person.ts";
import { recordAudit } from "../store/audit.ts";
import { reportLink } from "./links.ts";
import type { ConsoleDesk } from "./page.ts";
import { sameOrigin } from "./same-origin.ts";

export const QUEUES_PATH = "/admin/queues";

const AS_BULL_BOARD_NEEDS = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", "data:"],
  fontSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'none'"],
  baseUri: ["'self'"],
  frameAncestors: ["'none'"],
};

export function queuesRouter(
  desk: ConsoleDesk,
  requireSession: RequestHandler,
  personOf: (request: Request) => Person,
): Router {
  const board = openBoard(desk, {
    basePath: QUEUES_PATH,
    fleet: desk.store.fleet,
    environment: desk.environment,
    reportUrl: reportLink,
    homeUrl: "/console",
  });
  const router = express.Router({ caseSensitive: true });
  router.use(contentSecurityPolicy({ useDefaults: false, directives: AS_BULL_BOARD_NEEDS }));
  router.use(referrerPolicy({ policy: "same-origin" }));
  router.use(requireSession);
  router.use(async (request: Request, response: Response, next: NextFunction) => {
    const person = personOf(request);
    if (request.method === "GET" || request.method === "HEAD") {
      await (holdsRole(person, "admin") ? board.acting : board.reading)(request, response, next);
      return;
    }
    sameOrigin(request);
    if (!holdsRole(person, "admin"))
      throw new Problem("forbidden", `This takes the role admin; you are ${person.role}.`);
    if (!mayBeDone(request.method, request.path))
      throw new Problem(
        "forbidden",
        "Jobs are not made, edited or wiped here; the store decides what there is to do.",
      );
    const by = personInAudit(person);
    await recordAudit(desk.store, {
      action: "queue",
      by,
      why: "at Bull Board",
      after: wordsOf(request.path),
    });
    await board.acting(request, response, next);
  });
  return router;
}

/** `/api/queues/reports/rp-x.r1/retry` → `reports rp-x.r1 retry` */
function wordsOf(path: string): string {
  return path
    .split("/")
    .slice(3)
    .map((part) => decodeURIComponent(part))
    .join(" ")
    .slice(0, 200);
}
