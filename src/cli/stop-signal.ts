/** How a process that runs until it is told to end is told. */
import { EXIT } from "./exit-codes.ts";

/** A terminal's Ctrl-C reaches us and whoever started us, who hands it on: that is one wish and not two. */
const SAME_WISH_MS = 500;

/**
 * The first signal; the next one ends the process at once, since stopping may wait for a Redis that does not come back.
 * `atOnce` does what must be done before that.
 */
export function stopSignal(atOnce: () => void = () => undefined): Promise<NodeJS.Signals> {
  let firstAt: number | null = null;
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => {
        firstAt ??= performance.now();
        resolve(signal);
        if (signal === "SIGHUP" || performance.now() - firstAt <= SAME_WISH_MS) return;
        atOnce();
        process.exit(EXIT.interrupted);
      });
    // A pool that dies takes its replicas along: they hand their work on as if it had told them to. The line to it is no
    // reason to live on.
    if (process.connected) process.once("disconnect", () => resolve("SIGHUP"));
    process.channel?.unref();
  });
}
