/**
 * The way in: `npm start`, `npm test` and the other words of package.json come through here.
 *
 * A fresh clone on a machine with an old Node must need nothing but the word, so this file is plain JavaScript without
 * dependencies. It installs what is missing, finds a Node that is new enough, and runs the word's program under it.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findNode, NO_NODE, runInPlace } from "./node-runtime.js";

const PROGRAMS = [
  "demo",
  "test",
  "check",
  "build",
  "format",
  "docs",
  "bench",
  "chaos",
  "pack-test",
  "release",
  "dashboards",
  "compose-test",
  "screenshots",
  "model",
];

const root = fileURLToPath(new URL("..", import.meta.url));
const lockFile = `${root}package-lock.json`;
const stampFile = `${root}node_modules/.report-fleet-installed`;

const [word, ...args] = process.argv.slice(2);
if (!PROGRAMS.includes(word)) {
  console.error(`Unknown word ${JSON.stringify(word ?? "")}; there are: ${PROGRAMS.join(", ")}.`);
  process.exit(2);
}

installDependencies();
const node = findNode();
if (node === null) {
  console.error(NO_NODE);
  process.exit(1);
}
process.exitCode = await runInPlace(node, [`${root}scripts/${word}.ts`, ...args]);

/** Runs `npm ci` where node_modules is missing or belongs to another package-lock.json. */
function installDependencies() {
  const lockText = readFileSync(lockFile, "utf8");
  const stamp = createHash("sha256").update(lockText).digest("hex");
  if (readIfThere(stampFile) === stamp) return;
  if (!agreesWithInstalled(lockText)) {
    console.error("Installing dependencies (npm ci) ...");
    // npm names its own program to its scripts; a bare `npm` on PATH may be another version, or a .cmd file.
    const npm = process.env.npm_execpath;
    const outcome = npm
      ? spawnSync(process.execPath, [npm, "ci", "--no-audit", "--no-fund"], { cwd: root, stdio: "inherit" })
      : spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: root, stdio: "inherit" });
    if (outcome.status !== 0) {
      console.error("`npm ci` failed, so nothing was started. Its own message is above.");
      process.exit(outcome.status ?? 1);
    }
  }
  writeFileSync(stampFile, stamp);
}

/** Whether somebody ran npm by hand: npm leaves its own account of what it installed. */
function agreesWithInstalled(lockText) {
  const installedText = readIfThere(`${root}node_modules/.package-lock.json`);
  if (installedText === null) return false;
  const { packages: installed } = JSON.parse(installedText);
  return Object.entries(JSON.parse(lockText).packages).every(
    ([path, { version, optional }]) => path === "" || optional || installed[path]?.version === version,
  );
}

function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}
