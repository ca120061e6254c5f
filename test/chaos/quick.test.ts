/**
 * The chaos run of every change: the fleet in real processes, each fault at least once, 200 orders. What the checker found
 * is told one invariant a test. `npm run chaos` runs the same and prints the table; docs/chaos.md tells what is in it.
 */
import { beforeAll, expect, test } from "vitest";
import { INVARIANTS } from "./checker/index.ts";
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

test("every fault hit, and what it is there for happened", () => {
  expect(result.verdicts.vacuous).toEqual([]);
});
