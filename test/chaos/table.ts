/** What a run has shown, for a person: a line an invariant, a line a promise, and what hit how often. */
import { PROMISES, type Verdicts } from "./checker/index.ts";
import type { RunResult } from "./run.ts";

const SHOWN_VIOLATIONS = 5;

export function tableOf({ verdicts, seconds }: RunResult, seed: number): string[] {
  const { invariants, hits, counts, recoveries, vacuous } = verdicts;
  const lines = [
    `seed ${seed}, ${seconds} s`,
    "",
    "  no  invariant                                        checked  violations",
  ];
  for (const { number, name, checked, violations } of invariants) {
    lines.push(
      `${String(number).padStart(4)}  ${name.padEnd(48)} ${String(checked).padStart(7)}  ${String(violations.length).padStart(10)}`,
    );
    for (const { of, what } of violations.slice(0, SHOWN_VIOLATIONS)) lines.push(`        ${of}: ${what}`);
    if (violations.length > SHOWN_VIOLATIONS)
      lines.push(`        and ${violations.length - SHOWN_VIOLATIONS} more`);
  }
  lines.push("", "  promise");
  for (const [index, { promise, by }] of PROMISES.entries()) {
    const broken = brokenBy(verdicts, by);
    lines.push(
      `${String(index + 1).padStart(4)}  ${promise.padEnd(56)} ${broken.length === 0 ? "kept" : `broken (${broken.join(", ")})`}`,
    );
  }
  lines.push("", "  faults that hit");
  lines.push(
    `        ${Object.entries(hits)
      .map(([id, count]) => `${id} ${count}`)
      .join("   ")}`,
  );
  lines.push(
    "",
    ...Object.entries(counts).map(([what, count]) => `${String(count).padStart(8)}  ${what}`),
    "",
  );
  for (const [what, times] of Object.entries(recoveries))
    if (times.length > 0) lines.push(`        ${what} ${spread(times)}`);
  lines.push("");
  if (vacuous.length > 0) lines.push(`VACUOUS: ${vacuous.join("; ")}.`);
  lines.push(passed(verdicts) ? "Every invariant held." : "This run failed.");
  return lines;
}

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) =>
    `${((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1_000).toFixed(1)} s`;
  return `${at(0.5)} (median of ${sorted.length}; longest ${at(1)})`;
}

export function brokenBy({ invariants }: Verdicts, by: readonly number[]): number[] {
  return by.filter((number) => invariants.some((one) => one.number === number && one.violations.length > 0));
}

export function passed({ invariants, vacuous }: Verdicts): boolean {
  return vacuous.length === 0 && invariants.every(({ violations }) => violations.length === 0);
}
