import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadReportTypes } from "../../../src/report-types/registry.ts";

const folder = mkdtempSync(join(tmpdir(), "report-types-"));
afterAll(() => rmSync(folder, { recursive: true }));

function aModule(name: string, code: string): string {
  writeFileSync(join(folder, name), code);
  return name;
}

function typeCode(name: string): string {
  return `({ type: "${name}", version: 1, title: "T", sections: [], assemble() {} })`;
}

test("a team's types are found however its modules export them", async () => {
  const registry = await loadReportTypes(
    [
      aModule("named.js", `export const essay = ${typeCode("essay")}; export const other = 5;`),
      `./${aModule("default.mjs", `export default ${typeCode("letter")};`)}`,
      join(
        folder,
        aModule("list.ts", `export const all: object[] = [${typeCode("memo")}, ${typeCode("note")}];`),
      ),
    ],
    folder,
  );
  expect(registry.all().map((type) => type.type)).toEqual(["essay", "letter", "memo", "note"]);
  expect(registry.get("memo")?.version).toBe(1);
  expect(registry.get("nothing")).toBeUndefined();
});

test("one type exported twice is one type", async () => {
  const twice = aModule(
    "twice.js",
    `const t = ${typeCode("twice")}; export default t; export const all = [t];`,
  );
  expect((await loadReportTypes([twice, twice], folder)).all()).toHaveLength(1);
});

test("the examples and the fleet tests' types load", async () => {
  const registry = await loadReportTypes(
    ["examples/index.ts", "test/support/report-types/index.ts"],
    process.cwd(),
  );
  expect(registry.all().map((type) => type.type)).toEqual([
    "dependency-review",
    "topic-report",
    "audit",
    "chained",
    "planned",
    "stepped",
    "topic",
  ]);
});

test("a buyer who mistypes a type is told the one that was meant, and all there are", async () => {
  const registry = await loadReportTypes(["examples/index.ts"], process.cwd());
  expect(() => registry.require("topicreport")).toThrow(
    'There is no report type "topicreport"; did you mean "topic-report"? Known: dependency-review, topic-report.',
  );
  expect(() => registry.require("invoice")).toThrow(/no report type "invoice"\. Known/);
  expect(registry.require("topic-report").type).toBe("topic-report");
});

describe("the fleet does not start when", () => {
  test.each<[string, () => string[], RegExp]>([
    [
      "two types share a name",
      () => [
        aModule("one.js", `export const a = ${typeCode("same")}`),
        aModule("two.js", `export const a = ${typeCode("same")}`),
      ],
      /Two report types are named "same": one in one\.js, one in two\.js/,
    ],
    [
      "a module has no report type",
      () => [aModule("none.js", "export const a = 1")],
      /none\.js exports no report type/,
    ],
    ["a file is missing", () => ["./missing.ts"], /no file .*missing\.ts/],
    [
      "a package is missing",
      () => ["no-such-package-of-types"],
      /no-such-package-of-types could not be loaded/,
    ],
    [
      "a module throws",
      () => [aModule("throws.js", 'throw new Error("no key")')],
      /throws\.js could not be loaded: no key/,
    ],
  ])("%s", async (_, specifiers, sentence) => {
    await expect(loadReportTypes(specifiers(), folder)).rejects.toMatchObject({
      code: "invalid_type",
      message: expect.stringMatching(sentence) as string,
    });
  });
});
