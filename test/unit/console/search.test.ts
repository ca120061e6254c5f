import { expect, test } from "vitest";
import { parseSearch } from "../../../src/console/search.ts";

test("words are searched as they stand, and marks narrow what is searched", () => {
  expect(parseSearch("")).toEqual({ sought: {}, misread: [] });
  expect(parseSearch("  missing   field ").sought).toEqual({ text: "missing field" });
  expect(
    parseSearch('status:needs_review kind:contract type:topic-report account:acme "a: b" c').sought,
  ).toEqual({
    status: "needs_review",
    kind: "contract",
    type: "topic-report",
    account: "acme",
    text: "a: b c",
  });
  expect(parseSearch('tag.order:17 tag.order:"A 18"').sought).toEqual({
    tag: { name: "order", value: "A 18" },
  });
  expect(parseSearch("cost:>1.50").sought).toEqual({ overMicros: 1_500_000 });
  expect(parseSearch("cost:>0").sought).toEqual({ overMicros: 1 });
});

test("a mark that means nothing is named and left out, and the rest is searched all the same", () => {
  const { sought, misread } = parseSearch("status:done colour:red cost:1 topic");
  expect(sought).toEqual({ text: "topic" });
  expect(misread).toEqual(["status:done", "colour:red", "cost:1"]);
});

test("whatever is typed is read in no time", () => {
  const startedAt = performance.now();
  for (const text of [
    '"'.repeat(500),
    "a:".repeat(250),
    "tag.".repeat(120),
    " ".repeat(500),
    `${"a".repeat(499)}:`,
  ])
    parseSearch(text);
  expect(performance.now() - startedAt).toBeLessThan(200);
});
