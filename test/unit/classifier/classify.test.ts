import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classify } from "../../../src/classifier/classify.ts";
import { FAILURE_CODES, isFailureCode } from "../../../src/classifier/failure-codes.ts";
import type { Evidence } from "../../../src/domain/evidence.ts";
import { labelledFailures } from "./failure-lines.ts";

function http(status: number, body: unknown, more: Partial<Evidence> = {}): Evidence {
  return { surface: "http", stage: "generate", http: { status, headers: {}, body }, ...more };
}

describe("the stage decides what an error means", () => {
  const refused = { name: "Error", code: "ECONNREFUSED", message: "connect ECONNREFUSED 127.0.0.1:1" };

  test.each([
    ["generate", "transient"],
    ["load", "transient"],
    ["save", "persistence"],
    ["config", "workflow"],
  ] as const)("a refused connection while in %s is %s", (stage, kind) => {
    expect(classify({ surface: "network", stage, node: refused }).kind).toBe(kind);
  });

  test.each([
    ["generate", "workflow"],
    ["load", "input"],
    ["save", "persistence"],
  ] as const)("a 404 while in %s is %s", (stage, kind) => {
    expect(classify(http(404, null, { stage })).kind).toBe(kind);
  });

  test.each([
    ["generate", "network", "transient"],
    ["load", "domain", "input"],
    ["parse", "parse", "contract"],
  ] as const)("a SyntaxError while in %s is seen as what was read there", (stage, surface, kind) => {
    const node = { name: "SyntaxError", message: "Unexpected token 'N', \"Name\" is not valid JSON" };
    expect(classify({ surface, stage, node }).kind).toBe(kind);
  });
});

describe("how far a cause reaches", () => {
  test.each([
    ["a wrong key closes the route", http(401, { error: { message: "Invalid API key" } }), "route"],
    [
      "an unknown model closes the route",
      http(404, { error: { message: "The model `x` does not exist" } }),
      "route",
    ],
    ["an empty account closes the route", http(402, null), "route"],
    [
      "a bad parameter stops the type",
      http(400, { error: { message: "Unknown parameter: 'foo'", code: "unknown_parameter", param: "foo" } }),
      "type",
    ],
    [
      "a bad schema stops the type",
      http(400, { error: { message: "Invalid schema for response_format 'x'", param: "response_format" } }),
      "type",
    ],
    ["an unclear 400 stops one section", http(400, { error: { message: "Bad Request" } }), "request"],
    [
      "a prompt that is too long stops one report",
      http(400, { error: { message: "prompt is too long" } }),
      "request",
    ],
  ] as const)("%s", (_, evidence, scope) => {
    expect(classify(evidence).scope).toBe(scope);
  });
});

describe("what nobody understands is not paid again by itself", () => {
  test.each([
    ["nothing at all", {}],
    ["no object", null],
    ["only a stage and surface", { stage: "generate", surface: "network" }],
    [
      "an error without words",
      { stage: "generate", surface: "network", node: { name: "Error", message: "" } },
    ],
    [
      "words nobody knows",
      { stage: "generate", surface: "network", node: { name: "Error", message: "the moon is full" } },
    ],
    [
      "a 200 with an error nobody knows",
      { stage: "generate", surface: "completion", completion: { error: { message: "x9" } } },
    ],
    ["an unknown 4xx", http(418, "teapot")],
    ["fields of wrong types", { stage: 7, surface: [], http: "x", node: [1], completion: 3, text: {} }],
  ])("%s", (_, evidence) => {
    const failure = classify(evidence as Evidence);
    expect(failure.retryable).toBe(false);
    expect(failure.cooldownMs).toBeNull();
    expect(failure.kind).toBe("workflow");
    expect(failure.scope).toBe("request");
  });
});

describe("a cyclic, deep or huge error is judged like any other", () => {
  test("a cause that points at itself", () => {
    const node: { name: string; code: string; message: string; cause?: unknown } = {
      name: "Error",
      code: "ECONNRESET",
      message: "read ECONNRESET",
    };
    node.cause = node;
    expect(classify({ surface: "network", stage: "generate", node } as Evidence).kind).toBe("transient");
  });

  test("a body nested 20,000 levels deep", () => {
    let body: unknown = "x";
    for (let level = 0; level < 20_000; level += 1) body = { error: body };
    expect(classify(http(503, body)).kind).toBe("transient");
  });

  test.each([
    "model ",
    "context ",
    "{'error': ",
    '"',
    "limit 1 requested ",
    "try again in 1",
    "a_",
    "<h1>",
    "input ",
  ])("a megabyte of %j takes no longer than a moment", (part) => {
    const message = part.repeat(Math.ceil(1_000_000 / part.length));
    const started = performance.now();
    classify(http(400, { error: { message, type: message, param: message } }));
    classify({ surface: "network", stage: "save", node: { name: message, code: message, message } });
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  test("arbitrary evidence never throws and always has a documented code", () => {
    const stages = fc.constantFrom("config", "load", "generate", "parse", "save", undefined, 3);
    const surfaces = fc.constantFrom(
      "http",
      "network",
      "completion",
      "parse",
      "redis",
      "disk",
      "domain",
      undefined,
      "x",
    );
    const evidence = fc.record(
      {
        stage: stages,
        surface: surfaces,
        stream: fc.boolean(),
        http: fc.oneof(
          fc.record({
            status: fc.oneof(fc.integer({ min: -1, max: 700 }), fc.jsonValue()),
            headers: fc.jsonValue(),
            body: fc.jsonValue(),
          }),
          fc.jsonValue(),
        ),
        node: fc.jsonValue(),
        completion: fc.jsonValue(),
        text: fc.oneof(fc.string(), fc.jsonValue()),
        schemaHint: fc.jsonValue(),
        redis: fc.jsonValue(),
        domain: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(evidence, fc.jsonValue()), (given) => {
        const failure = classify(given as unknown as Evidence);
        expect(isFailureCode(failure.code)).toBe(true);
        expect(failure.kind).toBe(FAILURE_CODES[failure.code as keyof typeof FAILURE_CODES].kind);
        expect(failure.fingerprint).toMatch(/^[0-9a-f]{16}$/);
        expect(failure.message.length).toBeLessThanOrEqual(200);
        expect(failure.retryable || failure.cooldownMs === null).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a failure's sentence can be shown to anybody", () => {
  const SECRET = "sk-proj-aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789";

  test.each([
    ["a key", { message: `Incorrect API key provided: ${SECRET}.` }, SECRET],
    [
      "a bearer token",
      { message: "Invalid token Bearer abcdef1234567890abcdef", code: "invalid_api_key" },
      "abcdef1234567890",
    ],
    [
      "an address of a person",
      { message: "The key of jane.doe@example.com is invalid", code: "invalid_api_key" },
      "jane.doe",
    ],
  ])("%s is taken out", (_, error, secret) => {
    const { message } = classify(http(401, { error }));
    expect(message).not.toContain(secret);
    expect(message).toContain("does not accept the key");
  });

  test("what a provider repeats of a flagged prompt stays in the evidence", () => {
    const failure = classify(
      http(403, {
        error: {
          message: 'Your input was flagged: "the board plans to"',
          metadata: { reasons: ["x"], flagged_input: "the board plans to" },
        },
      }),
    );
    expect(failure.code).toBe("input_rejected");
    expect(failure.message).not.toContain("board");
  });

  test("text of the model or of the source is never part of it", () => {
    const text = '{"summary": "the board plans to';
    const parse = classify({
      surface: "parse",
      stage: "parse",
      text,
      node: { name: "SyntaxError", message: `Unexpected end, "${text}"` },
    });
    const load = classify({
      surface: "domain",
      stage: "load",
      node: { name: "SyntaxError", message: `Unexpected token, "${text}"... is not valid JSON` },
    });
    expect(parse.message + load.message).not.toContain("board");
  });

  test("it names what was wrong in the provider's own words where those are harmless", () => {
    expect(classify(http(404, { error: { message: "The model `gpt-9` does not exist" } })).message).toContain(
      "gpt-9",
    );
  });

  test("our own check's sentence is kept, path and all", () => {
    const failure = classify({
      surface: "domain",
      stage: "parse",
      text: "{}",
      domain: {
        code: "schema_mismatch",
        message: "$.items[2].price is a string, not a number",
        path: "$.items[2].price",
      },
    });
    expect(failure.code).toBe("schema_mismatch");
    expect(failure.message).toContain("$.items[2].price");
  });
});

test("no failure of the corpus gives a key or an id away", () => {
  for (const failure of labelledFailures("cases.jsonl"))
    expect(classify(failure).message).not.toMatch(/sk-[a-z0-9]|bearer [a-z0-9]|@[a-z]+\.[a-z]/i);
});
