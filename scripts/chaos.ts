/**
 * `npm run chaos`: the fleet in real processes, under faults, judged by witnesses of its own (docs/chaos.md).
 *
 *     npm run chaos                              quick: every fault once, about 90 s
 *     npm run chaos -- --seed 7 --minutes 15     longer, faults again and again
 *     npm run chaos -- --planted                 each planted bug must be caught, and the clean run be green
 */
import { parseArgs } from "node:util";
import { longPlan, quickPlan } from "../test/chaos/modes.ts";
import { runPlanted } from "../test/chaos/planted-bugs/run-planted.ts";
import { runChaos } from "../test/chaos/run.ts";
import { passed, tableOf } from "../test/chaos/table.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    minutes: { type: "string" },
    planted: { type: "boolean", default: false },
    only: { type: "string" },
    keep: { type: "string" },
    workers: { type: "string" },
  },
});
const seed = wholeNumber("seed", values.seed);
const say = (line: string): void => console.error(line);

if (values.planted) process.exitCode = (await runPlanted({ only: values.only ?? null, say })) ? 0 : 1;
else {
  const minutes = values.minutes === undefined ? null : Number(values.minutes);
  if (minutes !== null && !(minutes > 0)) throw new TypeError("--minutes takes a number above 0.");
  const plan = minutes === null ? quickPlan(seed) : longPlan(seed, minutes);
  say(`seed ${seed}: ${plan.orders.length} orders in ${Math.round(plan.loadMs / 1_000)} s`);
  const result = await runChaos({
    plan,
    repeat: minutes !== null,
    say,
    ...(values.keep === undefined ? {} : { keepIn: values.keep }),
    ...(values.workers === undefined ? {} : { workers: wholeNumber("workers", values.workers) }),
  });
  for (const line of tableOf(result, seed)) console.log(line);
  process.exitCode = passed(result.verdicts) ? 0 : 1;
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1)
    throw new TypeError(`--${name} takes a whole number, 1 or more.`);
  return number;
}
