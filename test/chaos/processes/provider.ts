/**
 * The simulated provider as a process of its own. It tells the supervisor of every request that arrives and ends, so that
 * the supervisor knows how many were in flight when it hit somebody; what it billed stands in its ledger.
 */
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  startSimulatedProvider,
  type SimulatedProviderOptions,
} from "../../../src/llm/simulated-provider.ts";

export type FromProvider = { url: string } | { by: string; change: 1 | -1 };

const options = JSON.parse(process.argv[2] ?? "{}") as SimulatedProviderOptions;

function tell(message: FromProvider): void {
  // The supervisor may be gone; then nobody counts any more.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

subscribe("http.server.request.start", (message) => {
  const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
  const by = request.headers["x-asked-by"]?.toString();
  if (by === undefined) return;
  tell({ by, change: 1 });
  response.once("close", () => tell({ by, change: -1 }));
});

const provider = await startSimulatedProvider(options);
process.on("disconnect", () => process.exit(0));
tell({ url: provider.url });
