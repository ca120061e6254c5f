/**
 * The figures a customer pays for, counted twice: by the report type, and here by other means (string work on the raw
 * JSON and a repeated relaxation instead of a search), so that one mistake does not hide the other.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { dependencyFacts } from "../../../examples/dependency-review/dependency-facts.ts";
import { dependencyReview } from "../../../examples/dependency-review/dependency-review.ts";
import { Lockfile } from "../../../examples/dependency-review/lockfile.ts";
import { lintReportType } from "../../../src/report-types/lint.ts";
import { definitionsOf } from "../../../src/report-types/plan.ts";
import { renderHtml } from "../../../src/report-types/render.ts";
import { checkSource, factsOf } from "../../../src/report-types/source.ts";
import type { SectionInput } from "../../../src/report-types/define-report.ts";

type Raw = Record<string, Record<string, unknown>>;

const lockfileText = readFileSync("package-lock.json", "utf8");
const raw = (JSON.parse(lockfileText) as { packages: Raw }).packages;
const facts = dependencyFacts(Lockfile.parse(JSON.parse(lockfileText)));
const paths = Object.keys(raw).filter((path) => path !== "");

function nameIn(path: string): string {
  return path.split("node_modules/").at(-1) ?? "";
}

test("packages are counted as the lockfile lists them", () => {
  const development = paths.filter((path) => raw[path]?.["dev"] === true).length;
  expect(facts.packages).toEqual({
    total: paths.length,
    development,
    production: paths.length - development,
    optional: paths.filter((path) => raw[path]?.["optional"] === true || raw[path]?.["devOptional"] === true)
      .length,
    names: new Set(paths.map(nameIn)).size,
  });
  expect(facts.deepestNesting).toBe(
    Math.max(...paths.map((path) => path.match(/node_modules\//g)?.length ?? 0)),
  );
});

test("direct dependencies are those the project asks for, at the versions it got", () => {
  const root = raw[""] ?? {};
  const asked = { ...(root["dependencies"] as object), ...(root["devDependencies"] as object) };
  expect(facts.direct).toHaveLength(Object.keys(asked).length);
  for (const direct of facts.direct) {
    expect(asked).toHaveProperty([direct.name], direct.asked);
    expect(raw[`node_modules/${direct.name}`]?.["version"]).toBe(direct.version);
    expect(Object.keys(root["devDependencies"] ?? {}).includes(direct.name)).toBe(direct.development);
  }
});

test("duplicates are the names with more than one version", () => {
  const pairs = [...new Set(paths.map((path) => `${nameIn(path)} ${String(raw[path]?.["version"])}`))];
  const names = pairs.map((pair) => pair.split(" ")[0] ?? "");
  const repeated = [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];
  expect(facts.duplicates.map((one) => one.name).sort()).toEqual(repeated.sort());
  expect(facts.duplicates.length).toBeGreaterThan(0);
});

test("licences, install scripts, deprecations and missing hashes are counted one by one", () => {
  const counted: Record<string, number> = {};
  for (const path of paths) {
    const licence = raw[path]?.["license"];
    if (typeof licence === "string") counted[licence] = (counted[licence] ?? 0) + 1;
  }
  expect(Object.fromEntries(facts.licences.map((one) => [one.licence, one.packages]))).toEqual(counted);
  expect(facts.licenceUnnamed).toBe(
    paths.length - Object.values(counted).reduce((sum, count) => sum + count, 0),
  );
  const scripted = paths.filter((path) => "hasInstallScript" in (raw[path] ?? {})).map(nameIn);
  expect(facts.installScripts.map((one) => one.name).sort()).toEqual(scripted.sort());
  expect(facts.deprecated).toHaveLength(paths.filter((path) => "deprecated" in (raw[path] ?? {})).length);
  expect(facts.withoutIntegrity).toHaveLength(
    paths.filter((path) => !("integrity" in (raw[path] ?? {}))).length,
  );
});

test("the graph is as deep as the shortest ways through it are long", () => {
  const distance = new Map([["", 0]]);
  // As many rounds as there are packages settle every shortest way, whatever the order.
  for (let changed = true; changed;) {
    changed = false;
    for (const [from, steps] of distance.entries()) {
      for (const kind of ["dependencies", "optionalDependencies", "peerDependencies", "devDependencies"]) {
        if (kind === "devDependencies" && from !== "") continue;
        for (const name of Object.keys(raw[from]?.[kind] ?? {})) {
          const target = lookup(from, name);
          if (target === undefined || (distance.get(target) ?? Infinity) <= steps + 1) continue;
          distance.set(target, steps + 1);
          changed = true;
        }
      }
    }
  }
  expect(facts.graphDepth).toBe(Math.max(...distance.values()));
  expect(facts.unreachable).toBe(paths.filter((path) => !distance.has(path)).length);
});

/** The longest path that is a prefix of where the caller stands. */
function lookup(from: string, name: string): string | undefined {
  return paths
    .filter((path) => path.endsWith(`node_modules/${name}`) && nameIn(path) === name)
    .filter((path) => {
      const folder = path.slice(0, -`node_modules/${name}`.length);
      return folder === "" || `${from}/`.startsWith(folder);
    })
    .sort((a, b) => b.length - a.length)[0];
}

test("every figure stands in the delivered document, whatever the model wrote", () => {
  const html = delivered({ "executive-summary": "All is well.", inventory: "# Much\n\nIs installed." });
  for (const [label, figure] of [
    ["Packages installed", facts.packages.total],
    ["Different names", facts.packages.names],
    ["Production packages", facts.packages.production],
    ["Development packages", facts.packages.development],
    ["Optional packages", facts.packages.optional],
    ["Direct dependencies", facts.direct.length],
    ["Depth of the dependency graph", facts.graphDepth],
    ["Run a script when installed", facts.installScripts.length],
    ...facts.licences.map((one): [string, number] => [one.licence, one.packages]),
  ]) {
    expect(html).toMatch(
      new RegExp(`<td>${String(label)}</td>\\s*<td style="text-align:right">${String(figure)}</td>`),
    );
  }
  for (const one of facts.duplicates) expect(html).toContain(`<td>${one.versions.join(", ")}</td>`);
  expect(html).toContain("Installed size: unknown, the lockfile names no sizes.");
  expect(html).toMatch(/<h3 id="s\d+">Much<\/h3>/);
});

test("a partial delivery without any prose still has its tables", () => {
  expect(delivered({})).toContain("<td>Packages installed</td>");
});

test("the model is given the figures it may use, and no marker of a test", () => {
  for (const section of definitionsOf(dependencyReview)) {
    if (!("prompt" in section)) throw new Error(`${section.key} has no prompt`);
    const input: SectionInput<unknown, unknown> = {
      report: { id: "rp-0000000000000000000000001", type: "dependency-review" },
      source: {},
      facts,
      section: { key: section.key, title: section.title, params: null },
      sections: { inventory: "What is installed." },
    };
    const prompt = section
      .prompt(input)
      .map((message) => message.content)
      .join("\n");
    expect(prompt).toContain("Project: report-fleet");
    expect(prompt.length).toBeLessThan(20_000);
    expect(prompt).not.toContain("[[");
  }
});

describe("a customer's lockfile", () => {
  test("of this repository is accepted as it is, and passes the boot lint as the sample", () => {
    expect(checkSource(dependencyReview, JSON.parse(lockfileText))).toMatchObject({ ok: true });
    expect(dependencyReview.sample).toBeDefined();
    expect(lintReportType(dependencyReview, { priceKnown: () => true })).toEqual([]);
  });

  test("of npm 6 is refused with the way to a newer one", () => {
    const checked = checkSource(dependencyReview, {
      lockfileVersion: 1,
      packages: { "": {} },
      dependencies: {},
    });
    expect(checked).toMatchObject({
      ok: false,
      fields: [
        {
          path: "lockfileVersion",
          message: expect.stringContaining("npm install --package-lock-only") as string,
        },
      ],
    });
  });

  test("without the project itself is refused", () => {
    const checked = checkSource(dependencyReview, { lockfileVersion: 3, packages: {} });
    expect(checked).toMatchObject({ ok: false, fields: [{ path: "packages" }] });
  });

  test("of a workspace with odd packages is counted right", () => {
    const odd = dependencyFacts(
      Lockfile.parse({
        lockfileVersion: 3,
        packages: {
          "": { name: "shop", devDependencies: { tool: "^1" } },
          "apps/web": { name: "web", dependencies: { tool: "^2", alias: "npm:real@1", gone: "*" } },
          "node_modules/web": { resolved: "apps/web", link: true },
          "node_modules/tool": {
            version: "1.0.0",
            dev: true,
            license: { type: "MIT" },
            integrity: "sha512-a",
          },
          "apps/web/node_modules/tool": {
            version: "2.0.0",
            integrity: "sha512-b",
            hasInstallScript: true,
            unpackedSize: 2_500_000,
            dependencies: { loop: "*" },
          },
          "node_modules/loop": {
            version: "10.0.0",
            deprecated: true,
            dependencies: { tool: "*", loop: "*" },
          },
          "node_modules/tool/node_modules/loop": { version: "10.0.0", dev: true },
          "node_modules/alias": {
            name: "real",
            version: "1.0.0",
            resolved: "git+ssh://git@host/real.git#abc",
          },
          "node_modules/stray": {
            version: "0.1.0",
            resolved: "https://packages.example/stray.tgz",
            deprecated: "Use none.",
          },
        },
      }),
    );
    expect(odd).toMatchObject({
      project: "shop",
      workspaces: 1,
      packages: { total: 6, production: 4, development: 2, optional: 0, names: 4 },
      graphDepth: 2,
      unreachable: 2,
      duplicates: [{ name: "tool", versions: ["1.0.0", "2.0.0"], copies: 2 }],
      licences: [],
      licenceUnnamed: 6,
      installScripts: [{ name: "tool", version: "2.0.0", development: false }],
      size: { knownFor: 1, bytes: 2_500_000 },
    });
    expect(odd.direct).toEqual([
      { name: "alias", asked: "npm:real@1", version: "1.0.0", development: false },
      { name: "gone", asked: "*", version: "not installed", development: false },
      { name: "tool", asked: "^2", version: "2.0.0", development: false },
    ]);
    expect(odd.deprecated.map((one) => one.message)).toEqual(["", "Use none."]);
    expect(odd.withoutIntegrity.map((one) => one.name)).toEqual(["loop", "loop", "real", "stray"]);
    expect(odd.origins).toEqual([
      { origin: "the registry in use (not recorded)", packages: 4 },
      { origin: "git", packages: 1 },
      { origin: "packages.example", packages: 1 },
    ]);
  });

  test("of a project without dependencies gives zeros, not a failure", () => {
    const empty = dependencyFacts(Lockfile.parse({ lockfileVersion: 3, packages: { "": {} } }));
    expect(empty).toMatchObject({ packages: { total: 0 }, graphDepth: 0, deepestNesting: 0, direct: [] });
  });
});

function delivered(outputs: Record<string, unknown>): string {
  const source: unknown = JSON.parse(lockfileText);
  const report = { id: "rp-0000000000000000000000001", type: "dependency-review" } as const;
  const { title, markdown } = dependencyReview.assemble({
    report,
    source,
    facts: factsOf(dependencyReview, Lockfile.parse(source), "test"),
    sections: Object.entries(outputs).map(([key, output]) => ({
      key,
      title: key,
      output,
      unreviewed: false,
    })),
  });
  return renderHtml({ title, markdown, report, date: "23 November 2026", provenance: [] });
}
