import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkOutput } from "../../../src/report-types/check-output.ts";
import { json, text } from "../../../src/report-types/define-report.ts";

const prose = "Rivers carry more than water. They carry the land they cross.";
const fence = "```";

function codeOf(output: unknown, finishReason?: string | null): string {
  const checked = checkOutput(text({ minChars: 20 }), output, finishReason);
  return checked.ok ? "ok" : checked.code;
}

describe("a customer is not charged for a text that", () => {
  test.each<[string, unknown, string | null | undefined, string]>([
    ["was cut off", prose, "length", "truncated"],
    ["was filtered", prose, "content_filter", "unfinished"],
    ["ended without a word why", prose, null, "unfinished"],
    ["is too short", "Rivers.", "stop", "text_too_short"],
    ["is blanks", " ".repeat(50), "stop", "text_too_short"],
    ["is controls", "\u0000".repeat(50), "stop", "text_too_short"],
    ["is halves of characters", "\ud800".repeat(50), "stop", "text_too_short"],
    ["is invisible", `Rivers.${"\u200b".repeat(50)}`, "stop", "text_too_short"],
    ["ends inside a code block", `${prose}\n\n${fence}js\nlet a`, "stop", "unclosed_fence"],
    ["closes a code block with other signs", `${prose}\n${fence}\na\n~~~`, "stop", "unclosed_fence"],
    ["is a JSON object", JSON.stringify({ report: prose }), "stop", "json_wrapper"],
    ["is a JSON list", JSON.stringify([prose, prose]), "stop", "json_wrapper"],
    [
      "is JSON in a code block",
      `${fence}json\n${JSON.stringify({ report: prose })}\n${fence}`,
      "stop",
      "json_wrapper",
    ],
    ["is broken JSON", `{"report": "${prose}",}`, "stop", "json_wrapper"],
    ["is no text", { report: prose }, undefined, "schema_mismatch"],
  ])("%s", (_, output, finishReason, code) => {
    expect(codeOf(output, finishReason)).toBe(code);
  });
});

describe("a text is accepted that", () => {
  test.each<[string, string]>([
    ["is prose", prose],
    ["has lines and characters of two halves", `Rivers 🏞️\n\tcarry\nmore than water.`],
    ["quotes JSON", `${prose}\n\n${fence}json\n{"a":1}\n${fence}`],
    ["has a code block inside a list", `${prose}\n\n1. Run\n\n    ${fence}sh\n    ls\n    ${fence}`],
    ["has a longer fence around a shorter one", `${prose}\n\n${fence}${fence}\n${fence}\n${fence}${fence}`],
    ["names three backticks in a line", `${prose}\n\n${fence}inline${fence} is code.`],
    ["begins with a link", `[Rivers](https://example.org) carry more than water.`],
    ["begins with a brace", "{name} is the placeholder that the letter begins with."],
  ])("%s", (_, output) => {
    expect(codeOf(output, "stop")).toBe("ok");
  });
});

test("a text that came wrapped in a Markdown block is delivered without the wrapper", () => {
  const checked = checkOutput(text(), `${fence}markdown\n# Rivers\n\n${prose}\n${fence}`, "stop");
  expect(checked).toEqual({ ok: true, value: `# Rivers\n\n${prose}` });
});

test("what nobody finished just now, such as a person's edit, is judged without a finish reason", () => {
  expect(codeOf(prose)).toBe("ok");
});

test("a person sees each failing path of a value, the first one first", () => {
  const contract = json(
    "o",
    z.object({ score: z.int().max(10), parts: z.array(z.object({ name: z.string() })) }),
  );
  expect(checkOutput(contract, { score: 3, parts: [] })).toEqual({
    ok: true,
    value: { score: 3, parts: [] },
  });
  const checked = checkOutput(contract, { score: 11, parts: [{}] });
  expect(checked).toMatchObject({ ok: false, code: "schema_mismatch", path: "score" });
  expect(checked.ok ? [] : checked.problems.map((problem) => problem.path)).toEqual([
    "score",
    "parts[0].name",
  ]);
});
