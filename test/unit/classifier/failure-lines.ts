import { readFileSync } from "node:fs";
import type { Evidence, Surface } from "../../../src/domain/evidence.ts";
import type { FailureKind } from "../../../src/domain/failure.ts";

/** A labelled failure as the fixtures hold it; everything but the labels is evidence. */
export interface LabelledFailure extends Evidence {
  id: string;
  surface: Surface;
  expect: { kind: FailureKind; retryable: boolean; cooldownMs: number | null };
  alsoAcceptable?: FailureKind[];
  salvageable?: boolean;
  recovered?: unknown;
}

export function failureLines(file: string): string[] {
  const path = new URL(`../../fixtures/failures/${file}`, import.meta.url);
  return readFileSync(path, "utf8").trim().split("\n");
}

export function labelledFailures(file: string): LabelledFailure[] {
  return failureLines(file).map((line) => JSON.parse(line) as LabelledFailure);
}
