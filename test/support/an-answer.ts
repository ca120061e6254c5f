import type { Answer } from "../../src/domain/call.ts";

/** An answer as a provider would bring it, where only some of it matters. */
export function anAnswer(what: Partial<Answer>): Answer {
  return {
    text: "text",
    finishReason: "stop",
    refusal: null,
    model: "m",
    route: "r",
    requestId: null,
    usage: null,
    tokens: { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1, reasoningTokens: 0 },
    micros: 1,
    exact: true,
    priceTable: "test",
    elapsedMs: 1,
    ...what,
  };
}
