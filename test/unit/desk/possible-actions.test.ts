import { expect, test } from "vitest";
import { possibleActions, possibleOnReport } from "../../../src/desk/possible-actions.ts";
import { PLANNING, type Section, type SectionStatus } from "../../../src/domain/report.ts";
import { A_FAILURE } from "../../support/store-for-tests.ts";

function sections(...statuses: SectionStatus[]): Section[] {
  return statuses.map((status, nth) => ({ key: `s${nth}`, template: `s${nth}`, status }) as Section);
}

const parked = { section: "s0", failure: A_FAILURE, state: { status: "open" } } as const;
const planned = { key: PLANNING.key, template: PLANNING.template, status: "completed" } as Section;

test.for([
  ["one section is finished and one is parked", sections("needs_review", "completed"), true],
  ["nothing is finished", sections("needs_review"), false],
  ["only the plan is finished", [planned, ...sections("needs_review")], false],
  ["all are finished", sections("completed", "completed"), false],
] as const)("where %s, a part is offered: %s", ([, of, offered]) => {
  expect(possibleActions(parked, "needs_review", of).includes("deliver_partial")).toBe(offered);
  expect(possibleOnReport("needs_review", of).includes("deliver_partial")).toBe(offered);
});

test("what can be done besides is offered with and without a part", () => {
  expect(possibleActions(parked, "needs_review", sections("needs_review"))).toContain("resume");
  expect(possibleOnReport("needs_review", sections("needs_review"))).toEqual([
    "correct_source",
    "reject",
    "cancel",
  ]);
});

test("a decided case offers nothing", () => {
  const state = { status: "resolved", action: "resume", by: "ada", why: "a test", at: 0 } as const;
  expect(possibleActions({ ...parked, state }, "running", sections("completed"))).toEqual([]);
});
