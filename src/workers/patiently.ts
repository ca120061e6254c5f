/** Repeats what the store must be told until it is told; every script of ours may be sent again. */
import { setTimeout as pause } from "node:timers/promises";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** Only the end of the process ends the trying; then the error is thrown and another process goes on from the store. */
export async function patiently<T>(signal: AbortSignal, tell: () => Promise<T>): Promise<T> {
  for (let waitMs = FIRST_PAUSE_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await tell();
    } catch (error) {
      if (signal.aborted) throw error;
      await pause(waitMs);
    }
  }
}
