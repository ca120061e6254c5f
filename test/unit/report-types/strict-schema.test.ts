import { describe, expect, test } from "vitest";
import { z } from "zod";
import { json, text } from "../../../src/report-types/define-report.ts";
import { contractHash, jsonSchemaOf, strictSchema } from "../../../src/report-types/strict-schema.ts";

test("a provider is asked for closed objects with every field required, and lengths in words", () => {
  const schema = z.object({
    title: z.string().min(3).max(80).describe("The heading."),
    score: z.int().min(1).max(10),
    change: z.int(),
    link: z.url().nullable(),
    parts: z.array(z.object({ name: z.string(), kind: z.enum(["a", "b"]) })).max(4),
  });
  expect(jsonSchemaOf({ kind: "json", name: "o", schema })).toEqual({
    type: "object",
    properties: {
      title: { type: "string", description: "The heading. At least 3 characters. At most 80 characters." },
      score: { type: "integer", minimum: 1, maximum: 10 },
      change: { type: "integer" },
      link: { anyOf: [{ type: "string", description: "A valid uri." }, { type: "null" }] },
      parts: {
        type: "array",
        maxItems: 4,
        items: {
          type: "object",
          properties: { name: { type: "string" }, kind: { type: "string", enum: ["a", "b"] } },
          required: ["name", "kind"],
          additionalProperties: false,
        },
      },
    },
    required: ["title", "score", "change", "link", "parts"],
    additionalProperties: false,
  });
});

test("a choice between shapes is asked for as anyOf", () => {
  const shape = z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("a"), n: z.int() }),
    z.object({ kind: z.literal("b"), s: z.string() }),
  ]);
  const strict = strictSchema(z.object({ shape }));
  expect(strict).toMatchObject({ ok: true, schema: { properties: { shape: { anyOf: [{}, {}] } } } });
  expect(JSON.stringify(strict)).not.toContain("oneOf");
});

test("a shape may hold itself", () => {
  const Node = z.object({
    name: z.string(),
    get children() {
      return z.array(Node);
    },
  });
  expect(strictSchema(Node).ok).toBe(true);
});

describe("an output that no provider can be held to is refused:", () => {
  test.each<[string, z.ZodType, RegExp]>([
    ["an optional field", z.object({ a: z.object({ b: z.string().optional() }) }), /a\.b may be left out/],
    ["a field with a default", z.object({ a: z.string().default("x") }), /a may be left out/],
    ["open keys", z.object({ a: z.record(z.string(), z.string()) }), /a has open keys/],
    ["a loose object", z.looseObject({ a: z.string() }), /open keys/],
    ["anything", z.object({ a: z.unknown() }), /a accepts anything/],
    ["a tuple", z.object({ a: z.tuple([z.string(), z.string()]) }), /a is a tuple/],
    [
      "an intersection",
      z.object({ a: z.intersection(z.string(), z.string().min(3)) }),
      /a is an intersection/,
    ],
    ["a list at the root", z.array(z.string()), /must be an object at its root/],
    ["a date", z.object({ a: z.date() }), /cannot be written as JSON Schema/],
  ])("%s", (_, schema, sentence) => {
    const strict = strictSchema(schema);
    expect(strict.ok ? "accepted" : strict.problems.join("; ")).toMatch(sentence);
  });
});

test("a stored answer is known to be checked against another contract when the contract changed", () => {
  const one = json("o", z.object({ a: z.string().min(5) }));
  const same = json("o", z.object({ a: z.string().min(5) }));
  const stricter = json("o", z.object({ a: z.string().min(6) }));
  expect(contractHash(one)).toBe(contractHash(same));
  expect(contractHash(one)).not.toBe(contractHash(stricter));
  expect(contractHash(text({ minChars: 5 }))).not.toBe(contractHash(text({ minChars: 6 })));
});
