/**
 * Takes orders from the intake stream to admit, through the same checks as every other door.
 *
 *     read ─▶ submitReport ─▶ answered: admitted
 *                 ├─ refused ─▶ answered: rejected, with the reason and the caller's key
 *                 └─ Redis is away, or this process dies ─▶ pending, and claimed after a while
 *
 * The order's key makes a second reading harmless, so nothing here has to happen exactly once. An entry that nobody can
 * admit for reasons of our own (a type whose schema throws) is read a few times and then rejected: it must not circle.
 */
import type { Redis } from "ioredis";
import { isFleetError } from "../domain/fleet-error.ts";
import {
  answerAdmitted,
  answerRejected,
  claimAbandoned,
  countDeliveries,
  forgetConsumer,
  forgetIdleConsumers,
  openIntake,
  readIntake,
  type IntakeEntry,
} from "../store/intake.ts";
import type { Store } from "../store/redis.ts";
import { readIntakeEntry, rejectionOf } from "./intake-entry.ts";
import { submitReport, type Counter } from "./submit-report.ts";

/** What the intake needs; a part of every process's workshop. */
export interface IntakeDesk extends Counter {
  durations: Counter["durations"] & { intakeClaimMs: number; intakeAnswerMs: number };
  processId: string;
}

const ENTRIES_AT_ONCE = 32;
const LONGEST_BLOCK_MS = 1_000;
const PAUSE_AFTER_ERROR_MS = 500;
const MOST_DELIVERIES = 5;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

export function startIntake(desk: IntakeDesk, connect: () => Redis): { stop(): Promise<void> } {
  const reader: Store = { ...desk.store, redis: connect() };
  const stopping = new AbortController();
  const stopped = () => stopping.signal.aborted;
  // The reader looks for abandoned entries between two waits.
  const blockMs = Math.ceil(Math.min(LONGEST_BLOCK_MS, desk.durations.intakeClaimMs / 2));
  let connection = 0;
  const done = follow();
  return {
    async stop() {
      stopping.abort();
      // Not a broken connection: an entry that was just handed to us would be pending until somebody claims it.
      await desk.store.redis.client("UNBLOCK", connection).catch(() => undefined);
      await done;
      await forgetConsumer(desk.store, desk.processId).catch(() => undefined);
      reader.redis.disconnect();
    },
  };

  async function follow(): Promise<void> {
    let claimAt = 0;
    while (!stopped()) {
      try {
        if (connection === 0) {
          await openIntake(reader);
          connection = await reader.redis.client("ID");
        }
        let entries: IntakeEntry[] = [];
        if (performance.now() >= claimAt) {
          entries = await claimAbandoned(
            reader,
            desk.processId,
            desk.durations.intakeClaimMs,
            ENTRIES_AT_ONCE,
          );
          if (entries.length < ENTRIES_AT_ONCE) {
            claimAt = performance.now() + desk.durations.intakeClaimMs / 2;
            await forgetIdleConsumers(reader);
          }
        }
        if (entries.length === 0 && !stopped())
          entries = await readIntake(reader, desk.processId, ENTRIES_AT_ONCE, blockMs);
        const taken = await Promise.all(entries.map((entry) => take(desk, entry)));
        // What is read and not answered is pending, and a list of those takes memory, too.
        if (taken.includes("no_room") && !stopped()) await sleep(blockMs);
      } catch {
        // Redis is away, or has lost the stream and its group: both are found anew.
        connection = 0;
        if (!stopped()) await sleep(PAUSE_AFTER_ERROR_MS);
      }
    }
  }
}

/** `no_room`: it stays pending, and there is no use in reading more. */
async function take(desk: IntakeDesk, entry: IntakeEntry): Promise<"done" | "no_room"> {
  const { store, durations } = desk;
  const read = readIntakeEntry(entry.fields);
  if (!read.ok) {
    await answerRejected(store, entry.id, read.rejection, durations.intakeAnswerMs);
    return "done";
  }
  const { account, idempotencyKey: key } = read.request;
  try {
    const { id: report } = await submitReport(desk, read.request);
    await answerAdmitted(store, entry.id, { account, key, report }, durations.intakeAnswerMs);
  } catch (error) {
    if (isFleetError(error) && error.code === "store_full") return "no_room";
    const refusal = await refusalOf(store, entry, error);
    if (refusal === null) return "done";
    await answerRejected(store, entry.id, rejectionOf(entry.fields, refusal), durations.intakeAnswerMs);
  }
  return "done";
}

/** Null where it may be admitted later: it stays pending. */
async function refusalOf(store: Store, entry: IntakeEntry, error: unknown) {
  if (isFleetError(error)) {
    return error.code === "redis_unreachable"
      ? null
      : { code: error.code, reason: error.message, fields: error.fields };
  }
  if (isStoreTrouble(error) || (await countDeliveries(store, entry.id)) < MOST_DELIVERIES) return null;
  return {
    code: "internal",
    reason: "The order could not be taken because of a fault on our side. Nothing was charged.",
    fields: [],
  };
}

/** A reply of Redis that is an error (out of memory, loading), or a link that broke: neither says anything about the entry. */
function isStoreTrouble(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    error.name === "ReplyError" ||
    error.name === "MaxRetriesPerRequestError" ||
    "syscall" in error ||
    /^(?:Connection is closed|Command timed out|Socket timeout)/.test(error.message)
  );
}
