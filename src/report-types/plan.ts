/**
 * What is to be written for one report, and what of it can be written now. Pure: the workers store what comes out.
 *
 * A plan may come from a model, so it is checked like any other input: its bounds are the type's own, and a plan that
 * breaks them stops before a section is paid.
 */
import { canonicalJson } from "../domain/canonical-json.ts";
import { FleetError } from "../domain/fleet-error.ts";
import { NAME_RULE, isName } from "../domain/ids.ts";
import type { PlannedSection, SectionStatus } from "../domain/report.ts";
import type { PlannedSections, PlannedWith, ReportType, SectionDefinition } from "./define-report.ts";
import { dependencyCycle } from "./dependency-cycle.ts";

export const MAX_SECTIONS = 50;
/** A plan is stored with every section of it; parameters choose, they do not carry the source. */
export const MAX_PARAMS_BYTES = 65_536;

export function isDynamic(
  type: ReportType,
): type is ReportType & { sections: PlannedSections<unknown, unknown> } {
  return "plan" in type.sections;
}

/** The definitions of a type: its sections, or the templates its plan chooses from. */
export function definitionsOf(type: ReportType): readonly SectionDefinition<unknown, unknown>[] {
  return isDynamic(type)
    ? type.sections.templates
    : (type.sections as readonly SectionDefinition<unknown, unknown>[]);
}

/** Who writes a planned section. A newer version may have dropped it; then a person decides. */
export function definitionFor(
  type: ReportType,
  section: PlannedSection,
): SectionDefinition<unknown, unknown> {
  const definition = definitionsOf(type).find((one) => one.key === section.template);
  if (definition) return definition;
  throw new FleetError(
    "invalid_plan",
    `Section "${section.key}" was planned to be written by "${section.template}", which version ${type.version} of ` +
      `"${type.type}" does not have. Bring it back, or skip the section.`,
  );
}

/** The sections of one report, in plan order. `planned` is what a dynamic type's `plan` returned. */
export function planSections(type: ReportType, planned?: readonly PlannedWith[]): PlannedSection[] {
  const sections = isDynamic(type) ? dynamicSections(type, planned) : definitionsOf(type).map(asPlanned);
  const problems = planProblems(sections, isDynamic(type) ? type.sections.maxSections : MAX_SECTIONS);
  if (problems.length > 0) {
    throw new FleetError(
      "invalid_plan",
      `The plan of "${type.type}" cannot be carried out: ${problems.join("; ")}.`,
    );
  }
  return sections;
}

/**
 * The sections that may be written now: not settled themselves, and all they read is there. A section that is parked
 * or failed keeps those after it waiting, because a person may still edit or skip it; a skipped one holds up nothing.
 */
export function readySections(
  planned: readonly PlannedSection[],
  statuses: Readonly<Record<string, SectionStatus>>,
): string[] {
  function isThere(key: string): boolean {
    return statuses[key] === "completed" || statuses[key] === "skipped";
  }
  return planned
    .filter((section) => {
      const status = statuses[section.key] ?? "pending";
      const open = status === "pending" || status === "running" || status === "waiting_for_retry";
      return open && section.after.every(isThere);
    })
    .map((section) => section.key);
}

function optionally(optional: readonly string[] | undefined): Pick<PlannedSection, "optional"> {
  return optional === undefined ? {} : { optional };
}

/** What is skipped with a section: all that read it and cannot do without, and so on. In plan order, itself first. */
export function skippedWith(planned: readonly PlannedSection[], key: string): string[] {
  const skipped = new Set([key]);
  // A plan has no cycles but no order either, so it is walked until nothing more is found.
  for (let before = 0; before < skipped.size;) {
    before = skipped.size;
    for (const section of planned) {
      if (section.after.some((one) => skipped.has(one) && section.optional?.includes(one) !== true))
        skipped.add(section.key);
    }
  }
  return [key, ...planned.map((section) => section.key).filter((one) => one !== key && skipped.has(one))];
}

/** A static section is planned as it is defined. */
export function asPlanned(section: SectionDefinition<unknown, unknown>): PlannedSection {
  const { key, title, weight = 1, after = [], optional } = section;
  return { key, title, weight, after, ...optionally(optional), template: key, params: null };
}

function dynamicSections(type: ReportType, planned: readonly PlannedWith[] | undefined): PlannedSection[] {
  const templates = new Map(definitionsOf(type).map((template) => [template.key, template]));
  return (planned ?? []).map((section) => {
    const template = templates.get(section.template);
    if (!template) {
      throw new FleetError(
        "invalid_plan",
        `The plan of "${type.type}" has "${section.key}" written by "${section.template}", which is no template of ` +
          `it. Templates: ${[...templates.keys()].join(", ")}.`,
      );
    }
    return {
      key: section.key,
      title: section.title,
      weight: section.weight ?? template.weight ?? 1,
      after: section.after ?? template.after ?? [],
      ...optionally(section.optional ?? template.optional),
      template: section.template,
      params: section.params ?? null,
    };
  });
}

/** Everything wrong with a list of sections; the boot lint asks it about static ones. */
export function planProblems(sections: readonly PlannedSection[], maxSections: number): string[] {
  if (sections.length === 0) return ["it has no sections; a report needs at least one"];
  if (sections.length > maxSections) {
    return [`it has ${sections.length} sections and may have ${maxSections}`];
  }
  const problems: string[] = [];
  const keys = new Set<string>();
  for (const section of sections) {
    if (typeof section.key !== "string" || !isName(section.key))
      problems.push(`section key "${section.key}" must be ${NAME_RULE}`);
    if (keys.has(section.key)) problems.push(`two sections have the key "${section.key}"`);
    keys.add(section.key);
    if (typeof section.title !== "string" || section.title.trim() === "") {
      problems.push(`section "${section.key}" needs a title`);
    }
    if (!Number.isFinite(section.weight) || section.weight <= 0) {
      problems.push(`section "${section.key}" has weight ${section.weight}; a weight is a number above 0`);
    }
    const bytes = paramsBytes(section.params);
    if (bytes === undefined) problems.push(`section "${section.key}" has params that are not JSON`);
    else if (bytes > MAX_PARAMS_BYTES) {
      problems.push(`section "${section.key}" has ${bytes} bytes of params and may have ${MAX_PARAMS_BYTES}`);
    }
  }
  for (const section of sections) {
    for (const key of section.after) {
      if (!keys.has(key))
        problems.push(`section "${section.key}" comes after "${key}", which does not exist`);
    }
  }
  for (const section of sections) {
    for (const key of section.optional ?? []) {
      if (!section.after.includes(key))
        problems.push(`section "${section.key}" calls "${key}" optional, but does not come after it`);
    }
  }
  const cycle = dependencyCycle(sections);
  if (cycle) problems.push(`sections wait for each other: ${cycle.join(" → ")}`);
  return problems;
}

function paramsBytes(params: unknown): number | undefined {
  try {
    return Buffer.byteLength(canonicalJson(params));
  } catch {
    return undefined;
  }
}
