/**
 * Tells open pages that something has changed. Only names go out, never contents: the page fetches itself again, so
 * permissions and redaction stay in one place. One reader of the fleet's events per process, and none while nobody looks.
 */
import type { Response } from "express";
import type { FleetEvent } from "../domain/events.ts";
import { followEvents, type Following } from "../store/follow-events.ts";

/** Many events of one moment are one message. */
const GATHER_MS = 300;
const HEARTBEAT_MS = 15_000;
/** Then the browser comes again, and its session is looked at again. */
const LONGEST_MS = 5 * 60_000;
const MOST_LISTENERS = 100;

interface Listener {
  response: Response;
  topics: Set<string>;
  timer: NodeJS.Timeout | null;
}

export class Live {
  readonly #where: { redisUrl: string; fleet: string };
  readonly #listeners = new Set<Listener>();
  #following: Following | null = null;

  constructor(where: { redisUrl: string; fleet: string }) {
    this.#where = where;
  }

  isFull(): boolean {
    return this.#listeners.size >= MOST_LISTENERS;
  }

  add(response: Response): void {
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-cache, no-transform",
      "X-Accel-Buffering": "no",
    });
    response.write("retry: 3000\n\n");
    const listener: Listener = { response, topics: new Set(), timer: null };
    this.#listeners.add(listener);
    const heartbeat = setInterval(() => response.write(": hb\n\n"), HEARTBEAT_MS);
    const end = setTimeout(() => response.end(), LONGEST_MS);
    response.once("close", () => {
      clearInterval(heartbeat);
      clearTimeout(end);
      if (listener.timer !== null) clearTimeout(listener.timer);
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#rest();
    });
    this.#following ??= followEvents({ ...this.#where, stream: "fleet", from: "$" }, ({ event }) =>
      this.#hear(event),
    );
  }

  /** Ends what is open; the pages come back to another process by themselves. */
  close(): void {
    for (const { response } of this.#listeners) response.end();
  }

  #hear(event: FleetEvent): void {
    const topics = topicsOf(event);
    for (const listener of this.#listeners) {
      for (const topic of topics) listener.topics.add(topic);
      listener.timer ??= setTimeout(() => {
        listener.timer = null;
        const gathered = JSON.stringify([...listener.topics]);
        listener.topics.clear();
        listener.response.write(`event: changed\ndata: ${gathered}\n\n`);
      }, GATHER_MS);
    }
  }

  #rest(): void {
    void this.#following?.stop();
    this.#following = null;
  }
}

/**
 * What a page may listen to by `data-live`: `reports`, `reviews`, `types`, `routes`, `spending`, `credits`, `keys`,
 * `webhooks`, `intake`, and one report as `report:<id>`.
 */
export function topicsOf(event: FleetEvent): string[] {
  const topics: string[] = [TOPIC_OF[event.event]];
  if ("report" in event) topics.push(`report:${event.report}`);
  return topics;
}

const TOPIC_OF = {
  "report.submitted": "reports",
  "report.status": "reports",
  "report.planned": "reports",
  "report.deadline_missed": "reports",
  "run.started": "reports",
  "section.status": "reports",
  "section.went_without": "reports",
  "call.begun": "reports",
  "call.answered": "reports",
  "call.unanswered": "reports",
  "call.accepted": "reports",
  "call.rejected": "reports",
  "call.reused": "reports",
  "step.completed": "reports",
  retention: "reports",
  repaired: "reports",
  "intake.rejected": "intake",
  credits: "credits",
  "credit_review.opened": "credits",
  "credit_review.closed": "credits",
  "route.closed": "routes",
  "route.opened": "routes",
  "spending.stopped": "spending",
  "spending.started": "spending",
  "spending.capped": "spending",
  "webhook.disabled": "webhooks",
  "review.opened": "reviews",
  "review.resolved": "reviews",
  "review.claimed": "reviews",
  "review.operation": "reviews",
  breaker: "types",
  "api_key.created": "keys",
  "api_key.revoked": "keys",
} as const satisfies Record<FleetEvent["event"], string>;
