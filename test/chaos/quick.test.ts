/**
 * The chaos run of every change: the fleet in real processes, each fault at least once, 200 orders. What the checker found
 * is told one invariant a test. `npm run chaos` runs the same and prints the table; docs/chaos.md tells what is in it.
 */
import { beforeAll, expect, test } from "vitest";
import { FORGERIES } from "./checker/forgeries.ts";
import { check, INVARIANTS } from "./checker/index.ts";
import { quickPlan } from "./modes.ts";
import { runChaos, type RunResult } from "./run.ts";
import { tableOf } from "./table.ts";

const SEED = 1;
const LONGEST_MS = 900_000;

let result: RunResult;

beforeAll(async () => {
  result = await runChaos({ plan: quickPlan(SEED), repeat: false });
  process.stdout.write(`${tableOf(result, SEED).join("\n")}\n`);
}, LONGEST_MS);

test.for(INVARIANTS.map(({ number, name }) => [number, name] as const))(
  "under faults, %i holds: %s",
  ([number]) => {
    const found = result.verdicts.invariants.find((one) => one.number === number);
    expect(found?.violations).toEqual([]);
  },
);

test.for(FORGERIES.map((forgery) => [forgery.name, forgery] as const))(
  "the judge notices when %s",
  ([, { breaks, forge }]) => {
    const forged = structuredClone(result.evidence);
    // Not every run has something of each kind; what it has must be noticed.
    if (!forge(forged)) return;
    const broken = check(forged).invariants.filter(({ violations }) => violations.length > 0);
    expect(broken.map(({ number }) => number)).toContain(breaks);
  },
);

test("of every invariant the judge was shown a breach", () => {
  expect(
    INVARIANTS.map(({ number }) => number).filter(
      (number) => !FORGERIES.some(({ breaks }) => breaks === number),
    ),
  ).toEqual([]);
});

test("every fault hit, and what it is there for happened", () => {
  expect(result.verdicts.vacuous).toEqual([]);
});
