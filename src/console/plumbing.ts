/**
 * Bull Board behind the console's login: everybody signed in may look, an admin who has said why acts, and each press is in
 * the audit with that reason and with what it changed. Its page is not ours and needs a policy of its own, which holds for
 * this address alone. It sends no token along, so it rests on the strict cookie and on where the browser says that a request
 * comes from.
 */
import express, {
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
  type Router,
} from "express";
import { contentSecurityPolicy, referrerPolicy } from "helmet";
import { openBoard, pressOf } from "../api/board.ts";
import { Problem } from "../api/problems.ts";
import { holdsRole, personInAudit } from "../domain/person.ts";
import { recordAudit } from "../store/audit.ts";
import type { Session } from "../store/console-sessions.ts";
import { readQueueReason } from "../store/queue-reasons.ts";
import { reportLink } from "./links.ts";
import type { ConsoleDesk } from "./page.ts";
import { sameOrigin } from "./same-origin.ts";

export const QUEUES_PATH = "/admin/queues";
/** Where the reason is given. */
const ACT_PATH = "/console/queues";

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
  personOf: (request: Request) => Session,
): Router {
  const board = openBoard(desk, {
    basePath: QUEUES_PATH,
    fleet: desk.store.fleet,
    environment: desk.environment,
    reportUrl: reportLink,
    homeUrl: "/console",
    actUrl: ACT_PATH,
  });
  const router = express.Router({ caseSensitive: true });
  router.use(contentSecurityPolicy({ useDefaults: false, directives: AS_BULL_BOARD_NEEDS }));
  router.use(referrerPolicy({ policy: "same-origin" }));
  router.use(requireSession);
  router.use(async (request: Request, response: Response, next: NextFunction) => {
    const person = personOf(request);
    const isAdmin = holdsRole(person, "admin");
    const reason = isAdmin ? await readQueueReason(desk.store, person) : null;
    if (request.method === "GET" || request.method === "HEAD") {
      await (reason === null ? board.reading : board.acting)(request, response, next);
      return;
    }
    sameOrigin(request);
    if (!isAdmin) throw new Problem("forbidden", `This takes the role admin; you are ${person.role}.`);
    const press = pressOf(request.method, request.path);
    if (press === null)
      throw new Problem(
        "forbidden",
        "Jobs are not made, edited or wiped here; the store decides what there is to do.",
      );
    if (reason === null)
      throw new Problem(
        "forbidden",
        `Say why first, at ${ACT_PATH}; it holds for a while. Nothing was changed.`,
      );
    const before = await board.stateOf(press);
    afterwards(response, async () => {
      const came =
        response.statusCode < 400 ? await board.stateOf(press) : `refused (${response.statusCode})`;
      await recordAudit(desk.store, {
        action: "queue",
        by: personInAudit(person),
        why: reason.why,
        before: `${press.queue}${press.job === null ? "" : ` ${press.job}`}: ${before}`,
        after: `${press.verb} → ${came}`,
      });
    });
    await board.acting(request, response, next);
  });
  return router;
}

/** Done before the answer leaves, so that nobody is told of a press that the audit does not know. */
function afterwards(response: Response, what: () => Promise<void>): void {
  const end = response.end.bind(response) as (...args: unknown[]) => Response;
  response.end = (...args: unknown[]) => {
    void what().then(
      () => end(...args),
      (error: unknown) => response.destroy(error instanceof Error ? error : new Error(String(error))),
    );
    return response;
  };
}
