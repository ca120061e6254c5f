import { expect, test } from "vitest";
import { estimateTextTokens, estimateTokens } from "../../../src/llm/token-estimate.ts";

test("English prose is estimated above what a tokenizer counts, but not by half again", () => {
  // 44 characters, 9 words, 10 tokens in the vocabularies of OpenAI.
  const text = "The quick brown fox jumps over the lazy dog.";
  expect(estimateTextTokens(text)).toBeGreaterThanOrEqual(10);
  expect(estimateTextTokens(text)).toBeLessThanOrEqual(15);
});

test("a character of another script counts as a token, and an emoji as two", () => {
  expect(estimateTextTokens("供热系统")).toBe(4);
  expect(estimateTextTokens("тепло")).toBe(5);
  expect(estimateTextTokens("🔥")).toBe(2);
});

test("an empty prompt still costs its frame, and each message adds to it", () => {
  const empty = { role: "user", content: "" } as const;
  expect(estimateTokens([])).toBeGreaterThan(0);
  expect(estimateTokens([empty, empty])).toBeGreaterThan(estimateTokens([empty]));
});
