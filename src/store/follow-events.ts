/** Follows an event stream from a point on, on a connection of its own, until it is stopped. */
import type { ReportId } from "../domain/ids.ts";
import { connectPatiently, openStore } from "./redis.ts";
import { readNext, type TimedEvent } from "./read-events.ts";

const BLOCK_MS = 1_000;
const PAUSE_AFTER_ERROR_MS = 500;

export interface Following {
  stop(): Promise<void>;
}

/** `from` is a stream id; `$` means what happens from now on. */
export function followEvents(
  where: { redisUrl: string; fleet: string; stream: ReportId | "fleet"; from: string },
  onEvent: (timed: TimedEvent) => void,
): Following {
  const redis = connectPatiently(where.redisUrl);
  const store = openStore(redis, where.fleet);
  const stopping = new AbortController();
  const done = follow();
  return {
    async stop() {
      stopping.abort();
      redis.disconnect();
      await done;
    },
  };

  async function follow(): Promise<void> {
    let after = where.from === "$" ? await lastId() : where.from;
    while (!stopping.signal.aborted) {
      try {
        const { events, last } = await readNext(store, where.stream, after, BLOCK_MS);
        for (const timed of events) {
          after = timed.id;
          onEvent(timed);
        }
        after = last;
      } catch {
        // Redis is away, or we are being stopped; the stream keeps what we miss meanwhile.
        if (!stopping.signal.aborted)
          await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_ERROR_MS));
      }
    }
  }

  async function lastId(): Promise<string> {
    const stream = where.stream === "fleet" ? store.keys.fleetEvents : store.keys.events(where.stream);
    const [newest] = await redis.xrevrange(stream, "+", "-", "COUNT", 1).catch(() => []);
    return newest?.[0] ?? "0";
  }
}
