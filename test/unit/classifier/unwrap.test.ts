import { describe, expect, test } from "vitest";
import { classify } from "../../../src/classifier/classify.ts";
import { unwrap } from "../../../src/classifier/unwrap.ts";

const TOO_LONG = {
  type: "error",
  error: { type: "invalid_request_error", message: "prompt is too long: 9 tokens > 8 maximum" },
};

function innermost(body: unknown): string | undefined {
  return unwrap(body).at(-1)?.message;
}

describe("what was said innermost is found in every wrapping", () => {
  test.each([
    ["the usual envelope", { error: { message: "deep" } }],
    ["a flat body", { object: "error", message: "deep", code: 400 }],
    ["a string for an error", { error: "deep" }],
    ["an array", [{ error: { message: "deep" } }]],
    ["JSON in a message", { error: { message: JSON.stringify({ error: { message: "deep" } }), code: 400 } }],
    [
      "metadata.raw as JSON",
      { error: { message: "outer", metadata: { raw: JSON.stringify({ error: { message: "deep" } }) } } },
    ],
    ["metadata.raw as text", { error: { message: "outer", metadata: { raw: "deep" } } }],
    [
      "JSON behind a sentence",
      { error: { message: `Gateway: X - ${JSON.stringify({ error: { message: "deep" } })}` } },
    ],
    [
      "a dict as Python prints it",
      { error: { message: "Error code: 400 - {'error': {'message': 'deep', 'param': None}}" } },
    ],
    ["a list of FastAPI", { detail: [{ loc: ["body", "x"], msg: "deep", type: "missing" }] }],
    ["an event of a stream", 'data: {"choices":[]}\n\ndata: {"error":{"message":"deep"}}\n\n'],
    ["XML of an object store", '<?xml version="1.0"?><Error><Code>X</Code><Message>deep</Message></Error>'],
    ["a proxy's page", "<html><head><title>deep</title></head><body></body></html>"],
    ["a body that is JSON in a string", JSON.stringify({ error: { message: "deep" } })],
  ])("%s", (_, body) => {
    expect(innermost(body)).toBe("deep");
  });

  test("a gateway's label does not hide what its upstream said", () => {
    const failure = classify({
      surface: "http",
      stage: "generate",
      http: {
        status: 500,
        headers: {},
        body: {
          error: {
            message: `InternalServerError: X - ${JSON.stringify(TOO_LONG)}`,
            type: "server_error",
            code: "500",
          },
        },
      },
    });
    expect([failure.kind, failure.code]).toEqual(["input", "context_exceeded"]);
  });

  test("a link to a billing page is no statement about money", () => {
    const failure = classify({
      surface: "http",
      stage: "generate",
      http: {
        status: 429,
        headers: {},
        body: {
          error: {
            message: "Too many requests. See https://example.com/insufficient_quota/billing_hard_limit",
          },
        },
      },
    });
    expect(failure.kind).toBe("transient");
  });

  test("a cyclic body ends", () => {
    const body: { error?: unknown; message: string } = { message: "round" };
    body.error = body;
    expect(unwrap(body)).toHaveLength(1);
    expect(innermost(body)).toBe("round");
  });
});
