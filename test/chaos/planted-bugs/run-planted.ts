/**
 * Plants each bug in a copy of the sources, runs it, and sees whether the checker names one of the invariants that it
 * breaks. The clean sources go first under every scenario and must be green: the checker is the same, and knows of no bug.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPOSITORY, runChaos, type RunResult } from "../run.ts";
import { tableOf } from "../table.ts";
import { BUGS_OF_CALLS } from "./bugs-of-calls.ts";
import { BUGS_OF_MONEY } from "./bugs-of-money.ts";
import { BUGS_OF_WORK } from "./bugs-of-work.ts";
import type { PlantedBug } from "./planted-bug.ts";
import { scenarioPlan, type ScenarioName } from "./scenarios.ts";

export const PLANTED_BUGS: readonly PlantedBug[] = [...BUGS_OF_MONEY, ...BUGS_OF_WORK, ...BUGS_OF_CALLS];

/** Enough for the clean sources; what is stuck then is stuck. */
const RECOVERS_WITHIN_MS = 26_000;

export interface PlantedSettings {
  seed: number;
  /** Only bugs whose name holds this text. */
  only: string | null;
  say: (line: string) => void;
}

/** True where every bug was caught by an invariant that it breaks, and the clean sources broke none. */
export async function runPlanted({ seed, only, say }: PlantedSettings): Promise<boolean> {
  const bugs = PLANTED_BUGS.filter(({ name }) => only === null || name.includes(only));
  const rows: string[] = [];
  let good = true;
  for (const scenario of new Set(bugs.map((bug) => bug.scenario))) {
    const result = await runIn(scenario, seed, REPOSITORY);
    const broken = brokenIn(result);
    if (broken.length > 0) for (const line of tableOf(result, seed)) say(line);
    good &&= broken.length === 0;
    rows.push(rowOf(`clean, ${scenario}`, result.seconds, "none", broken, broken.length === 0));
    say(rows.at(-1) ?? "");
  }
  for (const bug of bugs) {
    const sources = plant(bug);
    try {
      const result = await runIn(bug.scenario, seed, sources);
      const broken = brokenIn(result);
      const caught = bug.caughtBy.some((number) => broken.includes(number));
      good &&= caught;
      rows.push(rowOf(bug.name, result.seconds, bug.caughtBy.join(", "), broken, caught));
      say(rows.at(-1) ?? "");
    } finally {
      rmSync(sources, { recursive: true, force: true });
    }
  }
  say(
    `\nseed ${seed}: ${good ? "every bug was caught, and the clean sources are green" : "NOT every bug was caught"}`,
  );
  return good;
}

function runIn(scenario: ScenarioName, seed: number, sources: string): Promise<RunResult> {
  return runChaos({
    plan: scenarioPlan(scenario, seed),
    repeat: false,
    sources,
    recoversWithinMs: RECOVERS_WITHIN_MS,
  });
}

function brokenIn({ verdicts }: RunResult): number[] {
  return verdicts.invariants.flatMap(({ number, violations }) => (violations.length > 0 ? [number] : []));
}

function rowOf(
  name: string,
  seconds: number,
  expected: string,
  broken: readonly number[],
  good: boolean,
): string {
  const found = broken.length === 0 ? "nothing" : broken.join(", ");
  return `${good ? "ok  " : "FAIL"}  ${name.padEnd(34)} ${String(seconds).padStart(4)} s   expected ${expected.padEnd(12)} found ${found}`;
}

/** A copy of what the fleet's processes load, with the bug in it. */
function plant(bug: PlantedBug): string {
  const copy = mkdtempSync(join(tmpdir(), "report-fleet-planted-"));
  for (const part of ["src", "bin", "examples", "package.json"])
    cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true });
  for (const part of ["test/chaos/report-types.ts", "test/support/report-types"])
    cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true });
  symlinkSync(join(REPOSITORY, "node_modules"), join(copy, "node_modules"));
  for (const [file, text] of editedFiles(bug)) writeFileSync(join(copy, "src", file), text);
  return copy;
}

/** The files that the bug changes, as it leaves them; throws where its place in them is not found. */
export function editedFiles({ name, edits }: PlantedBug): Map<string, string> {
  const files = new Map<string, string>();
  for (const { file, from, to } of edits) {
    const text = files.get(file) ?? readFileSync(join(REPOSITORY, "src", file), "utf8");
    const count = text.split(from).length - 1;
    if (count !== 1)
      throw new Error(
        `The bug "${name}" is planted at a place that src/${file} has ${count} times: ${JSON.stringify(from.slice(0, 80))}. Plant it anew.`,
      );
    files.set(
      file,
      text.replace(from, () => to),
    );
  }
  return files;
}
