/**
 * The client for programs beside the fleet's Redis. Orders go through the intake stream, where the orchestrator checks
 * them: so this side needs no report types, and their prompts and libraries stay with the fleet.
 */
import { setTimeout as pause } from "node:timers/promises";
import { isFleetError } from "../domain/fleet-error.ts";
import type { ReportId } from "../domain/ids.ts";
import { cancelReport } from "../desk/end-by-person.ts";
import { readSnapshot, reportRow } from "../producer/report-view.ts";
import { readArtefact } from "../store/deliver.ts";
import { fromTheBeginning, nextEvents } from "../store/follow-reports.ts";
import { addToIntake, readIntakeAnswer, type IntakeAnswer } from "../store/intake.ts";
import { connectForRequests, connectPatiently, openStore, type Store } from "../store/redis.ts";
import type { FleetClient, Order, ReportProgress, ReportResult } from "./contract.ts";
import { hasEnded } from "./has-ended.ts";
import { Refused } from "./refused.ts";

export interface RedisSettings {
  /** As in REDIS_URL. */
  url: string;
  /** As in FLEET. */
  fleet?: string;
  /** Names you in the record of what you cancel. */
  name?: string;
  /** How long an order may stay unanswered; it is not lost then, and may be sent again. */
  answerWithinMs?: number;
}

const ANSWER_WITHIN_MS = 30_000;
const LOOK_AGAIN_MS = 25;
const BLOCK_MS = 1_000;

export function clientOverRedis(settings: RedisSettings): FleetClient {
  const { url, fleet = "fleet", name = "client", answerWithinMs = ANSWER_WITHIN_MS } = settings;
  const store = openStore(connectForRequests(url), fleet);

  const status = (id: ReportId) => progressOf(store, id);

  return {
    async submit(order) {
      return status(await submit(store, order, answerWithinMs));
    },
    status,
    async *watch(id, { signal } = {}) {
      // A connection of its own, since a waiting read holds up whatever is asked behind it; it waits out an absent Redis.
      const waiting = openStore(connectPatiently(url), fleet);
      const givenUp = () => signal?.aborted === true;
      const hangUp = () => waiting.redis.disconnect();
      signal?.addEventListener("abort", hangUp);
      const places = fromTheBeginning([id]);
      let last = "";
      try {
        while (!givenUp()) {
          const row = await progressOf(waiting, id);
          // Most events change nothing that is shown.
          const shown = JSON.stringify(row);
          if (shown !== last) yield row;
          last = shown;
          if (hasEnded(row)) return;
          await nextEvents(waiting, places, BLOCK_MS);
        }
      } catch (error) {
        if (!givenUp()) throw error;
      } finally {
        signal?.removeEventListener("abort", hangUp);
        hangUp();
      }
    },
    result: (id) => result(store, id),
    async cancel(id, why) {
      await understood(() => cancelReport({ store }, id, { by: name, why }));
      return status(id);
    },
    close() {
      store.redis.disconnect();
      return Promise.resolve();
    },
  };
}

function progressOf(store: Store, id: ReportId): Promise<ReportProgress> {
  return understood(async () => reportRow(await readSnapshot(store, id)));
}

async function submit(store: Store, order: Order<unknown>, answerWithinMs: number): Promise<ReportId> {
  const { account, key } = order;
  const entry = await addToIntake(store, fieldsOfOrder(order));
  const until = performance.now() + answerWithinMs;
  for (;;) {
    const answer = await readIntakeAnswer(store, account, key, entry);
    if (answer !== null) return reportOf(answer);
    if (performance.now() > until)
      throw new Refused(
        "timed_out",
        `Order ${key} was not answered within ${answerWithinMs} ms; is an orchestrator running? It is not lost: ` +
          "it will be taken, and may be sent again under the same key.",
        { retryable: true },
      );
    await pause(LOOK_AGAIN_MS);
  }
}

function fieldsOfOrder(order: Order<unknown>): Record<string, string> {
  const { account, type, key, source, priority, deliverBy, tags, callback, again } = order;
  return {
    v: "1",
    account,
    type,
    key,
    source: JSON.stringify(source),
    ...(priority === undefined ? {} : { priority }),
    ...(deliverBy === undefined ? {} : { deliverBy: deliverBy.toISOString() }),
    ...(tags === undefined ? {} : { tags: JSON.stringify(tags) }),
    ...(callback === undefined ? {} : { callback }),
    ...(again === true ? { again: "true" } : {}),
  };
}

function reportOf(answer: IntakeAnswer): ReportId {
  if (answer.outcome === "admitted") return answer.report;
  throw new Refused(answer.code, answer.reason, { fields: answer.fields });
}

async function result(store: Store, id: ReportId): Promise<ReportResult> {
  const { stored } = await understood(() => readSnapshot(store, id));
  if (stored.delivered === null)
    throw new Refused(
      "not_deliverable",
      `Report ${id} is ${stored.report.status}; there is no document yet.`,
    );
  const read = await readArtefact(store, id);
  if (!read.ok) throw new Refused("not_deliverable", `Report ${id} cannot be read: ${read.because}.`);
  const { title, markdown, sections } = read.artefact;
  return {
    title,
    markdown,
    sections: sections.map((section) => ({
      key: section.key,
      title: section.title,
      output: section.output,
      unreviewed: section.unreviewed,
    })),
  };
}

async function understood<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (isFleetError(error)) throw new Refused(error.code, error.message, { fields: error.fields });
    throw error;
  }
}
