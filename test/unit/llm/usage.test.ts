import { expect, test } from "vitest";
import { tokensFromUsage } from "../../../src/llm/usage.ts";

test("cached and reasoning tokens are read as parts of input and output", () => {
  expect(
    tokensFromUsage({
      prompt_tokens: 100,
      completion_tokens: 50,
      total_tokens: 150,
      prompt_tokens_details: { cached_tokens: 64 },
      completion_tokens_details: { reasoning_tokens: 30 },
    }),
  ).toEqual({ inputTokens: 100, cachedInputTokens: 64, outputTokens: 50, reasoningTokens: 30 });
});

test("reasoning that a provider counts in the total only is output that is paid for", () => {
  const usage = {
    prompt_tokens: 100,
    completion_tokens: 50,
    total_tokens: 350,
    completion_tokens_details: { reasoning_tokens: 200 },
  };
  expect(tokensFromUsage(usage)).toMatchObject({ outputTokens: 250, reasoningTokens: 200 });
});

test("details that are null say nothing, and nothing is wrong with that", () => {
  const usage = { prompt_tokens: 7, completion_tokens: 3, prompt_tokens_details: null, total_tokens: null };
  expect(tokensFromUsage(usage)).toMatchObject({ inputTokens: 7, cachedInputTokens: 0, outputTokens: 3 });
});

test.each([
  ["missing", undefined],
  ["null", null],
  ["a word", "12 tokens"],
  ["negative", { prompt_tokens: -1, completion_tokens: 5 }],
  ["not a number", { prompt_tokens: Number.NaN, completion_tokens: 5 }],
  ["a fraction", { prompt_tokens: 1.5, completion_tokens: 5 }],
  ["text", { prompt_tokens: "100", completion_tokens: "5" }],
  ["larger than any model", { prompt_tokens: 1e15, completion_tokens: 5 }],
  ["all zero", { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
  [
    "more cached than sent",
    { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 11 } },
  ],
])("usage that is %s counts as missing, so that the upper estimate is booked", (_name, usage) => {
  expect(tokensFromUsage(usage)).toBeNull();
});
