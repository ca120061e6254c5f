/** The release script in a repository of its own, whose `check` is what the test says. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, expect, test } from "vitest";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const FULL = "# Changelog\n\n## Unreleased\n\n- Orders are faster.\n\n## 0.1.0 (2026-01-01)\n\n- First.\n";

function aRepository(more: { changelog?: string; check?: string } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-release-test-"));
  closing.push(() => rmSync(dir, { recursive: true, force: true }));
  const git = (...args: string[]) => execFileSync("git", args, { cwd: dir, encoding: "utf8" }).trim();
  mkdirSync(join(dir, "scripts"));
  copyFileSync(resolve(import.meta.dirname, "../../../scripts/release.ts"), join(dir, "scripts/release.ts"));
  const manifest = {
    name: "a-fleet",
    version: "0.1.0",
    type: "module",
    scripts: { check: more.check ?? "true" },
  };
  writeFileSync(join(dir, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const lock = { version: "0.1.0", packages: { "": { version: "0.1.0" }, other: { version: "0.1.0" } } };
  writeFileSync(join(dir, "package-lock.json"), JSON.stringify(lock));
  writeFileSync(join(dir, "CHANGELOG.md"), more.changelog ?? FULL);
  git("init", "--quiet", "--initial-branch", "main");
  git("config", "user.email", "dev@example.com");
  git("config", "user.name", "Dev");
  git("add", ".");
  git("commit", "--quiet", "--message", "Begin");
  const release = (version: string) =>
    spawnSync(process.execPath, ["scripts/release.ts", version], { cwd: dir, encoding: "utf8" });
  return { dir, git, release };
}

test("a release sets the version, dates the section, leaves an empty one, commits and tags", () => {
  const { dir, git, release } = aRepository();
  const { status, stderr } = release("0.2.0");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const day = new Date().toISOString().slice(0, 10);
  expect(readFileSync(join(dir, "CHANGELOG.md"), "utf8")).toContain(
    `## Unreleased\n\n## 0.2.0 (${day})\n\n- Orders are faster.\n\n## 0.1.0`,
  );
  expect(JSON.parse(readFileSync(join(dir, "package.json"), "utf8"))).toMatchObject({ version: "0.2.0" });
  expect(JSON.parse(readFileSync(join(dir, "package-lock.json"), "utf8"))).toMatchObject({
    version: "0.2.0",
    packages: { "": { version: "0.2.0" }, other: { version: "0.1.0" } },
  });
  expect(git("tag", "--points-at", "HEAD")).toBe("v0.2.0");
  expect(git("status", "--porcelain")).toBe("");
  // And what it left is no release yet.
  expect(release("0.3.0").stderr).toContain("is empty");
});

test.each([
  [
    "an empty section",
    { changelog: "# Changelog\n\n## Unreleased\n\n## 0.1.0\n\n- First.\n" },
    "0.2.0",
    /is empty/,
  ],
  ["a check that fails", { check: "false" }, "0.2.0", /`npm run check` fails/],
  ["a version that is not newer", {}, "0.1.0", /not newer than 0\.1\.0/],
  ["a version that is none", {}, "next", /name its version/],
])("%s is refused, and nothing is changed", (_what, more, version, because) => {
  const { git, release } = aRepository(more);
  const before = git("rev-parse", "HEAD");
  const { status, stderr } = release(version);
  expect(status).toBe(1);
  expect(stderr).toMatch(because);
  expect([git("rev-parse", "HEAD"), git("tag", "--list"), git("status", "--porcelain")]).toEqual([
    before,
    "",
    "",
  ]);
});

test("a tree with changes that are not committed is refused", () => {
  const { dir, release } = aRepository();
  writeFileSync(join(dir, "half-done.ts"), "");
  expect(release("0.2.0").stderr).toContain("not committed");
});
