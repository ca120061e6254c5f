/**
 * `npm start`: the whole main job on this machine, beside a Redis of its own.
 *
 *     npm start -- --once                    ends when the sample reports are delivered
 *     npm start -- --live --max-usd 0.5      asks the provider of OPENAI_BASE_URL, and stops at the limit
 *
 * What is opened is closed in reverse order, whether the demo ended, failed or was interrupted.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadConfig } from "../src/config.ts";
import { openRedis } from "./redis/open-redis.ts";

const INTERRUPTED = 130;

const { values: options } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    live: { type: "boolean", default: false },
    "max-usd": { type: "string", default: "0.50" },
  },
});

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    // Whoever asks twice does not want to wait for calls in flight.
    if (interrupted.signal.aborted) process.exit(INTERRUPTED);
    interrupted.abort();
  });
}

const say = (line: string): void => console.error(line);
const config = loadConfig();
const redis = await openRedis({ url: config.redisUrl, dir: join(config.dataDir, "redis"), say });
try {
  say(`Redis: ${redis.origin}`);
  // The fleet lives between the opening and the closing of Redis: it gets redis.url, the options and the signal.
  if (!options.once) await new Promise((resolve) => interrupted.signal.addEventListener("abort", resolve));
} finally {
  await redis.close();
}
