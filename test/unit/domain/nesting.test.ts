import { expect, test } from "vitest";
import { isNestedTooDeeply } from "../../../src/domain/nesting.ts";

test.each([
  ["an honest answer", '{"choices":[{"message":{"content":"[[[["}}]}', false],
  ["brackets in a long string", JSON.stringify({ text: '[{"'.repeat(10_000) }), false],
  ["many lists side by side", `[${"[],".repeat(10_000)}[]]`, false],
  ["two hundred levels", "[".repeat(200), false],
  ["a hundred thousand lists", "[".repeat(100_000), true],
  ["a hundred thousand objects", '{"a":'.repeat(100_000), true],
])("%s", (_, text, deep) => {
  expect(isNestedTooDeeply(text)).toBe(deep);
});
