/**
 * The computed facts, told twice: as lines a model can read and as tables the customer gets. The tables never pass
 * through a model, so no figure in them can be made up.
 */
import { tableMarkdown } from "../../src/report-types/table-markdown.ts";
import type { DependencyFacts, NamedPackage } from "./dependency-facts.ts";

/** A prompt has room for the first of a long list; the tables show more of it, and say what they leave out. */
const LISTED_IN_PROMPT = 15;
const LISTED_IN_TABLE = 60;

export type Figures = Record<"overview" | "licences" | "risk" | "upgrades", string[]>;

/** One `- label: value` line a fact, by what it is about. */
export function figureLines(facts: DependencyFacts): Figures {
  const { packages } = facts;
  return {
    overview: [
      `- Packages installed: ${packages.total}, of ${packages.names} different names`,
      `- Production packages: ${packages.production}`,
      `- Development packages: ${packages.development}`,
      `- Optional packages: ${packages.optional}`,
      `- Direct dependencies: ${facts.direct.length} (${facts.direct.filter((one) => one.development).length} for development)`,
      `- Names of direct dependencies: ${someOf(facts.direct.map((one) => `${one.name} ${one.version}`))}`,
      `- Depth of the dependency graph: ${facts.graphDepth}`,
      `- Deepest nesting of node_modules: ${facts.deepestNesting}`,
      `- Names installed in several versions: ${facts.duplicates.length}`,
      `- Most needed packages: ${someOf(facts.mostNeeded.map((one) => `${one.name} (by ${one.dependents})`))}`,
      `- Installed size: ${sizeSentence(facts)}`,
    ],
    licences: [
      `- Packages with a named licence: ${packages.total - facts.licenceUnnamed}`,
      `- Packages without a named licence: ${facts.licenceUnnamed}`,
      ...facts.licences
        .slice(0, LISTED_IN_PROMPT)
        .map((one) => `- ${one.licence}: ${plural(one.packages, "package")}`),
    ],
    risk: [
      `- Packages with install scripts: ${namesOf(facts.installScripts)}`,
      `- Deprecated packages: ${namesOf(facts.deprecated)}`,
      `- Packages without an integrity hash: ${namesOf(facts.withoutIntegrity)}`,
      `- Origins of packages: ${someOf(facts.origins.map((one) => `${one.origin} (${one.packages})`))}`,
      `- Packages that nothing asks for: ${facts.unreachable}`,
    ],
    upgrades: [
      `- Versions installed side by side: ${someOf(facts.duplicates.map((one) => `${one.name} ${one.versions.join(" and ")}`))}`,
      `- Direct dependencies below version 1: ${someOf(facts.direct.filter((one) => one.version.startsWith("0.")).map((one) => `${one.name} ${one.version}`))}`,
      `- Direct dependencies asked for at one exact version: ${facts.direct.filter((one) => /^\d/.test(one.asked)).length} of ${facts.direct.length}`,
      `- Direct dependencies asked for at any version: ${someOf(facts.direct.filter((one) => ["*", "latest", ""].includes(one.asked)).map((one) => one.name))}`,
    ],
  };
}

export function inventoryTables(facts: DependencyFacts): string {
  const { packages } = facts;
  return blocks(
    tableMarkdown(
      ["Measure", "Figure"],
      [
        ["Packages installed", packages.total],
        ["Different names", packages.names],
        ["Production packages", packages.production],
        ["Development packages", packages.development],
        ["Optional packages", packages.optional],
        ["Direct dependencies", facts.direct.length],
        ["Depth of the dependency graph", facts.graphDepth],
        ["Deepest nesting of node_modules", facts.deepestNesting],
        ["Workspaces", facts.workspaces],
        ["Packages that nothing asks for", facts.unreachable],
      ],
    ),
    `Installed size: ${sizeSentence(facts)}.`,
    "### Direct dependencies",
    table(
      ["Package", "Asked for", "Installed", "Used in"],
      facts.direct.map((one) => [one.name, one.asked, one.version, usedIn(one)]),
    ),
    "### Most needed packages",
    tableMarkdown(
      ["Package", "Dependents"],
      facts.mostNeeded.map((one) => [one.name, one.dependents]),
    ),
  );
}

export function licenceTables(facts: DependencyFacts): string {
  const share = (count: number) => `${((100 * count) / Math.max(1, facts.packages.total)).toFixed(1)} %`;
  const rows = facts.licences.map((one): [string, number, string] => [
    one.licence,
    one.packages,
    share(one.packages),
  ]);
  if (facts.licenceUnnamed > 0)
    rows.push(["Not named in the lockfile", facts.licenceUnnamed, share(facts.licenceUnnamed)]);
  return table(["Licence", "Packages", "Share"], rows);
}

export function riskTables(facts: DependencyFacts): string {
  return blocks(
    tableMarkdown(
      ["What to look at", "Packages"],
      [
        ["Run a script when installed", facts.installScripts.length],
        ["Marked as deprecated", facts.deprecated.length],
        ["Not pinned by an integrity hash", facts.withoutIntegrity.length],
      ],
    ),
    ...listed("Packages with install scripts", facts.installScripts),
    ...(facts.deprecated.length === 0
      ? []
      : [
          "### Deprecated packages",
          table(
            ["Package", "Version", "What its authors say"],
            facts.deprecated.map((one) => [one.name, one.version, one.message || "nothing further"]),
          ),
        ]),
    ...listed("Packages without an integrity hash", facts.withoutIntegrity),
    "### Where packages come from",
    table(
      ["Origin", "Packages"],
      facts.origins.map((one) => [one.origin, one.packages]),
    ),
  );
}

export function duplicateTables(facts: DependencyFacts): string {
  return blocks(
    "### Names installed in several versions",
    table(
      ["Package", "Versions", "Copies"],
      facts.duplicates.map((one) => [one.name, one.versions.join(", "), one.copies]),
    ),
  );
}

function listed(heading: string, packages: readonly NamedPackage[]): string[] {
  if (packages.length === 0) return [];
  const rows = packages.map((one) => [one.name, one.version, usedIn(one)]);
  return [`### ${heading}`, table(["Package", "Version", "Used in"], rows)];
}

/** A table that a reader can still take in; the count above it is of all. */
function table(headers: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const shown = tableMarkdown(headers, rows.slice(0, LISTED_IN_TABLE));
  const rest = rows.length - LISTED_IN_TABLE;
  return rest > 0 ? `${shown}\n\nand ${rest} more.` : shown;
}

function sizeSentence({ size, packages }: DependencyFacts): string {
  if (size.knownFor === 0) return "unknown, the lockfile names no sizes";
  const megabytes = `${(size.bytes / 1_000_000).toFixed(1)} MB`;
  return size.knownFor === packages.total
    ? megabytes
    : `${megabytes} for ${size.knownFor} of ${packages.total} packages, unknown for the rest`;
}

function namesOf(packages: readonly NamedPackage[]): string {
  return `${packages.length}${packages.length === 0 ? "" : `: ${someOf(packages.map((one) => `${one.name} ${one.version}`))}`}`;
}

function someOf(items: readonly string[]): string {
  if (items.length === 0) return "none";
  const rest = items.length - LISTED_IN_PROMPT;
  return items.slice(0, LISTED_IN_PROMPT).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function usedIn(one: NamedPackage): string {
  return one.development ? "development" : "production";
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function blocks(...parts: readonly string[]): string {
  return parts.join("\n\n");
}
