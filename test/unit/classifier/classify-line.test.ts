import { describe, expect, test } from "vitest";
import { classifyLine } from "../../../src/classifier/classify-line.ts";

const RATE_LIMITED = {
  id: "a",
  surface: "http",
  stage: "generate",
  http: { status: 429, headers: { "retry-after": "12" }, body: null },
};

function ask(line: unknown, explain = false) {
  return classifyLine(typeof line === "string" ? line : JSON.stringify(line), { explain });
}

test("a line of evidence gets one answer with stable fields", () => {
  expect(ask(RATE_LIMITED)).toEqual({
    id: "a",
    kind: "transient",
    code: "rate_limited",
    retryable: true,
    cooldownMs: 12_000,
    fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) as unknown,
  });
});

test("explaining names the rule, what the fleet would do and what it costs", () => {
  expect(ask(RATE_LIMITED, true)).toMatchObject({
    rule: "status-429",
    verdict:
      "Rule status-429: transient, rate_limited. Waits 12 s, spending no attempt and no money (rate limited by the provider, which asked for 12 s).",
  });
});

test("a parse case also says what can be recovered, and that it is free", () => {
  const line = { surface: "parse", stage: "parse", text: '{"a": 1,}', schemaHint: "object {a: number}" };
  expect(ask(line)).toMatchObject({ id: null, kind: "contract", salvaged: { ok: true, value: { a: 1 } } });
  expect(ask(line, true)).toMatchObject({
    verdict: expect.stringContaining("nothing more is paid") as unknown,
  });
  expect(ask({ ...line, text: '{"a": ' })).toMatchObject({ salvaged: { ok: false } });
});

test("a parse case that was cut by its length is not recovered", () => {
  const completion = { choices: [{ message: { content: "" }, finish_reason: "length" }] };
  expect(ask({ surface: "parse", stage: "parse", text: '{"a": 1}', completion })).toMatchObject({
    code: "truncated",
    salvaged: { ok: false },
  });
});

test("other surfaces have no word about salvage", () => {
  expect(ask(RATE_LIMITED)).not.toHaveProperty("salvaged");
});

describe("a line that is no failure is told apart from one", () => {
  test.each([
    ["{broken", /no JSON/],
    ["", /no JSON/],
    ["[1]", /an array/],
    ["null", /null/],
    ['"x"', /a string/],
  ])("%j", (line, problem) => {
    expect(ask(line)).toEqual({ error: expect.stringMatching(problem) as unknown });
  });

  test("the error does not repeat what was on the line", () => {
    expect(JSON.stringify(ask('{"key": sk-secret-value'))).not.toContain("secret");
  });
});
