/** An answer in the two forms it is sent in: one JSON body, or the events of a stream. */
import type { TokenUsage } from "../../domain/call.ts";
import type { SimulatedAnswer } from "./answers.ts";

export interface WireCompletion {
  n: number;
  at: number;
  model: string;
  answer: SimulatedAnswer;
  usage: "true" | "missing" | "negative";
}

const CHARS_PER_EVENT = 48;

export function completionBody(completion: WireCompletion): string {
  const { content, refusal, finishReason } = completion.answer;
  return JSON.stringify({
    ...head(completion, "chat.completion"),
    choices: [
      {
        index: 0,
        message: { role: "assistant", content, refusal },
        logprobs: null,
        finish_reason: finishReason,
      },
    ],
    ...usageOf(completion),
  });
}

export function streamEvents(completion: WireCompletion, includeUsage: boolean): string[] {
  const { content, refusal, finishReason } = completion.answer;
  const deltas: unknown[] = [{ role: "assistant", content: content === null ? null : "" }];
  for (const part of portions(content ?? "")) deltas.push({ content: part });
  for (const part of portions(refusal ?? "")) deltas.push({ refusal: part });
  const chunks: unknown[] = deltas.map((delta) =>
    chunk(completion, [{ index: 0, delta, finish_reason: null }]),
  );
  chunks.push(chunk(completion, [{ index: 0, delta: {}, finish_reason: finishReason }]));
  if (includeUsage) chunks.push({ ...chunk(completion, []), ...usageOf(completion) });
  return [...chunks.map((value) => `data: ${JSON.stringify(value)}\n\n`), "data: [DONE]\n\n"];
}

function portions(text: string): string[] {
  // By code points: half an emoji is no valid event.
  const characters = Array.from(text);
  const parts: string[] = [];
  for (let at = 0; at < characters.length; at += CHARS_PER_EVENT)
    parts.push(characters.slice(at, at + CHARS_PER_EVENT).join(""));
  return parts;
}

function chunk(completion: WireCompletion, choices: unknown[]): Record<string, unknown> {
  return { ...head(completion, "chat.completion.chunk"), choices };
}

function head({ n, at, model }: WireCompletion, object: string): Record<string, unknown> {
  return { id: `chatcmpl-simulated-${n}`, object, created: Math.floor(at / 1_000), model };
}

function usageOf({ answer, usage }: WireCompletion): { usage?: unknown } {
  switch (usage) {
    case "missing":
      return {};
    case "negative":
      return { usage: { prompt_tokens: -1, completion_tokens: -1, total_tokens: -2 } };
    case "true":
      return { usage: asUsage(answer.tokens) };
  }
}

function asUsage(tokens: TokenUsage): unknown {
  return {
    prompt_tokens: tokens.inputTokens,
    completion_tokens: tokens.outputTokens,
    total_tokens: tokens.inputTokens + tokens.outputTokens,
    prompt_tokens_details: { cached_tokens: tokens.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: tokens.reasoningTokens },
  };
}
