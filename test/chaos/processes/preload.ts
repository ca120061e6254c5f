/**
 * Loaded before the product in each of its processes (`node --import`), so that the product itself knows nothing of it:
 *
 * - requests to the provider say which process asked (`x-asked-by`);
 * - the supervisor may set this process's clock, and may block its event loop.
 */
import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest } from "node:http";

const name = process.env["CHAOS_NAME"] ?? "";
delete process.env["CHAOS_NAME"];

subscribe("http.client.request.created", (message) => {
  const { request } = message as { request: ClientRequest };
  if (request.path.endsWith("/chat/completions")) request.setHeader("x-asked-by", name);
});

let skewMs = 0;
const trueNow = Date.now.bind(Date);
Date.now = () => trueNow() + skewMs;

export type ToProcess = { skewMs: number } | { blockMs: number };

process.on("message", (wish: ToProcess) => {
  if ("skewMs" in wish) skewMs = wish.skewMs;
  else {
    const until = performance.now() + wish.blockMs;
    while (performance.now() < until);
  }
  process.send?.(wish);
});
// Whatever became of the supervisor, its fleet does not outlive it.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// The wishes of a supervisor must not keep a process alive that has been told to stop.
process.channel?.unref();
