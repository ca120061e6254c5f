import { describe, expect, test } from "vitest";
import { classify } from "../../../src/classifier/classify.ts";
import { fingerprintOf, normalised } from "../../../src/classifier/fingerprint.ts";

function print(status: number, message: string): string {
  return classify({
    surface: "http",
    stage: "generate",
    http: { status, headers: {}, body: { error: { message } } },
  }).fingerprint;
}

function mismatch(path: string): string {
  return classify({
    surface: "domain",
    stage: "parse",
    text: "{}",
    domain: { code: "schema_mismatch", message: `${path} is missing`, path },
  }).fingerprint;
}

describe("equal troubles form one group", () => {
  test.each([
    [
      "numbers differ",
      "prompt is too long: 209752 tokens > 200000 maximum",
      "prompt is too long: 9 tokens > 8 maximum",
    ],
    [
      "ids differ",
      "The server had an error (request req_0a1b2c3d4e5f)",
      "The server had an error (request req_9f8e7d6c5b4a)",
    ],
    [
      "a customer's words differ",
      'The server had an error near "Acme Ltd"',
      'The server had an error near "Zeta Inc"',
    ],
    [
      "addresses differ",
      "The server had an error, see https://a.example/1",
      "The server had an error, see https://b.example/2?x=3",
    ],
  ])("%s", (_, one, other) => {
    expect(print(500, one)).toBe(print(500, other));
  });

  test("the same failure has the same print in every process", () => {
    expect(fingerprintOf("contract", "malformed_json", "The model's JSON is malformed.")).toMatch(
      /^[0-9a-f]{16}$/,
    );
    expect(normalised("The model's JSON is malformed.")).toBe("the model's json is malformed.");
  });

  test("failing paths keep schema mismatches apart, whatever their index", () => {
    expect(mismatch("$.items[1].price")).toBe(mismatch("$.items[7].price"));
    expect(mismatch("$.items[1].price")).not.toBe(mismatch("$.summary"));
  });
});

test("different troubles are different groups", () => {
  const prints = [
    print(500, "The server had an error"),
    print(400, "prompt is too long"),
    print(401, "Invalid API key"),
    print(400, "x"),
  ];
  expect(new Set(prints).size).toBe(prints.length);
});
