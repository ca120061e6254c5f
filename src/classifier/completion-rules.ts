/**
 * A success status with a poor answer: the provider billed it, the model did not keep the contract. Only a server that
 * says it died, or a stream that never said it ended, is transient.
 */
import type { CompletionFacts } from "./read-completion.ts";
import type { Reading } from "./reading.ts";
import type { Rule } from "./rule.ts";
import { isCutByLength } from "./salvage.ts";

const SERVER_GAVE_UP =
  /^(?:error|insufficient_system_resource|network_error|server_error|internal_error|abort(?:ed)?|cancell?ed|timeout|unknown_error|finish_reason_unspecified|other_error)$/;
const FILTERED =
  /content_?filter|safety|recitation|blocklist|prohibited|spii|sensitive|guardrail|moderation|censored|image_safety|language/;

/** "I'm sorry, I cannot assist with that request." in the place of an answer; a long text is an answer that says sorry. */
const REFUSAL_TEXT =
  /^\W{0,5}(?:i['’]?m (?:very |really |so )?sorry|i am sorry|sorry|i apologi[sz]e|unfortunately|as an ai|i (?:can(?:not|['’]t| not)|am unable|['’]m unable|won['’]t|will not|must decline))\b/i;

export function readsAsRefusal(text: string): boolean {
  const start = text.trim();
  return (
    start.length < 600 &&
    REFUSAL_TEXT.test(start) &&
    /can(?:not|['’]t| not)|unable|won['’]t|will not|decline|not able|against/i.test(start)
  );
}

function answer(reading: Reading, when: (facts: CompletionFacts) => boolean): boolean {
  return reading.completion !== null && when(reading.completion);
}

function finished(reading: Reading, pattern: RegExp): boolean {
  return answer(reading, (facts) => facts.finishReason !== null && pattern.test(facts.finishReason));
}

// oxfmt-ignore
export const COMPLETION_RULES: readonly Rule[] = [
  // A base URL that points at a web interface: a page with status 200
  { name: "page-in-place-of-answer", code: "endpoint_wrong", when: (reading) => answer(reading, (facts) => facts.shape === "page") },
  // The client's parse helper: LengthFinishReasonError, ContentFilterFinishReasonError
  { name: "length-error-class", code: "truncated", when: ({ chain }) => chain.some((link) => /LengthFinishReason/.test(link.name) || /length limit was reached/i.test(link.message)) },
  { name: "filter-error-class", code: "output_filtered", when: ({ chain }) => chain.some((link) => /ContentFilterFinishReason/.test(link.name)) },
  // Gemini: {promptFeedback: {blockReason: "SAFETY"}}
  { name: "prompt-blocked", code: "input_rejected", when: (reading) => answer(reading, (facts) => facts.promptBlocked) },
  // OpenRouter finish_reason "error", DeepSeek "insufficient_system_resource"
  { name: "server-gave-up", code: "provider_error", when: (reading) => finished(reading, SERVER_GAVE_UP) },
  { name: "refusal-field", code: "refused", when: (reading) => answer(reading, (facts) => facts.refusal) || finished(reading, /^refusal$/) },
  { name: "filtered-while-writing", code: "output_filtered", when: (reading) => finished(reading, FILTERED) },
  // OpenAI "length" (also with empty content: all went to reasoning), Anthropic "max_tokens", z.ai "model_context_window_exceeded"
  { name: "cut-by-length", code: "truncated", when: (reading) => answer(reading, (facts) => isCutByLength(facts.finishReason)) },
  { name: "model-call-malformed", code: "invalid_generation", when: (reading) => finished(reading, /malformed|unexpected_tool/) },
  { name: "tool-call-not-offered", code: "unexpected_tool_call", when: (reading) => answer(reading, (facts) => facts.content.trim() === "" && (facts.toolCall || /^tool|function_call/.test(facts.finishReason ?? ""))) },
  // A gateway that swallowed its upstream's error: 200 with choices null
  { name: "choices-lost", code: "provider_error", when: (reading) => answer(reading, (facts) => facts.choices === "null" || (facts.shape === "answer" && facts.choices === "absent")) },
  // Gemini's compatible endpoint: choices [] where the answer was blocked
  { name: "no-choices", code: "empty_answer", when: (reading) => answer(reading, (facts) => facts.choices === "empty") },
  { name: "stream-without-end", code: "response_cut", when: (reading) => answer(reading, (facts) => (facts.streamed || reading.stream) && facts.shape === "answer" && facts.finishReason === null) },
  { name: "body-cut", code: "response_cut", when: (reading) => answer(reading, (facts) => facts.shape === "cut_body") },
  // A success status and not one byte: the connection ended between headers and body.
  { name: "empty-body", code: "response_cut", when: (reading) => reading.succeeded && answer(reading, (facts) => facts.shape === "nothing") },
  { name: "empty-content", code: "empty_answer", when: (reading) => answer(reading, (facts) => facts.shape === "answer" && facts.content.trim() === "") },
  { name: "ended-without-reason", code: "response_cut", when: (reading) => answer(reading, (facts) => facts.shape === "answer" && facts.finishReason === null) },
  { name: "refusal-in-words", code: "refused", when: (reading) => answer(reading, (facts) => facts.shape === "answer" && readsAsRefusal(facts.content)) },
  { name: "answer-not-usable", code: "unusable_text", when: (reading) => answer(reading, (facts) => facts.shape === "answer") },
  // {"status": "ok"}: some other service lives at this address
  { name: "not-a-completion", code: "endpoint_wrong", when: (reading) => answer(reading, (facts) => facts.shape === "foreign" && reading.layers.length === 0) },
];
