/**
 * Finds the report types a fleet sells: the modules named in configuration are imported, and every export that is a
 * report type (or a list of them) is taken. A team's types live in the team's repository; nothing here is edited.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { FleetError } from "../domain/fleet-error.ts";
import { closestName } from "./closest-name.ts";
import type { ReportType } from "./define-report.ts";

export interface Registry {
  get(type: string): ReportType | undefined;
  all(): ReportType[];
  /** As `get`, but an unknown name is the caller's mistake and says which names there are. */
  require(type: string): ReportType;
}

/** Each specifier is a path relative to `baseDir` (`.ts` where Node strips types, else `.js`) or a package name. */
export async function loadReportTypes(specifiers: readonly string[], baseDir: string): Promise<Registry> {
  const loaded = new Map<string, { type: ReportType; from: string }>();
  for (const from of specifiers) {
    const types = reportTypesIn(await importModule(from, baseDir));
    if (types.length === 0) {
      throw new FleetError(
        "invalid_type",
        `${from} exports no report type. Export what defineReport({ … }) returns, by name, as default or in an array.`,
      );
    }
    for (const type of types) {
      const same = loaded.get(type.type);
      if (same && same.type !== type) {
        throw new FleetError(
          "invalid_type",
          `Two report types are named "${type.type}": one in ${same.from}, one in ${from}. Rename one of them.`,
        );
      }
      loaded.set(type.type, { type, from });
    }
  }
  return registryOf([...loaded.values()].map((entry) => entry.type));
}

/** A registry of types that are at hand already, as tests and embedding programs have them. */
export function registryOf(types: readonly ReportType[]): Registry {
  const byName = new Map(types.map((type) => [type.type, type]));
  return {
    get: (type) => byName.get(type),
    all: () => [...byName.values()],
    require(type) {
      const found = byName.get(type);
      if (found) return found;
      const names = [...byName.keys()];
      const meant = closestName(type, names);
      throw new FleetError(
        "unknown_type",
        `There is no report type "${type}"${meant ? `; did you mean "${meant}"?` : "."} ` +
          `Known: ${names.length > 0 ? names.join(", ") : "none, REPORT_TYPES names no module"}.`,
      );
    },
  };
}

async function importModule(specifier: string, baseDir: string): Promise<object> {
  const url = locate(specifier, baseDir);
  try {
    return (await import(url)) as object;
  } catch (error) {
    throw new FleetError("invalid_type", `${specifier} could not be loaded: ${innermostMessage(error)}`, {
      cause: error,
    });
  }
}

function locate(specifier: string, baseDir: string): string {
  const path = isAbsolute(specifier) ? specifier : resolve(baseDir, specifier);
  if (existsSync(path)) return pathToFileURL(path).href;
  if (isAbsolute(specifier) || specifier.startsWith(".") || /\.[cm]?[jt]s$/.test(specifier)) {
    throw new FleetError(
      "invalid_type",
      `REPORT_TYPES names ${specifier}, but there is no file ${path}. Paths are relative to ${baseDir}.`,
    );
  }
  try {
    return pathToFileURL(createRequire(join(baseDir, "package.json")).resolve(specifier)).href;
  } catch {
    // `require.resolve` does not see packages that are for `import` only; Node's own lookup from here mostly does.
    return specifier;
  }
}

function reportTypesIn(module: object): ReportType[] {
  const exported = Object.values(module).flatMap((value: unknown) =>
    Array.isArray(value) ? (value as unknown[]) : [value],
  );
  return [...new Set(exported.filter(isReportType))];
}

/** By shape, not by brand: the module may have been written against another copy of this package. */
function isReportType(value: unknown): value is ReportType {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    typeof value.type === "string" &&
    "sections" in value &&
    "assemble" in value
  );
}

function innermostMessage(error: unknown): string {
  let current = error;
  for (let depth = 0; depth < 10 && current instanceof Error && current.cause instanceof Error; depth += 1) {
    current = current.cause;
  }
  return current instanceof Error ? current.message : String(current);
}
