import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { FormatMemory, Llm, LlmRequest, ResponseFormat, Route } from "../../src/llm/port.ts";
import { NO_LIMITS } from "../../src/domain/route.ts";
import { NO_OVERRIDES, priceOf } from "../../src/llm/prices.ts";
import { routeFromSettings } from "../../src/llm/routes.ts";

export const KEY = "sk-simulated-0123456789";

/** A route with timeouts that a test can wait for, to any address. */
export function aRoute(baseUrl: string, changes: Partial<Omit<Route, "id" | "provider">> = {}): Route {
  const price = priceOf("simulated-writer", null, NO_OVERRIDES);
  if (price === null) throw new Error("The simulated writer has no price.");
  return routeFromSettings({
    baseUrl,
    apiKey: KEY,
    model: "simulated-writer",
    responseFormat: "auto",
    stream: false,
    timeouts: { connectMs: 2_000, idleMs: 5_000, totalMs: 20_000 },
    price,
    limits: NO_LIMITS,
    ...changes,
  });
}

export function aQuestion(changes: Partial<LlmRequest> = {}): LlmRequest {
  return {
    messages: [
      { role: "system", content: "You write short reports in Markdown." },
      {
        role: "user",
        content: "Topic: District heating\nPlants: 14\nWrite about 200 words. [[contract/draft]]",
      },
    ],
    maxOutputTokens: 2_000,
    ...changes,
  };
}

export const FINDINGS = {
  name: "findings",
  schema: {
    type: "object",
    properties: {
      summary: { type: "string" },
      findings: { type: "array", items: { type: "string" }, minItems: 2, maxItems: 4 },
    },
    required: ["summary", "findings"],
    additionalProperties: false,
  },
};

export async function answered(llm: Llm, route: Route, request: LlmRequest) {
  const asked = await llm.ask(route, request, new AbortController().signal);
  if (asked.outcome !== "answered") throw new Error(`Expected an answer, got ${JSON.stringify(asked)}`);
  return asked;
}

export async function failed(llm: Llm, route: Route, request: LlmRequest, signal?: AbortSignal) {
  const asked = await llm.ask(route, request, signal ?? new AbortController().signal);
  if (asked.outcome !== "failed") throw new Error(`Expected a failure, got ${JSON.stringify(asked)}`);
  return asked;
}

/** A server that does exactly what the test says, for what the simulated provider would never do. */
export async function startServer(
  listener: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
): Promise<{ url: string; requests: () => number } & AsyncDisposable> {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    void listener(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export function completion(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "simulated-writer",
    choices: [
      { index: 0, message: { role: "assistant", content: "A text.", refusal: null }, finish_reason: "stop" },
    ],
    usage: { prompt_tokens: 40, completion_tokens: 10, total_tokens: 50 },
    ...changes,
  };
}

/** What a fleet-wide memory does, kept in the test's own hands. */
export function aFormatMemory(): FormatMemory & { known: Map<string, ResponseFormat> } {
  const known = new Map<string, ResponseFormat>();
  return {
    known,
    async recall(routeId) {
      return known.get(routeId) ?? null;
    },
    async remember(routeId, format) {
      known.set(routeId, format);
    },
  };
}
