/**
 * Finds a Node that can run this repository, and hands the terminal over to it.
 *
 * Plain JavaScript without dependencies, because it runs first, on whatever Node (>= 18) the machine has. A child
 * process stands in for `exec`, which Node only has from 22.15 on: it shares our streams, gets our signals, and its
 * exit code becomes ours.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

export const REQUIRED_MAJOR = 24;

export function isNewEnough(version) {
  return Number(version.replace(/^v/, "").split(".")[0]) >= REQUIRED_MAJOR;
}

/** The path of a Node that is new enough, our own first; null where there is none. */
export function findNode() {
  if (isNewEnough(process.versions.node)) return process.execPath;
  const name = process.platform === "win32" ? "node.exe" : "node";
  const bundled = fileURLToPath(new URL(`../node_modules/node/bin/${name}`, import.meta.url));
  if (!existsSync(bundled)) return null;
  const asked = spawnSync(bundled, ["--version"], { encoding: "utf8" });
  return asked.status === 0 && isNewEnough(asked.stdout.trim()) ? bundled : null;
}

export const NO_NODE =
  `Node ${REQUIRED_MAJOR} or newer is needed; this is ${process.versions.node}, and the copy that comes with the ` +
  "dependencies is missing. Run `npm ci` (with install scripts allowed), or install a newer Node.";

/** Runs a command in our place: same streams, same signals. Resolves to the exit code, 128 + n after signal n. */
export function runInPlace(command, args) {
  const child = spawn(command, args, { stdio: "inherit" });
  const forward = (signal) => {
    // On a terminal Ctrl-C reaches the child by itself; passing it on would look like an impatient second one.
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, forward);
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`${command} could not be started: ${error.message}`);
      resolve(1);
    });
    child.on("exit", (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
