import { expect, test } from "vitest";
import { nestHeadings } from "../../../src/report-types/nest-headings.ts";

test("a model's headings stand below the heading of their section, at the same distances", () => {
  expect(nestHeadings("# A\n\ntext\n\n### B\n\n# C", 3)).toBe("### A\n\ntext\n\n##### B\n\n### C");
  expect(nestHeadings("#### A", 3)).toBe("### A");
  expect(nestHeadings("# A\n\n##### B", 4)).toBe("#### A\n\n###### B");
});

test("a comment in a code block is no heading", () => {
  const code = "# A\n\n```sh\n# install\n```\n";
  expect(nestHeadings(code, 2)).toBe("## A\n\n```sh\n# install\n```\n");
});

test("a text without headings stays as it is", () => {
  expect(nestHeadings("#hashtag is no heading", 2)).toBe("#hashtag is no heading");
});

test("a text of nothing but headings is nested like any other", () => {
  expect(nestHeadings("# a\n".repeat(300_000), 2).startsWith("## a\n## a\n")).toBe(true);
});
