/**
 * Replays failures as they were reported in public (`cases.jsonl`) and wordings of further providers and stores
 * (`wordings.jsonl`), line by line through the same door as `report-fleet classify`.
 */
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { classifyLine } from "../../../src/classifier/classify-line.ts";
import { failureLines, labelledFailures } from "./failure-lines.ts";
import type { LabelledFailure } from "./failure-lines.ts";

function mismatches(failures: readonly LabelledFailure[]): string[] {
  return failures.flatMap((failure) => {
    const answer = classifyLine(JSON.stringify(failure), { explain: true });
    if ("error" in answer) return [`${failure.id}: ${answer.error}`];
    const wanted = failure.expect;
    const found: string[] = [];
    if (answer.kind !== wanted.kind) found.push(`kind ${answer.kind} (${answer.rule}), not ${wanted.kind}`);
    if (answer.retryable !== wanted.retryable) found.push(`retryable ${answer.retryable}`);
    const near =
      answer.cooldownMs === wanted.cooldownMs ||
      (answer.cooldownMs !== null &&
        wanted.cooldownMs !== null &&
        Math.abs(answer.cooldownMs - wanted.cooldownMs) <= 1_000);
    if (!near) found.push(`cooldown ${answer.cooldownMs}, not ${wanted.cooldownMs}`);
    if (failure.salvageable !== undefined && answer.salvaged !== undefined) {
      const right = failure.salvageable
        ? answer.salvaged.ok && isDeepStrictEqual(answer.salvaged.value, failure.recovered)
        : !answer.salvaged.ok;
      if (!right) found.push(`salvaged ${JSON.stringify(answer.salvaged)}`);
    }
    return found.length === 0 ? [] : [`${failure.id}: ${found.join(", ")}`];
  });
}

const CORPUS = labelledFailures("cases.jsonl");
const SURFACES = ["http", "network", "completion", "parse", "redis", "disk", "domain"] as const;

describe("every failure in the corpus is judged as its label says", () => {
  test.each(SURFACES)("%s", (surface) => {
    const failures = CORPUS.filter((failure) => failure.surface === surface);
    expect(failures.length).toBeGreaterThan(0);
    expect(mismatches(failures)).toEqual([]);
  });

  test("no surface is left out", () => {
    expect(CORPUS.every((failure) => SURFACES.includes(failure.surface))).toBe(true);
    expect(CORPUS).toHaveLength(211);
  });
});

test("other providers, proxies and stores are understood by the same rules", () => {
  expect(mismatches(labelledFailures("wordings.jsonl"))).toEqual([]);
});

test("a label on the line does not change the answer", () => {
  const labels = [
    "expect",
    "alsoAcceptable",
    "salvageable",
    "recovered",
    "reason",
    "client",
    "source",
    "adapted",
  ];
  for (const line of failureLines("cases.jsonl")) {
    const fields = Object.entries(JSON.parse(line) as Record<string, unknown>);
    const bare = Object.fromEntries(fields.filter(([name]) => !labels.includes(name)));
    expect(classifyLine(line, { explain: true })).toEqual(
      classifyLine(JSON.stringify(bare), { explain: true }),
    );
  }
});

test("the whole corpus is answered in well under a second", () => {
  const lines = failureLines("cases.jsonl");
  const started = performance.now();
  for (const line of lines) classifyLine(line, { explain: true });
  expect(performance.now() - started).toBeLessThan(1_000);
});
