import { describe, expect, test } from "vitest";
import { z } from "zod";
import { isFleetError } from "../../../src/domain/fleet-error.ts";
import { json, text } from "../../../src/report-types/define-report.ts";
import type { ReportType } from "../../../src/report-types/define-report.ts";
import { lintRegistry, lintReportType, modelsOf } from "../../../src/report-types/lint.ts";
import { registryOf } from "../../../src/report-types/registry.ts";
import { aReportType, aSection } from "./a-report-type.ts";

const everythingPriced = { priceKnown: () => true };

function errorsOf(type: ReportType): string[] {
  return lintReportType(type, everythingPriced)
    .filter((problem) => problem.level === "error")
    .map((problem) => problem.message);
}

test("a sound report type starts without a word", () => {
  expect(lintReportType(aReportType({ sample: { topic: "rivers" } }), everythingPriced)).toEqual([]);
});

const planned = { templates: [aSection("part")], plan: () => [], maxSections: 5 };

describe("an author is told what to change when", () => {
  test.each<[string, ReportType, RegExp]>([
    ["the type name has capitals", aReportType({ type: "Essay" }), /type name "Essay" must be lower-case/],
    ["the version is no whole number", aReportType({ version: 1.5 }), /version is 1\.5/],
    ["the version is 0", aReportType({ version: 0 }), /version is 0/],
    ["the title is empty", aReportType({ title: " " }), /title is empty/],
    ["the price is negative", aReportType({ credits: -1 }), /credits is -1/],
    ["the price is a fraction", aReportType({ credits: 0.5 }), /credits is 0\.5/],
    ["the budget is 0", aReportType({ budget: { usd: 0 } }), /budget\.usd must be above 0/],
    ["the budget is not a number", aReportType({ budget: { usd: Number.NaN } }), /budget\.usd/],
    [
      "the source limit is above the hard one",
      aReportType({ maxSourceBytes: 5_000_000 }),
      /maxSourceBytes is 5000000/,
    ],
    ["the breaker never opens", aReportType({ breaker: { threshold: 0 } }), /breaker\.threshold is 0/],
    [
      "the breaker's window is endless",
      aReportType({ breaker: { windowMs: Infinity } }),
      /breaker\.windowMs/,
    ],
    [
      "a setting of the breaker is misspelt",
      aReportType({ breaker: { treshold: 2 } as object }),
      /breaker\.treshold is no setting/,
    ],
    ["the breaker never opens", aReportType({ breaker: { threshold: 0 } }), /breaker\.threshold is 0/],
    [
      "the breaker's window is endless",
      aReportType({ breaker: { windowMs: Infinity } }),
      /breaker\.windowMs/,
    ],
    [
      "a setting of the breaker is misspelt",
      aReportType({ breaker: { treshold: 2 } as object }),
      /breaker\.treshold is no setting/,
    ],
    ["there are no sections", aReportType({ sections: [] }), /no sections/],
    [
      "there are more than 50 sections",
      aReportType({ sections: Array.from({ length: 51 }, (_, at) => aSection(`s${at}`)) }),
      /51 sections and may have 50/,
    ],
    ["a section key has a dot", aReportType({ sections: [aSection("a.b")] }), /section key "a\.b" must be/],
    [
      "two sections share a key",
      aReportType({ sections: [aSection("a"), aSection("a")] }),
      /two sections .* "a"/,
    ],
    ["a weight is 0", aReportType({ sections: [aSection("a", { weight: 0 })] }), /weight 0/],
    [
      "a section comes after one that does not exist",
      aReportType({ sections: [aSection("a", { after: ["b"] })] }),
      /"a" comes after "b", which does not exist/,
    ],
    [
      "sections wait for each other",
      aReportType({
        sections: [
          aSection("a", { after: ["c"] }),
          aSection("b", { after: ["a"] }),
          aSection("c", { after: ["b"] }),
        ],
      }),
      /a → c → b → a/,
    ],
    ["a section waits for itself", aReportType({ sections: [aSection("a", { after: ["a"] })] }), /a → a/],
    [
      "a prompt has no version",
      aReportType({ sections: [aSection("a", { promptVersion: "" })] }),
      /promptVersion/,
    ],
    [
      "a written section lists an empty prompt version",
      aReportType({
        sections: [{ key: "a", title: "A", output: text(), write: async () => "", promptVersions: [""] }],
      }),
      /promptVersions has an empty entry/,
    ],
    [
      "a section has no output",
      aReportType({ sections: [aSection("a", { output: undefined })] }),
      /needs an output/,
    ],
    [
      "a text may be empty",
      aReportType({ sections: [aSection("a", { output: text({ minChars: 0 }) })] }),
      /minChars is 0/,
    ],
    [
      "an output name has spaces",
      aReportType({ sections: [aSection("a", { output: json("my output", z.object({})) })] }),
      /output name "my output"/,
    ],
    [
      "an output cannot be asked for strictly",
      aReportType({
        sections: [aSection("a", { output: json("o", z.object({ x: z.string().optional() })) })],
      }),
      /x may be left out; use \.nullable\(\)/,
    ],
    [
      "a model's output limit is 0",
      aReportType({ sections: [aSection("a", { model: { maxOutputTokens: 0 } })] }),
      /maxOutputTokens is 0/,
    ],
    [
      "a cache never holds anything",
      aReportType({ sections: [aSection("a", { cache: { ttlMs: 0 } })] }),
      /cache\.ttlMs/,
    ],
    [
      "a plan may be endless",
      aReportType({ sections: { ...planned, maxSections: 51 } }),
      /maxSections is 51/,
    ],
    [
      "a template's key is no name",
      aReportType({ sections: { ...planned, templates: [aSection("A Part")] } }),
      /template: section key "A Part"/,
    ],
    [
      "a plan has no templates",
      aReportType({ sections: { ...planned, templates: [] } }),
      /template: .*no sections/,
    ],
    [
      "the sample is stale",
      aReportType({ sample: { theme: "rivers" } as unknown as { topic: string } }),
      /sample is not a valid source/,
    ],
    [
      "prepare fails on the sample",
      aReportType({
        sample: { topic: "rivers" },
        prepare: () => {
          throw new Error("no figures");
        },
      }),
      /prepare fails on the sample: no figures/,
    ],
    [
      "sections are no list at all",
      aReportType({ sections: "body" as unknown as [] }),
      /sections must be a list/,
    ],
    [
      "the source is no zod schema",
      aReportType({ source: {} as unknown as z.ZodType<{ topic: string }> }),
      /zod/,
    ],
  ])("%s", (_, type, sentence) => {
    const errors = errorsOf(type);
    expect(errors.join("\n")).toMatch(sentence);
    expect(errors).toHaveLength(1);
  });
});

test("a fleet does not start while a model of a report type has no price", () => {
  const type = aReportType({
    model: { model: "cheap" },
    sections: [
      aSection("a"),
      aSection("b", { model: { model: "dear" } }),
      { key: "c", title: "C", output: text(), write: async () => "", models: ["judge"] },
    ],
  });
  expect(modelsOf(type)).toEqual(["cheap", "dear", "judge"]);
  const problems = lintReportType(type, { priceKnown: (model) => model === "cheap" });
  expect(problems.map((problem) => problem.message)).toEqual([
    expect.stringContaining('no price is known for the model "dear"'),
    expect.stringContaining('no price is known for the model "judge"'),
  ]);
});

test("an operator is warned of a type that shares answers between accounts, and the fleet starts", () => {
  const type = aReportType({ sections: [aSection("a", { cache: { ttlMs: 1000, scope: "type" } })] });
  const warnings = lintRegistry(registryOf([type]), everythingPriced);
  expect(warnings).toEqual([
    { type: "essay", level: "warning", message: expect.stringContaining("between accounts") as string },
  ]);
});

test("an operator sees every error of every type at once", () => {
  const registry = registryOf([aReportType({ version: 0 }), aReportType({ type: "letter", credits: -1 })]);
  const thrown = caught(() => lintRegistry(registry, everythingPriced));
  expect(isFleetError(thrown) && thrown.code).toBe("invalid_type");
  expect(String(thrown)).toMatch(/essay: version is 0[\s\S]*letter: credits is -1/);
});

function caught(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error;
  }
}
