import { expect, test } from "vitest";
import * as fc from "fast-check";
import { allowanceOf } from "../../../scripts/demo/live-limit.ts";

const candidate = fc.record({
  estimateMicros: fc.integer({ min: 0, max: 1_000_000 }),
  budgetMicros: fc.integer({ min: 1, max: 1_000_000 }),
});

test("whatever is offered, the budgets together stay within the limit and each order can be finished", () => {
  fc.assert(
    fc.property(
      fc.array(candidate, { maxLength: 12 }),
      fc.integer({ min: 1, max: 3_000_000 }),
      (offered, max) => {
        const { ordered, tooDear, limitMicros } = allowanceOf(offered, max);
        expect(limitMicros).toBeLessThanOrEqual(max);
        expect(limitMicros).toBe(ordered.reduce((sum, { budgetMicros }) => sum + budgetMicros, 0));
        expect(ordered.length + tooDear.length).toBe(offered.length);
        for (const one of ordered) {
          expect(one.budgetMicros).toBeGreaterThanOrEqual(one.candidate.estimateMicros);
          expect(one.budgetMicros).toBeLessThanOrEqual(one.candidate.budgetMicros);
        }
      },
    ),
  );
});

test("a cheap sample is ordered even where a dear one before it does not fit", () => {
  const dear = { estimateMicros: 900, budgetMicros: 1_000 };
  const cheap = { estimateMicros: 100, budgetMicros: 1_000 };
  expect(allowanceOf([dear, cheap], 500)).toEqual({
    ordered: [{ candidate: cheap, budgetMicros: 500 }],
    tooDear: [dear],
    limitMicros: 500,
  });
});
