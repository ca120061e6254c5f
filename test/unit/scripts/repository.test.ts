/** What must hold for the repository as a whole, so that a clone works on any machine. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";

const root = resolve(import.meta.dirname, "../../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

test("the lock file names no registry, so that everybody installs from their own", () => {
  expect(readFileSync(join(root, "package-lock.json"), "utf8")).not.toContain('"resolved"');
});

const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Record<string, { integrity?: string; optionalDependencies?: Record<string, string> }>;
};

test("the lock file knows what every package must be, on every platform, whoever's registry sends it", () => {
  const unchecked = Object.entries(packages).filter(
    ([path, { integrity = "" }]) => path !== "" && !integrity.startsWith("sha512-"),
  );
  expect(unchecked.map(([path]) => path)).toEqual([]);
});

test("the lock file names the packages of every platform, or `npm ci` refuses it", () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
    ),
  );
  expect(missing).toEqual([]);
});

test("no tracked file names a path of the machine it was written on", () => {
  const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
  const parent = dirname(root);
  // Beside a checkout lie other projects of its owner; beside one in a scratch folder or below / lies the whole machine.
  const siblings = [tmpdir(), "/"].includes(parent)
    ? []
    : readdirSync(parent).map((name) => join(parent, name));
  const places = [root, homedir(), ...siblings];
  const found = tracked.filter((file) => {
    const path = join(root, file);
    if (file === "" || !(statSync(path, { throwIfNoEntry: false })?.isFile() ?? false)) return false;
    const text = readFileSync(path, "latin1");
    return places.some((place) => new RegExp(`(?<![\\w.])${RegExp.escape(place)}/`).test(text));
  });
  expect(found).toEqual([]);
});

test("every dependency has a sentence that says why it earns its place", () => {
  const reasons = readFileSync(join(root, "docs/dependencies.md"), "utf8");
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  expect(names.filter((name) => !reasons.includes(`| \`${name}\` |`))).toEqual([]);
});

test("no sentence is kept for a dependency that is gone", () => {
  const reasons = readFileSync(join(root, "docs/dependencies.md"), "utf8");
  const names = [...reasons.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  const known = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  expect(names.filter((name) => name === undefined || !known.includes(name))).toEqual([]);
});
