/**
 * Every figure of the review, computed from the lockfile alone: no registry is asked and no model counts anything.
 *
 * Words used here. A *package* is one installed copy: a path below `node_modules`, so two copies of one name are two
 * packages. The project's own workspaces and links to them are not packages. *Production* is what `npm ci --omit=dev`
 * installs, *development* the rest.
 */
import type { LockedPackage, Lockfile } from "./lockfile.ts";

export interface DependencyFacts {
  project: string;
  lockfileVersion: number;
  workspaces: number;
  packages: {
    total: number;
    production: number;
    development: number;
    /** Left out where the platform does not fit or the install fails; part of both counts above. */
    optional: number;
    /** Different names. */
    names: number;
  };
  direct: DirectDependency[];
  /** Levels of `node_modules` inside each other; 1 is flat. */
  deepestNesting: number;
  /** Steps from the project to the package farthest away, each by its shortest way. */
  graphDepth: number;
  /** Packages that no way leads to from the project. */
  unreachable: number;
  duplicates: { name: string; versions: string[]; copies: number }[];
  licences: { licence: string; packages: number }[];
  licenceUnnamed: number;
  installScripts: NamedPackage[];
  deprecated: (NamedPackage & { message: string })[];
  /** Fetched packages whose content the lockfile does not pin by a hash. */
  withoutIntegrity: NamedPackage[];
  /** Where packages come from, by host or kind. */
  origins: { origin: string; packages: number }[];
  size: { knownFor: number; bytes: number };
  /** The packages that most others ask for. */
  mostNeeded: { name: string; dependents: number }[];
}

export interface NamedPackage {
  name: string;
  version: string;
  development: boolean;
}

export interface DirectDependency extends NamedPackage {
  asked: string;
}

interface Installed extends NamedPackage {
  path: string;
  entry: LockedPackage;
}

const MOST_NEEDED_SHOWN = 10;

export function dependencyFacts(lockfile: Lockfile): DependencyFacts {
  const { packages } = lockfile;
  const root = packages[""] ?? {};
  const installed = installedIn(packages);
  const development = installed.filter((one) => one.development).length;
  const graph = walkGraph(packages);
  const workspaces = Object.keys(packages).filter((path) => path !== "" && !path.includes("node_modules/"));
  const sized = installed.filter((one) => one.entry.unpackedSize !== undefined);
  return {
    project: lockfile.name ?? root.name ?? "(unnamed project)",
    lockfileVersion: lockfile.lockfileVersion,
    workspaces: workspaces.length,
    packages: {
      total: installed.length,
      production: installed.length - development,
      development,
      optional: installed.filter((one) => one.entry.optional || one.entry.devOptional).length,
      names: new Set(installed.map((one) => one.name)).size,
    },
    direct: directDependencies(packages, ["", ...workspaces]),
    deepestNesting: Math.max(0, ...installed.map((one) => one.path.split("node_modules/").length - 1)),
    graphDepth: Math.max(0, ...graph.distance.values()),
    unreachable: installed.filter((one) => !graph.distance.has(one.path)).length,
    duplicates: duplicatesAmong(installed),
    licences: tally(installed.flatMap((one) => one.entry.license ?? [])).map(([licence, count]) => ({
      licence,
      packages: count,
    })),
    licenceUnnamed: installed.filter((one) => one.entry.license === undefined).length,
    installScripts: named(installed.filter((one) => one.entry.hasInstallScript)),
    deprecated: installed.flatMap((one) => {
      const { deprecated } = one.entry;
      if (deprecated === undefined || deprecated === false) return [];
      return named([one]).map((name) => ({ ...name, message: deprecated === true ? "" : deprecated }));
    }),
    withoutIntegrity: named(
      installed.filter((one) => one.entry.integrity === undefined && !one.entry.inBundle),
    ),
    origins: tally(installed.map((one) => originOf(one.entry))).map(([origin, count]) => ({
      origin,
      packages: count,
    })),
    size: {
      knownFor: sized.length,
      bytes: sized.reduce((sum, one) => sum + (one.entry.unpackedSize ?? 0), 0),
    },
    mostNeeded: tally(graph.needed.map((path) => nameOf(path, packages[path])))
      .slice(0, MOST_NEEDED_SHOWN)
      .map(([name, dependents]) => ({ name, dependents })),
  };
}

function installedIn(packages: Lockfile["packages"]): Installed[] {
  return Object.entries(packages).flatMap(([path, entry]) =>
    path.includes("node_modules/") && !entry.link
      ? [
          {
            path,
            entry,
            name: nameOf(path, entry),
            version: entry.version ?? "(no version)",
            development: entry.dev === true,
          },
        ]
      : [],
  );
}

/** An alias is installed under another path than its name; the entry then says the real one. */
function nameOf(path: string, entry: LockedPackage | undefined): string {
  return entry?.name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
}

function directDependencies(packages: Lockfile["packages"], projects: readonly string[]): DirectDependency[] {
  const direct = new Map<string, DirectDependency>();
  for (const project of projects) {
    const { dependencies, optionalDependencies, devDependencies } = packages[project] ?? {};
    const asked = [
      ...Object.entries({ ...dependencies, ...optionalDependencies }).map((one) => ({
        one,
        development: false,
      })),
      ...Object.entries(devDependencies ?? {}).map((one) => ({ one, development: true })),
    ];
    for (const {
      one: [name, range],
      development,
    } of asked) {
      const path = resolve(packages, project, name);
      if (path !== undefined && packages[path]?.link) continue;
      const known = direct.get(name);
      // Asked for by several projects of a workspace, or both ways: production wins, it is what ships.
      if (known && (!known.development || development)) continue;
      const version = (path === undefined ? undefined : packages[path]?.version) ?? "not installed";
      direct.set(name, { name, asked: range, version, development });
    }
  }
  return [...direct.values()].sort((a, b) => compare(a.name, b.name));
}

/** Breadth first from the project, along the lookup that Node does; also every edge walked, by where it leads. */
function walkGraph(packages: Lockfile["packages"]): { distance: Map<string, number>; needed: string[] } {
  const distance = new Map<string, number>();
  const needed: string[] = [];
  const projects = Object.keys(packages).filter((path) => !path.includes("node_modules/"));
  const queue = projects.map((path) => ({ path, steps: 0 }));
  const seen = new Set(projects);
  for (let at = 0; at < queue.length; at += 1) {
    const { path, steps } = queue[at] ?? { path: "", steps: 0 };
    const entry = packages[path];
    const isProject = steps === 0;
    const names = new Set([
      ...Object.keys(entry?.dependencies ?? {}),
      ...Object.keys(entry?.optionalDependencies ?? {}),
      ...Object.keys(entry?.peerDependencies ?? {}),
      ...(isProject ? Object.keys(entry?.devDependencies ?? {}) : []),
    ]);
    for (const name of names) {
      const target = resolve(packages, path, name);
      if (target === undefined || packages[target]?.link) continue;
      needed.push(target);
      if (seen.has(target)) continue;
      seen.add(target);
      distance.set(target, steps + 1);
      queue.push({ path: target, steps: steps + 1 });
    }
  }
  return { distance, needed };
}

/** Where `require(name)` from inside `from` ends up: its own `node_modules`, then that of each folder above. */
function resolve(packages: Lockfile["packages"], from: string, name: string): string | undefined {
  let folder = from;
  for (;;) {
    const path = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (Object.hasOwn(packages, path)) return path;
    if (folder === "") return undefined;
    folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")));
  }
}

function duplicatesAmong(installed: readonly Installed[]): DependencyFacts["duplicates"] {
  const versions = Map.groupBy(installed, (one) => one.name);
  return [...versions]
    .map(([name, copies]) => ({
      name,
      versions: [...new Set(copies.map((one) => one.version))].sort(compareVersions),
      copies: copies.length,
    }))
    .filter((one) => one.versions.length > 1)
    .sort((a, b) => b.versions.length - a.versions.length || compare(a.name, b.name));
}

function originOf(entry: LockedPackage): string {
  if (entry.inBundle) return "inside another package";
  if (entry.resolved === undefined) return "the registry in use (not recorded)";
  if (entry.resolved.startsWith("git")) return "git";
  if (entry.resolved.startsWith("file:")) return "a local file";
  return URL.parse(entry.resolved)?.host || "elsewhere";
}

function named(installed: readonly Installed[]): NamedPackage[] {
  return installed
    .map(({ name, version, development }) => ({ name, version, development }))
    .sort((a, b) => compare(a.name, b.name) || compareVersions(a.version, b.version));
}

/** Most frequent first, then by name, so that equal lockfiles give equal reports. */
function tally(values: readonly string[]): [string, number][] {
  return [...Map.groupBy(values, (value) => value)]
    .map(([value, all]): [string, number] => [value, all.length])
    .sort((a, b) => b[1] - a[1] || compare(a[0], b[0]));
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** By code unit: the same order on every machine, whatever its language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
