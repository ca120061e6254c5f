/** What comes with `report-fleet/client`, followed as Node would load it: types are erased and pull nothing in. */
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const IMPORTS = [
  /^\s*(?:import|export)\s[^"';]*?from\s*["']([^"']+)["']/gm,
  /^\s*import\s*["']([^"']+)["']/gm,
  /\bimport\(\s*["']([^"']+)["']/g,
];
const src = resolve(import.meta.dirname, "../../../src");

function graphOf(entry: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const open = [resolve(src, entry)];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    if (files.has(relative(src, file))) continue;
    files.add(relative(src, file));
    const loaded = stripTypeScriptTypes(readFileSync(file, "utf8"));
    const specifiers = IMPORTS.flatMap((pattern) =>
      [...loaded.matchAll(pattern)].map(([, from = ""]) => from),
    );
    for (const specifier of specifiers) {
      if (specifier.startsWith(".")) open.push(resolve(dirname(file), specifier));
      else if (!specifier.startsWith("node:")) packages.add(specifier);
    }
  }
  return { files, packages };
}

test("the client brings no worker, no model, no server and no report type", () => {
  const { files, packages } = graphOf("client.ts");
  const rooms = new Set([...files].map((file) => file.split("/")[0]));
  for (const room of ["workers", "llm", "classifier", "api", "cli", "observability"])
    expect(rooms).not.toContain(room);
  expect([...packages].sort()).toEqual(["ioredis"]);
});

test("the client over HTTP brings no package at all", () => {
  expect([...graphOf("client/over-http.ts").packages]).toEqual([]);
});

test("the walk finds what is there", () => {
  expect([...graphOf("workers/fleet.ts").packages]).toContain("bullmq");
});
