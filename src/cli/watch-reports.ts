/**
 * Watches reports until they have ended. Events say when something happened and are shown as they were stored; what
 * is true now is read from the store after each of them, so a missed or trimmed event changes no picture.
 *
 * Watching is only looking: Ctrl-C and the timeout leave the reports alone. While Redis is away it waits for it.
 */
import type { Config } from "../config.ts";
import type { ReportId } from "../domain/ids.ts";
import { isFinished, type ReportStatus } from "../domain/report.ts";
import { fromTheBeginning, nextEvents, type ReportEvent } from "../store/follow-reports.ts";
import { connectPatiently, openStore } from "../store/redis.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { readSnapshot, type Snapshot } from "../producer/report-view.ts";

const BLOCK_MS = 1_000;

/** What shows it: bars, lines or JSON. */
export interface Audience {
  events(events: readonly ReportEvent[]): void;
  snapshot(snapshot: Snapshot): void;
  close(): void;
}

export interface WatchSettings {
  redisUrl: string;
  fleet: Config["fleet"];
  ids: readonly ReportId[];
  until?: ReportStatus | undefined;
  timeoutMs?: number | undefined;
  signal: AbortSignal;
  audience: Audience;
}

export interface Watched {
  outcome: "ended" | "timed_out" | "interrupted";
  /** As each report was seen last. */
  snapshots: ReadonlyMap<ReportId, Snapshot>;
}

export async function watchReports(settings: WatchSettings): Promise<Watched> {
  const { audience, until } = settings;
  // Two connections, since a waiting read holds up whatever is asked behind it.
  const waiting = openStore(connectPatiently(settings.redisUrl), settings.fleet);
  const reading = openStore(connectPatiently(settings.redisUrl), settings.fleet);
  const places = fromTheBeginning(settings.ids);
  const snapshots = new Map<ReportId, Snapshot>();
  const stopped = new AbortController();

  async function follow(): Promise<"ended"> {
    while (places.size > 0 && !stopped.signal.aborted) {
      const events = await nextEvents(waiting, places, BLOCK_MS);
      if (stopped.signal.aborted) break;
      audience.events(events);
      // Silence is a reason to look as well: the stream may have been trimmed.
      const changed = events.length === 0 ? [...places.keys()] : events.map(({ report }) => report);
      for (const id of new Set(changed)) await look(id);
    }
    return "ended";
  }

  async function look(id: ReportId): Promise<void> {
    const snapshot = await readSnapshot(reading, id);
    if (stopped.signal.aborted) return;
    snapshots.set(id, snapshot);
    if (hasEnded(snapshot, until)) {
      // The status was written with its event, so everything up to it is in the stream by now.
      const rest = new Map([[id, places.get(id) ?? "0"]]);
      let events = await nextEvents(reading, rest, 0);
      while (events.length > 0) {
        audience.events(events);
        events = await nextEvents(reading, rest, 0);
      }
      places.delete(id);
    }
    audience.snapshot(snapshot);
  }

  const following = follow();
  // Once stopped, its connections end under it.
  following.catch(() => undefined);
  try {
    const outcome = await Promise.race([following, endOfPatience(settings)]);
    return { outcome, snapshots };
  } finally {
    stopped.abort();
    audience.close();
    waiting.redis.disconnect();
    reading.redis.disconnect();
  }
}

function endOfPatience({ timeoutMs, signal }: WatchSettings): Promise<"timed_out" | "interrupted"> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
    if (signal.aborted) resolve("interrupted");
    if (timeoutMs !== undefined) setTimeout(() => resolve("timed_out"), timeoutMs).unref();
  });
}

function hasEnded({ stored }: Snapshot, until: ReportStatus | undefined): boolean {
  const { status } = stored.report;
  if (isFinished(status) || status === until) return true;
  return until === undefined && status === "needs_review";
}

/** One exit code for any number of reports: the worst of them. */
export function exitCodeOf({ outcome, snapshots }: Watched, until?: ReportStatus): ExitCode {
  if (outcome === "timed_out") return EXIT.waitTimeout;
  if (outcome === "interrupted") return EXIT.interrupted;
  const statuses = [...snapshots.values()].map(({ stored }) => stored.report.status);
  if (until !== undefined && statuses.every((status) => status === until)) return EXIT.ok;
  if (statuses.some((status) => status === "failed" || status === "cancelled")) return EXIT.notDelivered;
  return statuses.includes("needs_review") ? EXIT.needsReview : EXIT.ok;
}

/** Ctrl-C means "stop watching" here, and a second one is the shell's own. */
export function interruption(): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.once(name, abort);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, abort);
    },
  };
}
