import { createHash } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { checkSource, factsOf, sourceOf } from "../../../src/report-types/source.ts";
import { aReportType } from "./a-report-type.ts";

const open = aReportType({ source: z.any() });

function nested(levels: number): unknown {
  let value: unknown = "end";
  for (let level = 0; level < levels; level += 1) value = { inner: value };
  return value;
}

function keys(count: number): object {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 1]));
}

test("the same order in another spelling is the same source", () => {
  const wide = aReportType({ source: z.object({ topic: z.string(), words: z.int() }) });
  const one = checkSource(wide, { topic: "rivers", words: 5 });
  const other = checkSource(wide, JSON.parse('{ "words": 5.0, "topic": "rivers" }'));
  expect(one).toEqual(other);
  const canonical = '{"topic":"rivers","words":5}';
  expect(one).toMatchObject({
    ok: true,
    canonical,
    bytes: canonical.length,
    hash: createHash("sha256").update(canonical).digest("hex"),
  });
});

test("a customer is told every wrong field by its path", () => {
  const type = aReportType({
    source: z.object({
      topic: z.string(),
      parts: z.array(z.strictObject({ name: z.string(), size: z.number() })),
    }) as unknown as z.ZodType<{ topic: string }>,
  });
  const checked = checkSource(type, {
    parts: [
      { name: 7, size: 1 },
      { name: "b", size: "2", colour: "red" },
    ],
  });
  expect(checked).toMatchObject({ ok: false, code: "invalid_source" });
  expect(checked.ok ? [] : checked.fields.map((field) => `${field.path}: ${field.message}`)).toEqual([
    "topic: is missing; expected string",
    "parts[0].name: Invalid input: expected string, received number",
    "parts[1].size: Invalid input: expected number, received string",
    "parts[1].colour: is not a known field",
  ]);
});

test("no order at all is a missing source, not a crash", () => {
  expect(checkSource(open, undefined)).toMatchObject({ ok: false, fields: [{ message: "is missing" }] });
});

describe("a source is refused before anything is stored or spent when", () => {
  test("it is larger than its type allows", () => {
    const small = aReportType({ maxSourceBytes: 100 });
    expect(checkSource(small, { topic: "x".repeat(88) })).toMatchObject({ ok: true, bytes: 100 });
    expect(checkSource(small, { topic: "x".repeat(89) })).toMatchObject({
      ok: false,
      code: "source_too_large",
    });
  });

  test("it is larger than anything may be, whatever its type says", () => {
    const greedy = aReportType({ maxSourceBytes: 50_000_000 });
    expect(checkSource(greedy, { topic: "x".repeat(4_194_304) })).toMatchObject({ code: "source_too_large" });
  });

  test("it counts as large in bytes, not in letters", () => {
    const small = aReportType({ maxSourceBytes: 100 });
    expect(checkSource(small, { topic: "ü".repeat(50) })).toMatchObject({ code: "source_too_large" });
  });

  test("it is nested deeper than 32 levels, however deep", () => {
    expect(checkSource(open, nested(32))).toMatchObject({ ok: true });
    expect(checkSource(open, nested(33))).toMatchObject({ ok: false, code: "invalid_source" });
    expect(checkSource(open, nested(50_000))).toMatchObject({ ok: false, code: "invalid_source" });
  });

  test("it has more than 200,000 keys", () => {
    const wide = aReportType({ source: z.any(), maxSourceBytes: 4_194_304 });
    expect(checkSource(wide, keys(200_000))).toMatchObject({ ok: true });
    expect(checkSource(wide, keys(200_001))).toMatchObject({ ok: false, code: "source_too_large" });
  });

  test.each(["__proto__", "constructor"])("a key of it is %s", (key) => {
    const checked = checkSource(open, JSON.parse(`{"a":[{"${key}":{"admin":true}}]}`));
    expect(checked).toMatchObject({ ok: false, fields: [{ path: `a[0].${key}` }] });
  });

  test.each([
    ["a function", () => 1],
    ["not a number", Number.NaN],
    ["a bigint", 10n],
  ])("it holds %s, which has no JSON form", (_, value) => {
    expect(checkSource(open, { value })).toMatchObject({ ok: false, fields: [{ path: "value" }] });
  });
});

test("a schema that throws is the author's fault, and no customer is blamed", () => {
  const broken = aReportType({
    source: z.object({ topic: z.string() }).refine(() => {
      throw new Error("boom");
    }),
  });
  expect(() => checkSource(broken, { topic: "x" })).toThrow(/source schema of "essay" failed: boom/);
});

test("facts are computed once for all sections of a report, and no section can change them", () => {
  const prepare = vi.fn<(source: { topic: string }) => object>((source) => ({
    letters: source.topic.split(""),
  }));
  const type = aReportType({ type: "counted", prepare });
  const facts = factsOf(type, { topic: "abc" }, "hash-1") as { letters: string[] };
  expect(factsOf(type, { topic: "abc" }, "hash-1")).toBe(facts);
  expect(prepare).toHaveBeenCalledTimes(1);
  expect(() => facts.letters.push("d")).toThrow(TypeError);
  // Another version may compute other facts from the same source.
  factsOf({ ...type, version: 2 }, { topic: "abc" }, "hash-1");
  expect(prepare).toHaveBeenCalledTimes(2);
});

test("a prepare that returns nothing is asked once, too", () => {
  const prepare = vi.fn<() => undefined>(() => undefined);
  const type = aReportType({ type: "idle", prepare });
  factsOf(type, { topic: "x" }, "hash");
  factsOf(type, { topic: "x" }, "hash");
  expect(prepare).toHaveBeenCalledTimes(1);
});

test("the process remembers a few reports, not all it ever wrote", () => {
  const prepare = vi.fn<() => object>(() => ({}));
  const type = aReportType({ type: "forgotten", prepare });
  for (let report = 0; report < 9; report += 1) factsOf(type, { topic: "x" }, `hash-${report}`);
  factsOf(type, { topic: "x" }, "hash-8");
  expect(prepare).toHaveBeenCalledTimes(9);
  factsOf(type, { topic: "x" }, "hash-0");
  expect(prepare).toHaveBeenCalledTimes(10);
});

test("an exception in prepare names the type and the reason", () => {
  const type = aReportType({
    type: "unprepared",
    prepare: () => {
      throw new Error("division by zero packages");
    },
  });
  expect(() => factsOf(type, { topic: "x" }, "h")).toThrow(
    expect.objectContaining({
      code: "prepare_failed",
      message: 'prepare of "unprepared" version 1 failed: division by zero packages',
    }) as Error,
  );
});

test("a stored source that a newer version no longer accepts asks for corrected data", () => {
  const newer = aReportType({ type: "renewed", version: 2 });
  expect(sourceOf(newer, '{"topic":"x"}', "h1")).toEqual({ topic: "x" });
  expect(() => sourceOf(newer, '{"theme":"x"}', "h2")).toThrow(
    expect.objectContaining({
      code: "invalid_source",
      fields: [{ path: "topic", message: expect.any(String) as string }],
    }) as Error,
  );
});
