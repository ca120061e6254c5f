import { describe, expect, test } from "vitest";
import type { PlannedWith } from "../../../src/report-types/define-report.ts";
import { definitionFor, isDynamic, planSections, readySections } from "../../../src/report-types/plan.ts";
import { aReportType, aSection } from "./a-report-type.ts";

const chain = aReportType({
  sections: [
    aSection("a", { weight: 2 }),
    aSection("b", { after: ["a"] }),
    aSection("c", { after: ["a", "b"] }),
    aSection("d"),
  ],
});

const dynamic = aReportType({
  sections: {
    templates: [aSection("part", { weight: 3 }), aSection("close")],
    plan: () => [],
    maxSections: 3,
  },
});

function part(key: string, changed: Partial<PlannedWith> = {}): PlannedWith {
  return { key, title: key, template: "part", ...changed };
}

test("static sections are planned as they are defined", () => {
  expect(isDynamic(chain)).toBe(false);
  expect(planSections(chain)[0]).toEqual({
    key: "a",
    title: "Part a",
    weight: 2,
    after: [],
    template: "a",
    params: null,
  });
});

test("sections are written as soon as what they read is there", () => {
  const planned = planSections(chain);
  expect(readySections(planned, {})).toEqual(["a", "d"]);
  expect(readySections(planned, { a: "completed", d: "completed" })).toEqual(["b"]);
  expect(readySections(planned, { a: "completed", b: "skipped", d: "running" })).toEqual(["c", "d"]);
  expect(readySections(planned, { a: "completed", b: "completed", c: "completed", d: "completed" })).toEqual(
    [],
  );
});

test.each(["needs_review", "failed", "running", "waiting_for_retry"] as const)(
  "a section that reads one that is %s is not paid for yet",
  (status) => {
    expect(readySections(planSections(chain), { a: status, d: "completed" })).not.toContain("b");
  },
);

test("a planned section takes from its template what the plan leaves out", () => {
  const planned = planSections(dynamic, [
    { key: "north", title: "North", template: "part", params: { of: "Europe" } },
    { key: "close", title: "Close", template: "close", after: ["north"], weight: 1 },
  ]);
  expect(planned).toEqual([
    { key: "north", title: "North", weight: 3, after: [], template: "part", params: { of: "Europe" } },
    { key: "close", title: "Close", weight: 1, after: ["north"], template: "close", params: null },
  ]);
  expect(planned.map((section) => definitionFor(dynamic, section).key)).toEqual(["part", "close"]);
});

describe("a plan stops before a section is paid when", () => {
  test.each<[string, PlannedWith[], RegExp]>([
    ["it is empty", [], /no sections/],
    [
      "it is longer than the type allows",
      ["a", "b", "c", "d"].map((key) => part(key)),
      /4 sections and may have 3/,
    ],
    [
      "it names a template that does not exist",
      [part("a", { template: "prat" })],
      /"prat", which is no template/,
    ],
    ["two sections share a key", [part("a"), part("a")], /two sections have the key "a"/],
    ["a key is no name", [part("A b")], /section key "A b"/],
    ["sections wait for each other", [part("a", { after: ["b"] }), part("b", { after: ["a"] })], /a → b → a/],
    ["a section reads one that is not planned", [part("a", { after: ["z"] })], /"z", which does not exist/],
    ["a weight is negative", [part("a", { weight: -1 })], /weight -1/],
    ["a title is empty", [part("a", { title: "" })], /needs a title/],
    ["params are no JSON", [part("a", { params: 10n })], /not JSON/],
    ["params carry the source along", [part("a", { params: "x".repeat(70_000) })], /may have 65536/],
  ])("%s", (_, planned, sentence) => {
    expect(() => planSections(dynamic, planned)).toThrow(sentence);
  });
});

test("a section whose writer a newer version dropped goes to a person, who learns which", () => {
  const [planned] = planSections(dynamic, [{ key: "a", title: "A", template: "part" }]);
  const newer = aReportType({ version: 2, sections: [aSection("other")] });
  expect(() => planned && definitionFor(newer, planned)).toThrow(
    /"part", which version 2 of "essay" does not have/,
  );
});
