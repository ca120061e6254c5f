/** What the chaos suite aims at lies in sources that move; whoever moves it is told here, and not by a run that hits nothing. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { grantCredits } from "../../../src/store/credits.ts";
import { openStore } from "../../../src/store/redis.ts";
import { INVARIANTS, PROMISES } from "../../chaos/checker/index.ts";
import { FAULTS } from "../../chaos/faults/index.ts";
import { quickPlan } from "../../chaos/modes.ts";
import { editedFiles, PLANTED_BUGS } from "../../chaos/planted-bugs/run-planted.ts";
import { CommandReader } from "../../chaos/redis-commands.ts";
import { REPOSITORY } from "../../chaos/run.ts";
import { ScriptNames, type ScriptName } from "../../chaos/script-names.ts";
import { admitOrder } from "../../support/store-for-tests.ts";

test.for(PLANTED_BUGS.map((bug) => [bug.name, bug] as const))(
  "the planted bug has its place in the sources: %s",
  ([, bug]) => {
    expect(editedFiles(bug).size).toBeGreaterThan(0);
  },
);

test("every script that a fault waits for is one of the fleet's", () => {
  const scripts = new ScriptNames(REPOSITORY);
  const folder = join(REPOSITORY, "test/chaos/faults");
  const named = globSync("*.ts", { cwd: folder }).flatMap((file) =>
    [...readFileSync(join(folder, file), "utf8").matchAll(/"([a-z-]+\/[A-Z_]+)"/g)].map(
      ([, name]) => name as ScriptName,
    ),
  );
  expect(named.length).toBeGreaterThan(5);
  for (const name of named) expect(scripts.require(name)).toBe(name);
});

test("a script is known by the form in which it is sent", async () => {
  const names = new ScriptNames(REPOSITORY);
  const met: (ScriptName | null)[] = [];
  const redis = {
    evalsha: () => Promise.reject(new Error("NOSCRIPT No matching script.")),
    eval: (code: string) => {
      const words = [Buffer.from("EVAL"), Buffer.from(code)];
      met.push(names.of({ words, bytes: Buffer.alloc(0) }));
      return Promise.reject(new Error("It is only looked at."));
    },
  } as unknown as Redis;
  const store = openStore(redis, "aims");
  await expect(admitOrder(store, { account: "alpha", credits: 1 })).rejects.toThrow("looked at");
  const grant = { account: "alpha", credits: 1, reference: "a deposit" };
  await expect(grantCredits(store, grant)).rejects.toThrow("looked at");
  expect(met).toEqual(["admit/ADMIT", "credits/GRANT"]);
});

test("a quick run holds every fault, and the same seed is the same run", () => {
  const plan = quickPlan(7);
  expect(new Set(plan.lanes.flat())).toEqual(new Set(FAULTS.map(({ id }) => id)));
  expect(quickPlan(7)).toEqual(plan);
  expect(quickPlan(8)).not.toEqual(plan);
});

test("every bug and every promise names invariants that are judged", () => {
  const numbers = new Set<number>(INVARIANTS.map(({ number }) => number));
  for (const number of [
    ...PLANTED_BUGS.flatMap(({ caughtBy }) => caughtBy),
    ...PROMISES.flatMap(({ by }) => by),
  ])
    expect(numbers).toContain(number);
});

describe("commands on their way to Redis", () => {
  const bytes = Buffer.from("*2\r\n$4\r\nECHO\r\n$6\r\na\r\nb\r\n\r\n*1\r\n$4\r\nPING\r\n");

  test("are read whole, however they were cut", () => {
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new CommandReader();
      const read = [...reader.read(bytes.subarray(0, cut)), ...reader.read(bytes.subarray(cut))];
      expect(read.map(({ words }) => words.map(String))).toEqual([["ECHO", "a\r\nb\r\n"], ["PING"]]);
      expect(Buffer.concat(read.map((command) => command.bytes))).toEqual(bytes);
    }
  });
});
