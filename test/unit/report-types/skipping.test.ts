import { expect, test } from "vitest";
import { lintRegistry } from "../../../src/report-types/lint.ts";
import { planSections, skippedWith } from "../../../src/report-types/plan.ts";
import { registryOf } from "../../../src/report-types/registry.ts";
import { aReportType, aSection } from "./a-report-type.ts";

const PRICES = { priceKnown: () => true };

test("what cannot do without a skipped section is skipped with it, and what can is written", () => {
  const plan = planSections(
    aReportType({
      sections: [
        // Not in the order in which they depend on each other.
        aSection("end", { after: ["b", "c"], optional: ["c"] }),
        aSection("a"),
        aSection("b", { after: ["a"] }),
        aSection("c", { after: ["b"] }),
        aSection("free", { after: ["a"], optional: ["a"] }),
      ],
    }),
  );
  expect(skippedWith(plan, "a")).toEqual(["a", "end", "b", "c"]);
  expect(skippedWith(plan, "c")).toEqual(["c"]);
});

test("an author learns at boot that an optional section is none of those it comes after", () => {
  const type = aReportType({ sections: [aSection("a"), aSection("b", { optional: ["a"] })] });
  expect(() => lintRegistry(registryOf([type]), PRICES)).toThrow(
    /calls "a" optional, but does not come after it/,
  );
});

test.each([0, 1.5, 1_001])("a credit review after %s runs is refused at boot", (creditReviewAfterRuns) => {
  const type = aReportType({ creditReviewAfterRuns });
  expect(() => lintRegistry(registryOf([type]), PRICES)).toThrow(/creditReviewAfterRuns/);
});

test.each([0, -1, 1.5, Number.POSITIVE_INFINITY, 400 * 24 * 3_600_000])(
  "a review deadline of %s ms is refused at boot",
  (reviewDeadlineMs) => {
    const type = aReportType({ reviewDeadlineMs });
    expect(() => lintRegistry(registryOf([type]), PRICES)).toThrow(/reviewDeadlineMs/);
  },
);
