/**
 * Who may import whom. The rule lives in a test and not in a lint plugin, so that it outlives the linter.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const src = resolve(import.meta.dirname, "../../src");

const FOUNDATION = ["domain", "classifier", "llm", "store", "report-types", "observability", "config"];
const FLEET = [...FOUNDATION, "producer", "workers"];
/** What a person decides is checked with what the workers write with, so the desk lies above them. */
const DESK = [...FLEET, "desk", "webhooks"];
const DOORS = [...DESK, "api", "console"];

/** A layer may import itself; anything absent here is forbidden. Siblings meet in the layers below them. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  classifier: ["domain"],
  llm: ["domain"],
  store: ["domain"],
  "report-types": ["domain"],
  // The exporter reads the books; nothing below it knows of it.
  observability: ["domain", "store", "report-types"],
  config: ["domain", "llm"],
  producer: FOUNDATION,
  webhooks: FOUNDATION,
  workers: FOUNDATION,
  desk: FLEET,
  api: DESK,
  // The pages are served by the API's process, and Bull Board stands behind their login.
  console: [...DESK, "api"],
  cli: DOORS,
  client: ["domain", "report-types", "store", "producer", "desk"],
  // What the package exports may reach everything but the command line.
  index: DOORS,
  testing: DOORS,
};

/** Packages that are kept behind a few files, so that replacing one touches only those. */
const KEPT_BEHIND: Readonly<Record<string, RegExp>> = {
  bullmq: /^(store\/queues|workers\/bullmq|api\/board)\.ts$/,
  "@bull-board": /^api\//,
  openai: /^llm\//,
  "@pydantic/genai-prices": /^llm\//,
  express: /^(api|console)\//,
  helmet: /^(api|console)\//,
  "zod-openapi": /^api\//,
  commander: /^cli\//,
  hono: /^console\//,
  diff: /^console\//,
  "prom-client": /^observability\//,
  undici: /^webhooks\//,
  "ipaddr.js": /^webhooks\//,
};

interface Import {
  file: string;
  specifier: string;
}

const files = globSync("**/*.ts", { cwd: src })
  .map((file) => file.replaceAll("\\", "/"))
  .sort();
const sources = new Map(files.map((file) => [file, withoutComments(readFileSync(join(src, file), "utf8"))]));
const imports = [...sources].flatMap(([file, text]) => importsOf(file, text));
const local = imports.filter(({ specifier }) => specifier.startsWith("."));
const packages = imports.filter(
  ({ specifier }) => !specifier.startsWith(".") && !specifier.startsWith("node:"),
);

test("the sources are found", () => {
  expect(files).toContain("domain/report.ts");
  expect(local.length).toBeGreaterThan(10);
});

test("imports go down only, and siblings do not import each other", () => {
  const forbidden = local.filter(({ file, specifier }) => {
    const target = relative(src, resolve(src, dirname(file), specifier)).replaceAll("\\", "/");
    // Package files and examples lie outside; only the configuration names the examples, and by path.
    if (target.startsWith("..")) return true;
    const [from, to] = [layerOf(file), layerOf(target)];
    if (from === to) return false;
    return MAY_IMPORT[from]?.includes(to) !== true;
  });
  expect(forbidden).toEqual([]);
});

test("the domain imports no package, not even one of Node's own", () => {
  const found = imports.filter(
    ({ file, specifier }) => layerOf(file) === "domain" && !specifier.startsWith("."),
  );
  expect(found).toEqual([]);
});

test("a package with a place of its own is imported nowhere else", () => {
  const strays = packages.filter(({ file, specifier }) =>
    Object.entries(KEPT_BEHIND).some(
      ([name, place]) => (specifier === name || specifier.startsWith(`${name}/`)) && !place.test(file),
    ),
  );
  expect(strays).toEqual([]);
});

test("the environment is read in one file", () => {
  const readers = [...sources].filter(([, text]) =>
    /\bprocess\s*\.\s*env\b|\bimport\.meta\.env\b/.test(text),
  );
  expect(readers.map(([file]) => file)).toEqual(["config.ts"]);
});

test("every import of our own names its file, as Node needs it", () => {
  expect(local.filter(({ specifier }) => !specifier.endsWith(".ts"))).toEqual([]);
});

/** The folder, or the file's own name where it lies beside the folders. */
function layerOf(path: string): string {
  return path.split("/")[0]?.replace(/\.ts$/, "") ?? "";
}

function importsOf(file: string, text: string): Import[] {
  const patterns = [
    /^\s*(?:import|export)\s[^"';]*?from\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']/g,
  ];
  return patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(([, specifier = ""]) => ({ file, specifier })),
  );
}

/** Comments may name what code may not; a `//` inside a string is left alone where it follows a colon. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:"'`])\/\/.*$/gm, "$1");
}
