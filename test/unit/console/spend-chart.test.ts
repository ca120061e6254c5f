import { expect, test } from "vitest";
import { worthSeeing, type SpendBar } from "../../../src/console/spend-chart.ts";
import { NO_SPEND } from "../../../src/domain/failure.ts";

function bars(...micros: number[]): SpendBar[] {
  return micros.map((wasted) => ({ label: "", title: "", spend: { ...NO_SPEND, wasted } }));
}

test.each([
  ["days", "a fleet that spent on several days", bars(5, 0, 9), bars(9, 0), bars(9, 0)],
  ["hours", "a fleet of today", bars(0, 0, 9), bars(4, 5), bars(4, 0)],
  ["minutes", "a fleet of this hour", bars(0, 0, 9), bars(0, 9), bars(0, 9)],
  ["days", "a fleet that is quiet since", bars(0, 9, 0), bars(0, 0), bars(0, 0)],
  ["days", "a fleet that has spent nothing", bars(0, 0, 0), bars(0, 0), bars(0, 0)],
] as const)("spend is shown by %s first on %s", (first, _, days, hours, minutes) => {
  expect(worthSeeing({ days, hours, minutes })).toBe(first);
});
