import type { Answer } from "../../src/domain/call.ts";
import type { Unanswered } from "../../src/store/call-outcomes.ts";
import { A_FAILURE } from "./store-for-tests.ts";

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

/** A request that brought none, refused and unbilled unless said. */
export function noAnswer(what: Partial<Unanswered> = {}): Unanswered {
  return { billing: "not_billed", failure: A_FAILURE, elapsedMs: 5, stayAwayMs: 0, ...what };
}
