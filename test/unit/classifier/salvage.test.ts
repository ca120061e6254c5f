import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { salvage } from "../../../src/classifier/salvage.ts";
import { fitsSchema, readSchemaHint } from "../../../src/classifier/schema-hint.ts";

const NUMBERS = "object {a: number[]}";

describe("an answer that can only mean one thing is recovered without another call", () => {
  test.each<[string, string, string, unknown]>([
    ["a fence and prose around it", 'Sure!\n```json\n{"a": [1]}\n```\nAnything else?', NUMBERS, { a: [1] }],
    ["tags around it", '<answer>{"a": [1]}</answer>', NUMBERS, { a: [1] }],
    ["reasoning before it", '<think>{"a": 0}</think>{"a": [1]}', NUMBERS, { a: [1] }],
    [
      "reasoning whose opening tag was swallowed",
      'maybe {"a": [2 ]} or so</think>{"a": [1]}',
      NUMBERS,
      { a: [1] },
    ],
    ["commas too many", '{,"a": [1,2,],}', NUMBERS, { a: [1, 2] }],
    [
      "commas too few",
      '{"a": ["x" "y"\n"z"]\n"b": 1}',
      "object {a: string[], b: number}",
      { a: ["x", "y", "z"], b: 1 },
    ],
    [
      "quotes of other styles",
      "{'a': 'it's fine', “b”: “c”}",
      "object {a: string, b: string}",
      { a: "it's fine", b: "c" },
    ],
    [
      "Python and its literals",
      "{'a': True, 'b': None} # done",
      "object {a: boolean, b: null}",
      { a: true, b: null },
    ],
    ["comments", '{"a": [1, // first\n 2 /* second */]}', NUMBERS, { a: [1, 2] }],
    ["raw line ends in a string", '{"a": "x\ny"}', "object {a: string}", { a: "x\ny" }],
    [
      "an inner quote with one possible end",
      '{"a": "5" pipe", "b": 1}',
      "object {a: string, b: number}",
      { a: '5" pipe', b: 1 },
    ],
    [
      "a closer of the wrong kind",
      '{"a": [1, 2}, "b": 1}',
      "object {a: number[], b: number}",
      { a: [1, 2], b: 1 },
    ],
    ["a closer too many inside", '[{"a": 1}}, {"a": 2}]', "array of {a: number}", [{ a: 1 }, { a: 2 }]],
    ["the last brace missing", '{"a": [1, 2]', NUMBERS, { a: [1, 2] }],
    ["one escape level too many", String.raw`{\n  \"a\": \"b\"\n}`, "object {a: string}", { a: "b" }],
    ["the whole object in a string", JSON.stringify('{"a": [1]}'), NUMBERS, { a: [1] }],
    ["one object a line for an array", '{"i": 1},\n{"i": 2}\n', "array of {i: number}", [{ i: 1 }, { i: 2 }]],
    ["citations in the prose before", 'See [1] and [2 items].\n{"a": [1]}', NUMBERS, { a: [1] }],
    [
      "tags inside a string",
      '{"a": "use <think>this</think>",}',
      "object {a: string}",
      { a: "use <think>this</think>" },
    ],
  ])("%s", (_, text, hint, value) => {
    expect(salvage(text, hint)).toMatchObject({ ok: true, value });
  });

  test("well-formed JSON is not touched", () => {
    expect(salvage('{"a": [1, 2]}', NUMBERS)).toEqual({ ok: true, value: { a: [1, 2] }, repairs: [] });
  });

  test("NaN becomes null only where the schema allows null", () => {
    const nullable = {
      type: "object",
      properties: { a: { anyOf: [{ type: "number" }, { type: "null" }] } },
      required: ["a"],
    };
    const strict = { type: "object", properties: { a: { type: "number" } }, required: ["a"] };
    expect(salvage('{"a": NaN}', nullable)).toMatchObject({ ok: true, value: { a: null } });
    expect(salvage('{"a": NaN}', strict).ok).toBe(false);
    expect(salvage('{"a": NaN}').ok).toBe(false);
  });

  test("a key called __proto__ stays a key", () => {
    const salvaged = salvage('{"__proto__": {"x": 1}, "a": 1,}');
    expect(salvaged.ok && Object.keys(salvaged.value as object)).toEqual(["__proto__", "a"]);
  });
});

describe("an answer that would have to be guessed is left for a repair", () => {
  test.each<[string, string, string | undefined]>([
    ["an array open at the end", '{"a": [1, 2', NUMBERS],
    ["an array open at the end, all elements whole", '[{"a": 1}, {"a": 2}', "array of {a: number}"],
    ["a string open at the end", '{"a": "New', "object {a: string}"],
    ["a number that may go on", '{"a": 12', "object {a: number}"],
    ["more was to come after a comma", '{"a": [1],', NUMBERS],
    ["a brace missing while a key is missing", '{"a": [1]', "object {a: number[], b: string}"],
    ["two braces missing", '{"a": {"b": "c"', "object {a: {b: string}}"],
    ["a brace missing and no schema to tell", '{"a": "b"', undefined],
    ["a value never written", '{"a": , "b": 1}', "object {a: number, b: number}"],
    ["an element never written", "[1,, 2]", "array of number"],
    ["undefined", '{"a": undefined}', undefined],
    ["a word of JavaScript", '{"a": constructor}', undefined],
    ["an ellipsis", '{"a": [1, 2, ...]}', NUMBERS],
    ["an ellipsis in a comment", '{"a": [1, 2, /* 10 more */]}', NUMBERS],
    ["leading zeros", '{"a": 007}', undefined],
    ["thousands", '{"a": 1,234}', "object {a: number}"],
    ["two objects that fit", '{"a": 1}\n{"a": 2}', "object {a: number}"],
    ["a stray item beside a quote", '{"a": "x", "y", "b": "z"}', "object {a: string, b: string}"],
    ["an inner quote with two possible ends", '{"a": "x "y"} z"}', "object {a: string}"],
    ["members with a wrong sign between them", '{"a": "x";"b": "y"}', "object {a: string}"],
    ["a piece of a broken object", '{"x": {"a": [1]}, "y": "cut', NUMBERS],
    ["a piece whose object never began", '"x": {"a": [1]}, "b": 2}', NUMBERS],
    ["an object that goes on after its end", '{"a": [1]}, "b": 2}', NUMBERS],
    ["reasoning that never ends", '<think>{"a": [1]}', NUMBERS],
    ["YAML", "a:\n  - 1\n  - 2", NUMBERS],
    ["a list of things to do", "- [ ] one\n- [ ] two", "array of {a: number}"],
    ["a key with two values", '{"a": 1 "a": 2}', "object {a: number}"],
    ["another object altogether", '{"events": []}', "object {a: number[]}"],
    ["nothing", "   ", NUMBERS],
  ])("%s", (_, text, hint) => {
    expect(salvage(text, hint)).toMatchObject({ ok: false, why: expect.stringMatching(/\w/) as unknown });
  });

  test.each(["length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"])(
    "a text that ended with %s is not touched, however whole it looks",
    (finishReason) => {
      expect(salvage('{"a": [1]}', NUMBERS, finishReason).ok).toBe(false);
    },
  );

  const pieces = fc.constantFrom(
    '{"a":',
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    ",",
    ":",
    "1",
    "null",
    "\\",
    "\n",
    " ",
    "x",
    "```",
    "<think>",
    "</think>",
    "...",
    "//",
    "“",
    "é",
  );

  test("no text makes it throw, and what it returns fits the schema", () => {
    const schema = readSchemaHint(NUMBERS);
    fc.assert(
      fc.property(
        fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join("")),
        (text) => {
          const salvaged = salvage(text, NUMBERS);
          expect(!salvaged.ok || fitsSchema(salvaged.value, schema)).toBe(true);
          salvage(text);
          expect(salvage(text, NUMBERS, "length").ok).toBe(false);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("cutting an object anywhere before its last brace never yields a value with anything lost", () => {
    const objects = fc.record({ a: fc.array(fc.integer()), b: fc.string(), c: fc.boolean() });
    fc.assert(
      fc.property(objects, fc.nat(), (object, at) => {
        const text = JSON.stringify(object);
        const salvaged = salvage(
          text.slice(0, at % text.length),
          "object {a: number[], b: string, c: boolean}",
        );
        expect(salvaged.ok ? salvaged.value : object).toEqual(object);
      }),
    );
  });

  test("any JSON value comes back from behind prose and a fence", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), (object) => {
        const plain: unknown = JSON.parse(JSON.stringify(object));
        expect(salvage(`Here it is:\n\`\`\`json\n${JSON.stringify(object)}\n\`\`\``)).toMatchObject({
          ok: true,
          value: plain,
        });
      }),
    );
  });

  test.each(["[", "{", '{"a":', '"/*', "[1} ", '{"a":1]', "[0 x", "<think>", 'x" ', "[{]}"])(
    "half a megabyte of %j is refused in a moment",
    (part) => {
      const started = performance.now();
      salvage(part.repeat(Math.ceil(500_000 / part.length)), NUMBERS);
      expect(performance.now() - started).toBeLessThan(1_500);
    },
  );
});
