import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DEFAULT_FAILURE_LIMITS, HOLD_STATUSES, LEDGER_VERBS } from "../../../src/domain/credits.ts";
import { SPEND_OUTCOMES } from "../../../src/domain/failure.ts";
import { SPEND_KINDS } from "../../../src/store/books.ts";

const DOC = readFileSync(new URL("../../../docs/money.md", import.meta.url), "utf8");

/** What stands in code font in the first column of the table under this title row. */
function firstColumn(title: string): string[] {
  const lines = DOC.split("\n");
  const head = lines.findIndex((line) => line.startsWith(`| ${title} |`));
  const rows = lines.slice(head + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith("|")),
    )
    .flatMap((line) => [...(line.split("|")[1] ?? "").matchAll(/`([a-z_]+)`/g)].map(([, word = ""]) => word));
}

test("every ledger verb has its row, and no other", () => {
  expect(firstColumn("verb")).toEqual([...LEDGER_VERBS]);
});

test("every outcome of spend is explained, and no other", () => {
  expect(firstColumn("outcome")).toEqual([...SPEND_OUTCOMES]);
});

test("everything spend can be lost to is explained, and nothing else", () => {
  expect(firstColumn("kind")).toEqual([...SPEND_KINDS]);
});

test("the drawings show every status of a hold and every outcome of spend that a request passes through", () => {
  const [credits = "", spend = ""] = DOC.split("```mermaid").slice(1);
  for (const status of HOLD_STATUSES) expect(credits).toMatch(new RegExp(`-> ${status}:`));
  for (const outcome of SPEND_OUTCOMES.filter((one) => one !== "reused"))
    expect(spend).toMatch(new RegExp(`-> ${outcome}:`));
});

test("the limits of paid failure are the ones in force", () => {
  expect(DEFAULT_FAILURE_LIMITS).toEqual({ runsOfReport: 3, failedReports: 5, windowMs: 24 * 3_600_000 });
  expect(DOC).toContain("fails in its third run");
  expect(DOC).toContain("five such reports of an account within 24 hours");
});
