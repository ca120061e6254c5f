import { expect, test } from "vitest";
import { failingPlace, parsePath } from "../../../src/desk/failing-place.ts";
import { fieldPath } from "../../../src/report-types/field-problems.ts";

/** The answer with what is marked between ⟦ and ⟧, and what is said of it. */
function marked(text: string, path: string | null, cut = false): string {
  const place = failingPlace({ text, path, cut });
  if (place === null) return "nothing is marked";
  return `${text.slice(0, place.start)}⟦${text.slice(place.start, place.end)}⟧${text.slice(place.end)} (${place.says})`;
}

test("the value that breaks the schema is marked, by the path that the check has named", () => {
  const text = '{"findings": [{"severity": "high"}, {"severity": "urgent"}]}';
  expect(marked(text, "findings[1].severity")).toBe(
    '{"findings": [{"severity": "high"}, {"severity": ⟦"urgent"⟧}]} (this does not fit)',
  );
});

test("where something is missing, the place where it would be written is marked", () => {
  expect(marked('{"findings": [{"title": "a"}]}', "findings[0].severity")).toBe(
    '{"findings": [{"title": "a"⟦⟧}]} ("severity" is missing in here)',
  );
  expect(marked('{"a": [1]}', "a[3]")).toBe('{"a": [1⟦⟧]} ("3" is missing in here)');
  expect(marked('{"a": "text"}', "a.b.c")).toBe('{"a": ⟦"text"⟧} ("b" was expected in here)');
});

test("prose, fences and other brackets around the JSON do not lead it astray", () => {
  const text = 'As in [2], here it is:\n```json\n{"price": "about 3"}\n```\nAnything else? {maybe}';
  expect(marked(text, "price")).toBe(
    'As in [2], here it is:\n```json\n{"price": ⟦"about 3"⟧}\n```\nAnything else? {maybe} (this does not fit)',
  );
});

test("broken JSON is marked where it breaks", () => {
  expect(marked('{"a": 1 "b": 2}', null)).toBe('{"a": 1 ⟦"b"⟧: 2} (a comma should stand here)');
  expect(marked('{"a": [1, 2', null)).toMatch(/^\{"a": \[1, 2⟦⟧ \(a list is never closed\)$/);
  expect(marked('{"a": "text that stops', null)).toBe('{"a": ⟦"text that stops⟧ (a text is never closed)');
  expect(marked("{'a': 1}", null)).toContain("⟦'a'⟧");
  expect(marked('{"a": 1, // why\n"b": 2}', null)).toContain("⟦// why⟧");
});

test("an answer that was cut off is marked at its end, wherever the JSON would break", () => {
  expect(marked('{"a": "te', null, true)).toBe('{"a": "te⟦⟧ (the answer was cut off here)');
  expect(marked("A text without JSON", null, true)).toBe(
    "A text without JSON⟦⟧ (the answer was cut off here)",
  );
});

test("nothing is marked where nothing can be said: sound JSON, a plain text, nothing, or a bomb", () => {
  expect(marked('{"a": 1}', null)).toBe("nothing is marked");
  expect(marked('{"a": 1}', "(all of it)")).toBe("nothing is marked");
  expect(marked("Just a text.", null)).toBe("nothing is marked");
  expect(marked("", null)).toBe("nothing is marked");
  expect(marked("[".repeat(200_000), null)).toBe("nothing is marked");
  expect(marked(`{"a": "${"x".repeat(1_000_001)}`, null)).toBe("nothing is marked");
});

test("every path that a check can name is read back as it was", () => {
  for (const path of [["a", 0, "b c", "d"], ['quo"te', "x-y", 12], ["$", "ü", "]"], ["__proto__"], []]) {
    expect(parsePath(fieldPath(path))).toEqual(path.length === 0 ? [] : path);
  }
});
