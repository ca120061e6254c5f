import { expect, test } from "vitest";
import { estimateReady, FEWEST_RUNS } from "../../../src/domain/eta.ts";
import type { SectionStatus } from "../../../src/domain/report.ts";

const tenRuns = (ms: number) => Array.from({ length: FEWEST_RUNS }, (_, n) => ms + n);

function aSection(key: string, status: SectionStatus, after: string[] = []) {
  return { key, status, after };
}

test("sections side by side take as long as the slowest of them, sections in a row as long as all", () => {
  const runs = { a: tenRuns(100), b: tenRuns(300), c: tenRuns(1_000) };
  expect(estimateReady([aSection("a", "running"), aSection("b", "running")], runs)).toEqual({
    lowMs: 304,
    highMs: 308,
  });
  expect(
    estimateReady(
      [aSection("a", "running"), aSection("b", "pending"), aSection("c", "pending", ["a", "b"])],
      runs,
    ),
  ).toEqual({
    lowMs: 1_308,
    highMs: 1_316,
  });
});

test("what is written already delays nobody", () => {
  const runs = { a: tenRuns(100), c: tenRuns(1_000) };
  expect(estimateReady([aSection("a", "completed"), aSection("c", "running", ["a"])], runs)).toEqual({
    lowMs: 1_004,
    highMs: 1_008,
  });
});

test("with fewer than ten earlier runs nothing is promised", () => {
  expect(estimateReady([aSection("a", "running")], { a: [1, 2, 3] })).toBeNull();
  expect(estimateReady([aSection("a", "running")], {})).toBeNull();
});

test("while a section cools down or is reviewed, no time is promised", () => {
  const runs = { a: tenRuns(100), b: tenRuns(100) };
  expect(estimateReady([aSection("a", "running"), aSection("b", "waiting_for_retry")], runs)).toBeNull();
  expect(estimateReady([aSection("a", "running"), aSection("b", "needs_review")], runs)).toBeNull();
});

test("a report that has nothing left to write has no time to wait for", () => {
  expect(estimateReady([aSection("a", "completed")], { a: tenRuns(100) })).toBeNull();
});
