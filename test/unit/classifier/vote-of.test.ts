import { expect, test } from "vitest";
import { FAILURE_CODES } from "../../../src/classifier/failure-codes.ts";
import { voteOf } from "../../../src/classifier/vote-of.ts";

function weightOf(code: keyof typeof FAILURE_CODES): string {
  const { kind, scope } = FAILURE_CODES[code];
  return voteOf({ kind, code, scope });
}

test("only what the next report would repeat is a vote against the type", () => {
  expect(weightOf("schema_mismatch")).toBe("counts");
  expect(weightOf("type_code_failed")).toBe("counts");
  expect(weightOf("parameter_invalid")).toBe("opens_at_once");
  expect(weightOf("refused")).toBe("counts_per_account");
});

test("neither a customer's mistake, nor a provider's trouble, nor a wrong key stops a type", () => {
  const codes = Object.keys(FAILURE_CODES) as (keyof typeof FAILURE_CODES)[];
  const innocent = codes.filter((code) => {
    const { kind, scope } = FAILURE_CODES[code];
    return scope === "route" || ["transient", "input", "persistence", "cost"].includes(kind);
  });
  expect(innocent.length).toBeGreaterThan(20);
  expect(innocent.filter((code) => weightOf(code) !== "none")).toEqual([]);
});
