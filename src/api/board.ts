/**
 * Bull Board: the plumbing view that BullMQ users know. It shows jobs, and jobs hold ids; whatever else a job may carry is
 * taken out here, by naming what may be seen. Who may come in and who may act is decided by whoever mounts it.
 *
 * Nothing that is done here can bypass the store: a job is only a doorbell, and whoever answers it asks the store what
 * there is to do (docs/adr/0001).
 */
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import type { RequestHandler, Response } from "express";
import { queueNames } from "../store/queues.ts";
import type { ApiDesk } from "./route.ts";

export interface BoardLooks {
  basePath: string;
  fleet: string;
  environment: string | null;
  /** Where a job's report is shown. */
  reportUrl(report: string): string;
  homeUrl: string;
  /** Where one gets from looking to acting. */
  actUrl: string;
}

export interface Board {
  /** Shows, and refuses whatever would change something. */
  reading: RequestHandler;
  /** Acts as well, as far as `pressOf` goes. */
  acting: RequestHandler;
  /** How what a press is about stands: a job by its state, a queue by its numbers. */
  stateOf(press: Press): Promise<string>;
}

export interface Press {
  queue: string;
  /** Null for the whole queue. */
  job: string | null;
  verb: string;
}

/** What a job's data may show: ids and counts, whatever else somebody puts into a job by hand. */
const SHOWN = ["report", "section", "run", "round", "delivery"] as const;
const WORDS = /^[A-Za-z0-9_.:/ -]{1,120}$/;
/** Verdicts end a job with `<kind>/<code>`; any other reason may hold anybody's words. */
const VERDICT = /^[a-z_]{1,40}\/[a-z_]{1,60}$/;
const NEW_TYPES_AFTER_MS = 5_000;

/**
 * Ringing again, giving up waiting, dropping a job, pausing a picture: what an operator of queues is used to, and what the
 * store heals. Data is not edited and no job is made up by hand.
 */
const DOABLE =
  /^\/api\/queues\/([^/]+)\/(?:([^/]+)\/(retry|promote|clean)|(retry\/failed|promote|pause|resume))$/;

/** Null for whatever may not be done. */
export function pressOf(method: string, path: string): Press | null {
  const [, queue, job, ofJob, ofQueue] = DOABLE.exec(path) ?? [];
  if (method !== "PUT" || queue === undefined) return null;
  return {
    queue: decodeURIComponent(queue),
    job: job === undefined ? null : decodeURIComponent(job),
    verb: (ofJob ?? ofQueue ?? "").replace("/", " "),
  };
}

export function openBoard(desk: ApiDesk, looks: BoardLooks): Board {
  const boards = [true, false].map((readOnlyMode) => oneBoard(desk, looks, readOnlyMode));
  const known = newTypes(desk, boards);
  const [reading, acting] = boards.map(({ router }): RequestHandler => async (request, response, next) => {
    withoutFonts(response);
    await known.refresh();
    router(request, response, next);
  });
  if (reading === undefined || acting === undefined) throw new Error("There are two boards.");
  return { reading, acting, stateOf: (press) => stateOf(desk, press) };
}

async function stateOf({ store, queues }: ApiDesk, { queue, job }: Press): Promise<string> {
  // Only to be asked for, a queue would begin to be.
  if (!(await queueNames(store)).includes(queue)) return "unknown";
  if (job !== null) return (await queues.queue(queue).getJob(job))?.getState() ?? "gone";
  const { isPaused, waiting, delayed, failed } = await queues.numbers(queue);
  return `${isPaused ? "paused" : "running"}, ${waiting} waiting, ${delayed} delayed, ${failed} failed`;
}

function oneBoard(desk: ApiDesk, looks: BoardLooks, readOnlyMode: boolean) {
  const adapter = new ExpressAdapter().setBasePath(looks.basePath);
  const queueOf = (name: string) => {
    const queue = new BullMQAdapter(desk.queues.queue(name), {
      readOnlyMode,
      externalJobUrl: (job) => ({ displayText: "Its report", href: hrefOf(job.data, looks) }),
    });
    queue.setFormatter("data", shownOf);
    queue.setFormatter("returnValue", (value: unknown) =>
      typeof value === "string" && WORDS.test(value) ? value : null,
    );
    queue.setFormatter("progress", () => 0);
    return queue;
  };
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: `Queues of ${looks.fleet}`,
        hideDocsLink: true,
        hideRedisDetails: true,
        miscLinks: [
          { text: "Report Fleet", url: looks.homeUrl },
          { text: readOnlyMode ? "Act here: say why" : "Put the buttons away", url: looks.actUrl },
        ],
        jobDetails: { defaultTab: "Data" },
        theme: { light: { "font-sans": FONT }, dark: { "font-sans": FONT } },
        ...(looks.environment === null
          ? {}
          : { environment: { label: looks.environment, color: "#a8201a", textColor: "#ffffff" } }),
      },
      // We write no logs into jobs; whoever does it by hand may write anything.
      handlerHooks: {
        after: ({ route }, result) => ({
          ...result,
          body: (route.endsWith("/logs") ? [] : redacted(result.body)) as typeof result.body,
        }),
      },
    },
  });
  const router = adapter.getRouter() as RequestHandler;
  return { router, add: (name: string) => board.addQueue(queueOf(name)) };
}

const FONT = 'system-ui, "Segoe UI", Arial, sans-serif';

/** A queue for each type, also for those that were announced since. */
function newTypes(desk: ApiDesk, boards: readonly { add(name: string): void }[]) {
  const added = new Set<string>();
  let lookedAt = -Infinity;
  return {
    async refresh(): Promise<void> {
      if (performance.now() - lookedAt < NEW_TYPES_AFTER_MS) return;
      lookedAt = performance.now();
      for (const name of await queueNames(desk.store)) {
        if (added.has(name)) continue;
        added.add(name);
        for (const board of boards) board.add(name);
      }
    },
  };
}

function hrefOf(data: unknown, looks: BoardLooks): string {
  const report = (shownOf(data) as { report?: unknown }).report;
  return typeof report === "string" ? looks.reportUrl(report) : looks.homeUrl;
}

function shownOf(data: unknown): Record<string, string | number> {
  const shown: Record<string, string | number> = {};
  if (typeof data !== "object" || data === null) return shown;
  for (const name of SHOWN) {
    const value = (data as Record<string, unknown>)[name];
    if (typeof value === "number" || (typeof value === "string" && WORDS.test(value))) shown[name] = value;
  }
  return shown;
}

/** Reasons and stacks wherever they hang in an answer: a thrown error may repeat what it was thrown over. */
function redacted(body: unknown): unknown {
  if (Array.isArray(body)) return body.map(redacted);
  if (typeof body !== "object" || body === null) return body;
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      if (name === "stacktrace") return [name, []];
      if (name === "failedReason" || name === "deferredFailure")
        return [name, typeof value !== "string" || VERDICT.test(value) ? value : "an error; the log has it"];
      return [name, redacted(value)];
    }),
  );
}

/** Its page asks a foreign server for fonts; the policy would refuse that, and a browser complain of it. */
function withoutFonts(response: Response): void {
  const send = response.send.bind(response);
  response.send = (body?: unknown) =>
    send(typeof body === "string" ? body.replace(/<link href="https:\/\/fonts\.[^>]*>/, "") : body);
}
