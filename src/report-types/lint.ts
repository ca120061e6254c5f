/**
 * What is wrong with a report type, found at boot: a fault that would stop every report of it costs nothing here and a
 * customer's patience later. Each problem is a sentence that says what to change.
 *
 * Types may come from plain JavaScript, so members are looked at, not trusted.
 */
import { z } from "zod";
import { FleetError } from "../domain/fleet-error.ts";
import { NAME_RULE, isName } from "../domain/ids.ts";
import { breakerProblems } from "./breaker-settings.ts";
import { DEFAULT_MODEL, HARD_MAX_SOURCE_BYTES } from "./define-report.ts";
import type { OutputContract, ReportType, SectionDefinition } from "./define-report.ts";
import { MAX_SECTIONS, asPlanned, definitionsOf, isDynamic, planProblems } from "./plan.ts";
import { strictSchema } from "./strict-schema.ts";

/** Credits are held all the while: nobody's order waits longer than a year. */
const LONGEST_REVIEW_MS = 365 * 24 * 3_600_000;
const MOST_RUNS = 1_000;

export interface LintProblem {
  type: string;
  /** A warning is shown at every boot and refuses nothing. */
  level: "error" | "warning";
  message: string;
}

/** What the lint cannot know by itself. */
export interface LintSurroundings {
  /** Whether a call to this logical model can be priced; a price of 0 is a price. */
  priceKnown(model: string): boolean;
}

/** Throws with every error of every type; returns the warnings, for the boot log. */
export function lintRegistry(
  registry: { all(): readonly ReportType[] },
  surroundings: LintSurroundings,
): LintProblem[] {
  const problems = registry.all().flatMap((type) => lintReportType(type, surroundings));
  const errors = problems.filter((problem) => problem.level === "error");
  if (errors.length > 0) {
    throw new FleetError(
      "invalid_type",
      `The fleet does not start with a broken report type:\n${errors
        .map((problem) => `  ${problem.type}: ${problem.message}`)
        .join("\n")}`,
      { fields: errors.map((problem) => ({ path: problem.type, message: problem.message })) },
    );
  }
  return problems;
}

export function lintReportType(type: ReportType, surroundings: LintSurroundings): LintProblem[] {
  const errors = [...orderProblems(type), ...sectionListProblems(type)];
  const warnings: string[] = [];
  if (sectionsAreThere(type)) {
    for (const section of definitionsOf(type)) {
      errors.push(...sectionProblems(section));
      if ("prompt" in section && section.cache?.scope === "type") {
        warnings.push(
          `section "${section.key}" shares its cached answers between accounts (cache scope "type"); use it only ` +
            "where a prompt holds nothing of a customer's.",
        );
      }
    }
    for (const model of modelsOf(type)) {
      if (!surroundings.priceKnown(model)) {
        errors.push(`no price is known for the model "${model}"; add it to the PRICES file (0 is a price).`);
      }
    }
  }
  errors.push(...sampleProblems(type));
  return [
    ...errors.map((message): LintProblem => ({ type: type.type, level: "error", message })),
    ...warnings.map((message): LintProblem => ({ type: type.type, level: "warning", message })),
  ];
}

/** Every logical model a type names; what a call inside `write` may choose is listed in `models`. */
export function modelsOf(type: ReportType): string[] {
  const fallback = type.model?.model ?? DEFAULT_MODEL.model;
  const models = new Set<string>();
  for (const section of definitionsOf(type)) {
    models.add(section.model?.model ?? fallback);
    if ("write" in section) for (const model of section.models ?? []) models.add(model);
  }
  if (isDynamic(type)) models.add(fallback);
  return [...models];
}

function orderProblems(type: ReportType): string[] {
  const problems: string[] = [];
  if (!isName(type.type)) problems.push(`the type name "${type.type}" must be ${NAME_RULE}.`);
  if (!Number.isInteger(type.version) || type.version < 1) {
    problems.push(`version is ${type.version}; it must be a whole number from 1 up.`);
  }
  if (typeof type.title !== "string" || type.title.trim() === "") {
    problems.push("title is empty; give the name that buyers see.");
  }
  if (!(type.source instanceof z.ZodType)) problems.push("source must be a zod schema.");
  if (!Number.isInteger(type.credits) || type.credits < 0) {
    problems.push(`credits is ${type.credits}; the price must be a whole number from 0 up.`);
  }
  if (typeof type.budget?.usd !== "number" || !(type.budget.usd > 0) || !Number.isFinite(type.budget.usd)) {
    problems.push("budget.usd must be above 0; it is the most that one report may spend.");
  }
  const { maxSourceBytes } = type;
  if (maxSourceBytes !== undefined) {
    if (!Number.isInteger(maxSourceBytes) || maxSourceBytes < 1 || maxSourceBytes > HARD_MAX_SOURCE_BYTES) {
      problems.push(
        `maxSourceBytes is ${maxSourceBytes}; it must be between 1 and ${HARD_MAX_SOURCE_BYTES}.`,
      );
    }
  }
  const { reviewDeadlineMs, creditReviewAfterRuns } = type;
  if (
    creditReviewAfterRuns !== undefined &&
    !(
      Number.isInteger(creditReviewAfterRuns) &&
      creditReviewAfterRuns > 0 &&
      creditReviewAfterRuns <= MOST_RUNS
    )
  ) {
    problems.push(
      `creditReviewAfterRuns is ${creditReviewAfterRuns}; it must be between 1 and ${MOST_RUNS}.`,
    );
  }
  if (
    reviewDeadlineMs !== undefined &&
    !(Number.isInteger(reviewDeadlineMs) && reviewDeadlineMs > 0 && reviewDeadlineMs <= LONGEST_REVIEW_MS)
  ) {
    problems.push(`reviewDeadlineMs is ${reviewDeadlineMs}; it must be between 1 and ${LONGEST_REVIEW_MS}.`);
  }
  if (typeof type.assemble !== "function") {
    problems.push("assemble must be a function that makes the document of the sections' outputs.");
  }
  if (type.prepare !== undefined && typeof type.prepare !== "function") {
    problems.push("prepare must be a function of the source.");
  }
  problems.push(...modelProblems("the type", type.model));
  problems.push(...breakerProblems(type.breaker));
  return problems;
}

function sectionsAreThere(type: ReportType): boolean {
  const list: unknown = isObject(type.sections) && isDynamic(type) ? type.sections.templates : type.sections;
  return Array.isArray(list) && list.every(isObject);
}

function sectionListProblems(type: ReportType): string[] {
  if (!sectionsAreThere(type)) {
    return ["sections must be a list of sections, or { templates, plan, maxSections } for planned ones."];
  }
  if (!isDynamic(type))
    return planProblems(definitionsOf(type).map(asPlanned), MAX_SECTIONS).map((problem) => `${problem}.`);

  const { templates, maxSections, promptVersions } = type.sections;
  const problems: string[] = [];
  if (typeof type.sections.plan !== "function")
    problems.push("sections.plan must be a function that returns the plan.");
  if (!Number.isInteger(maxSections) || maxSections < 1 || maxSections > MAX_SECTIONS) {
    problems.push(`sections.maxSections is ${maxSections}; it must be between 1 and ${MAX_SECTIONS}.`);
  }
  if (promptVersions?.some(isBlank))
    problems.push("sections.promptVersions has an empty entry; name each version.");
  // Which sections a planned one comes after is known with the plan only; the rest of a template is known now.
  const lone = templates.map((template) => ({ ...asPlanned(template), after: [] }));
  return [...problems, ...planProblems(lone, MAX_SECTIONS).map((problem) => `template: ${problem}.`)];
}

function sectionProblems(section: SectionDefinition<unknown, unknown>): string[] {
  const name = `section "${section.key}"`;
  const problems = [...contractProblems(name, section.output), ...modelProblems(name, section.model)];
  if ("write" in section) {
    if (typeof section.write !== "function") problems.push(`${name}: write must be a function.`);
    if (section.promptVersions?.some(isBlank)) {
      problems.push(`${name}: promptVersions has an empty entry; name each version.`);
    }
  } else {
    if (typeof section.prompt !== "function") problems.push(`${name} needs a prompt or a write function.`);
    if (isBlank(section.promptVersion)) {
      problems.push(`${name} needs a promptVersion, such as "1"; raise it when the wording changes.`);
    }
    if (section.cache && !(section.cache.ttlMs > 0)) problems.push(`${name}: cache.ttlMs must be above 0.`);
  }
  return problems;
}

function contractProblems(name: string, output: OutputContract<unknown> | undefined): string[] {
  if (output?.kind === "text") {
    if (Number.isInteger(output.minChars) && output.minChars >= 1) return [];
    return [`${name}: minChars is ${output.minChars}; it must be a whole number from 1 up.`];
  }
  if (output?.kind !== "json") return [`${name} needs an output: text({ minChars }) or json(name, schema).`];
  const problems: string[] = [];
  // The provider's rule for the name of a schema.
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(output.name)) {
    problems.push(`${name}: the output name "${output.name}" must be letters, digits, _ or -, at most 64.`);
  }
  if (!(output.schema instanceof z.ZodType))
    return [...problems, `${name}: its output schema must be a zod schema.`];
  const strict = strictSchema(output.schema);
  if (!strict.ok)
    problems.push(...strict.problems.map((problem) => `${name}, output "${output.name}": ${problem}.`));
  return problems;
}

function modelProblems(name: string, model: ReportType["model"]): string[] {
  const problems: string[] = [];
  if (model?.model !== undefined && isBlank(model.model)) problems.push(`${name} names an empty model.`);
  const limit = model?.maxOutputTokens;
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) {
    problems.push(`${name}: maxOutputTokens is ${limit}; it must be a whole number from 1 up.`);
  }
  return problems;
}

/** The sample is what `types try` and the estimate are shown with; a stale one would lie to a newcomer. */
function sampleProblems(type: ReportType): string[] {
  if (type.sample === undefined || !(type.source instanceof z.ZodType)) return [];
  try {
    const parsed = type.source.safeParse(type.sample);
    if (!parsed.success)
      return [`its sample is not a valid source: ${parsed.error.issues[0]?.message ?? "?"}.`];
    type.prepare?.(parsed.data);
    return [];
  } catch (error) {
    return [`prepare fails on the sample: ${error instanceof Error ? error.message : String(error)}.`];
  }
}

function isBlank(text: unknown): boolean {
  return typeof text !== "string" || text.trim() === "";
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
