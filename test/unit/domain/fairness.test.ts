import { expect, test } from "vitest";
import { MOST_COUNTED, PRIORITIES, turnOf } from "../../../src/domain/fairness.ts";

test("the first report of a late account stands before the second of everybody else", () => {
  expect(turnOf(1, "normal")).toBeLessThan(turnOf(2, "normal"));
});

test("a high report goes before the account's normal ones, and a low one behind them", () => {
  expect(turnOf(100, "high")).toBeLessThan(turnOf(26, "normal"));
  expect(turnOf(100, "low")).toBeGreaterThan(turnOf(399, "normal"));
});

test("no number of high reports puts an account before another one's first report", () => {
  expect(turnOf(5, "high")).toBeGreaterThan(turnOf(1, "normal"));
});

test("every turn is one the queue takes: above 0, where it would pass everybody, and not too large", () => {
  for (const priority of PRIORITIES) {
    for (const outstanding of [0, 1, MOST_COUNTED, Number.MAX_SAFE_INTEGER]) {
      const turn = turnOf(outstanding, priority);
      expect(turn).toBeGreaterThanOrEqual(1);
      expect(turn).toBeLessThan(2 ** 21);
    }
  }
});
