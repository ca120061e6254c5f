import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FAILURE_CODES } from "../../../src/classifier/failure-codes.ts";
import { FAILURE_KINDS } from "../../../src/domain/failure.ts";

const DOC = readFileSync(new URL("../../../docs/failures.md", import.meta.url), "utf8");

/** The text under each heading, up to the next heading of any level. */
function partsUnder(level: string): Map<string, string> {
  const parts = DOC.split(/^(?=#+ )/m).filter((part) => part.startsWith(`${level} `));
  return new Map(parts.map((part) => [part.slice(level.length + 1, part.indexOf("\n")), part]));
}

test("every kind is documented with its cause, behaviour, cost and remedy, and no other", () => {
  const kinds = partsUnder("##");
  expect([...kinds.keys()]).toEqual([...FAILURE_KINDS]);
  for (const part of kinds.values())
    for (const word of ["Cause", "Behaviour", "Cost", "Remedy"]) expect(part).toContain(`**${word}.**`);
});

test("every code is documented in the words of its table, with a remedy, and no other", () => {
  const codes = partsUnder("###");
  expect([...codes.keys()].toSorted()).toEqual(Object.keys(FAILURE_CODES).toSorted());
  for (const [code, { scope, means }] of Object.entries(FAILURE_CODES)) {
    expect(codes.get(code)).toContain(`Scope: \`${scope}\`. ${means}`);
    expect(codes.get(code)).toMatch(/^Remedy: \S/m);
  }
});

test("every code stands under its kind", () => {
  const byKind = DOC.split(/^(?=## )/m);
  for (const [code, { kind }] of Object.entries(FAILURE_CODES))
    expect(byKind.find((part) => part.startsWith(`## ${kind}\n`))).toContain(`### ${code}\n`);
});
