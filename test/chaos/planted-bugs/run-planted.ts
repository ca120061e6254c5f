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
  /** Only bugs whose name holds this text. */
  only: string | null;
  say: (line: string) => void;
}

/** True where every bug was caught by an invariant that it breaks, the clean sources broke none, and every fault hit. */
export async function runPlanted({ only, say }: PlantedSettings): Promise<boolean> {
  const bugs = PLANTED_BUGS.filter(({ name }) => only === null || name.includes(only));
  const scenarios = [...new Set(bugs.map((bug) => bug.scenario))];
  let good = true;
  const judge = (row: Row) => {
    good &&= row.problem === null;
    const { planted, files, seed, caughtBy, broken, seconds, problem } = row;
    say(`| ${[planted, files, seed, caughtBy, broken, seconds, problem ?? "ok"].join(" | ")} |`);
  };
  say("| planted | in `src` | seed | caught by | broken in all | s | |");
  say("| --- | --- | ---: | --- | --- | ---: | --- |");
  for (const scenario of scenarios) judge(await tryClean(scenario, say));
  for (const bug of bugs) judge(await tryBug(bug));
  say(`\n${good ? "Every bug was caught, and the clean sources are green." : "NOT every bug was caught."}`);
  return good;
}

interface Row {
  planted: string;
  files: string;
  seed: number;
  caughtBy: string;
  broken: string;
  seconds: number;
  /** Null where it is as it has to be. */
  problem: string | null;
}

async function tryClean(scenario: ScenarioName, say: (line: string) => void): Promise<Row> {
  const { seed } = scenarioPlan(scenario);
  const { result, broken } = await runIn(scenario, REPOSITORY);
  if (broken.length > 0) for (const line of tableOf(result, seed)) say(line);
  const problem = broken.length > 0 ? "the clean sources are red" : emptyBy(result.verdicts.vacuous);
  const planted = `nothing (${scenario})`;
  return {
    planted,
    files: "",
    seed,
    caughtBy: "",
    broken: broken.join(", "),
    seconds: result.seconds,
    problem,
  };
}

async function tryBug(bug: PlantedBug): Promise<Row> {
  const sources = plant(bug);
  try {
    const { result, broken } = await runIn(bug.scenario, sources);
    const caughtBy = bug.caughtBy.filter((number) => broken.includes(number));
    return {
      planted: bug.name,
      seed: scenarioPlan(bug.scenario).seed,
      files: [...new Set(bug.edits.map(({ file }) => file))].join(", "),
      caughtBy: caughtBy.join(", "),
      broken: broken.join(", "),
      seconds: result.seconds,
      // The faults must hit; that the product then did what it should is what the bug may have taken from it.
      problem:
        caughtBy.length > 0 ? emptyBy(result.verdicts.missed) : `NOT CAUGHT by ${bug.caughtBy.join(", ")}`,
    };
  } finally {
    rmSync(sources, { recursive: true, force: true });
  }
}

async function runIn(
  scenario: ScenarioName,
  sources: string,
): Promise<{ result: RunResult; broken: number[] }> {
  const result = await runChaos({
    plan: scenarioPlan(scenario),
    repeat: false,
    sources,
    recoversWithinMs: RECOVERS_WITHIN_MS,
  });
  const { invariants } = result.verdicts;
  const broken = invariants.flatMap(({ number, violations }) => (violations.length > 0 ? [number] : []));
  return { result, broken };
}

function emptyBy(missing: readonly string[]): string | null {
  return missing.length === 0 ? null : `VACUOUS: ${missing.join(", ")}`;
}

/** A copy of what the fleet's processes load, with the bug in it. */
export function plant(bug: PlantedBug): string {
  const copy = mkdtempSync(join(tmpdir(), "report-fleet-planted-"));
  for (const part of ["src", "bin", "examples", "package.json"])
    cpSync(join(REPOSITORY, part), join(copy, part), { recursive: true });
  for (const part of ["test/chaos/report-types.ts", "test/chaos/witnesses.ts", "test/support/report-types"])
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
