/**
 * Texts made to be slow to read. What reads a stranger's text takes about twice as long for twice as much of it, not four
 * times, as a pattern would that tries everything from everywhere. Ratios of this process's own time, so that a busy machine
 * is no failure.
 */
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { classify } from "../../src/classifier/classify.ts";
import { classifyLine } from "../../src/classifier/classify-line.ts";
import { normalised } from "../../src/classifier/fingerprint.ts";
import { redact } from "../../src/classifier/message.ts";
import { salvage } from "../../src/classifier/salvage.ts";
import { parseSearch } from "../../src/console/search.ts";
import { isNestedTooDeeply } from "../../src/domain/nesting.ts";
import { estimateTextTokens } from "../../src/llm/token-estimate.ts";
import { checkOutput } from "../../src/report-types/check-output.ts";
import { text } from "../../src/report-types/define-report.ts";
import { nestHeadings } from "../../src/report-types/nest-headings.ts";
import { renderHtml } from "../../src/report-types/render.ts";

const SMALL = 32_768;
/** Growth like n log n passes, growth like n² does not. What is read within the floor at twice the size is fast enough. */
const MOST_GROWTH = 3.2;
const FLOOR_MS = 150;
/** Nobody has to wait three times for what is this slow. */
const SURELY_SLOW_MS = 1_000;
const TRIES = 3;

const report = { id: "rp-0123456789abcdefghijklmno", type: "topic-report" } as const;
const schema = z.toJSONSchema(z.object({ points: z.array(z.string()), note: z.string().optional() }));

/** Whoever reads what a provider, a model, a customer or somebody at the console wrote. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  "an error's body": (body) => classify(http(400, body)),
  "an error's message": (message) =>
    classify(http(429, { error: { message, code: message, type: message } })),
  "a header that names a wait": (wait) =>
    classify(http(429, "", { "retry-after": wait, "x-ratelimit-reset": wait })),
  "a network error": (message) =>
    classify({
      surface: "network",
      stage: "generate",
      node: { name: message, code: message, message, cause: null },
    }),
  "an answer without sense": (content) =>
    classify({
      surface: "completion",
      stage: "generate",
      completion: { choices: [{ message: { content, refusal: content }, finish_reason: content }] },
    }),
  "a line of evidence": (line) => classifyLine(line, { explain: false }),
  "a message to be grouped": normalised,
  "a message to be shown": redact,
  "a model's JSON": (json) => salvage(json, schema, "stop"),
  "a model's text": (prose) => checkOutput(text({ minChars: 10 }), prose, "stop"),
  "a response before it is parsed": isNestedTooDeeply,
  "a prompt to be counted": estimateTextTokens,
  "a section's headings": (markdown) => nestHeadings(markdown, 2),
  "a document": (markdown) => renderHtml({ title: "", markdown, report, date: "", provenance: [] }),
  "a search": parseSearch,
};

function http(status: number, body: unknown, headers: Record<string, string> = {}) {
  return { surface: "http", stage: "generate", http: { status, headers, body } } as const;
}

/** Pieces to repeat: what the patterns look for, broken off, doubled or never closed. */
const PUMPS = [
  ...Array.from(` \t\na0.,:;-_/\\"'\`~*#|!=&<>(){}[]@%é`),
  ...'\r\n|{"|":|[{|}]|\\"|\\u|```|```\n|~~~\n|<think>|</think>|<a |<!--|data: |data: {}\n\n|event: x\n'.split(
    "|",
  ),
  ...'{"a":|[1,|,]|//|/*|*/|1.|1e|-1|0x|a.|a@|a:|://|http://a/|sk-a|Bearer |key=|error: |Error: \n|at a (b:1:1)\n'.split(
    "|",
  ),
  ..."try again in 1|1s |1h1m|1ms, |reset after |in 9 |\n> |\n- |\n# |\n1. |![](|[a](|[a]: |**a|__a|<b>|&#|&amp;|\\[|\\\n|$$".split(
    "|",
  ),
  ...'\u200b|\ud800|é̀|😀|a\u0000|status:|tag.a:|cost:>|"a |length |max_tokens|context'.split("|"),
];

/** Time of this process alone: others on the machine do not count. */
function bestOf(read: (text: string) => unknown, given: string): number {
  let best = Number.POSITIVE_INFINITY;
  for (let time = 0; time < TRIES && best > FLOOR_MS && !(best > SURELY_SLOW_MS && time > 0); time++) {
    const before = process.cpuUsage();
    read(given);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1_000);
  }
  return best;
}

function growth(read: (text: string) => unknown, of: (length: number) => string): string | null {
  const twice = bestOf(read, of(2 * SMALL));
  if (twice <= FLOOR_MS) return null;
  const once = bestOf(read, of(SMALL));
  return twice > once * MOST_GROWTH ? `${once.toFixed(0)} ms, then ${twice.toFixed(0)} ms` : null;
}

describe.each(Object.entries(READERS))("%s", (_, read) => {
  test("takes twice the time for twice the text, whatever the text repeats", () => {
    const slow = PUMPS.flatMap((pump) => {
      const filled = (length: number) => pump.repeat(Math.ceil(length / pump.length));
      const found = growth(read, filled) ?? growth(read, (length) => `${filled(length)}\u0001x`);
      return found === null ? [] : [`${JSON.stringify(pump)}: ${found}`];
    });
    expect(slow).toEqual([]);
  });

  test("a megabyte of everything is read, and nothing breaks", () => {
    const each = Math.ceil(1_048_576 / PUMPS.length);
    const everything = PUMPS.map((pump) => pump.repeat(Math.ceil(each / pump.length))).join("");
    expect(() => read(everything)).not.toThrow();
  });
});
