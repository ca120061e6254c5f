#!/usr/bin/env node
/**
 * Starts the command line: from its sources in a clone (no build needed), from dist/ in an installed package, since
 * Node refuses to strip types under node_modules.
 */
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

const REQUIRED_MAJOR = 24;
const source = new URL("../src/cli/main.ts", import.meta.url);
const inClone = existsSync(source);

// What one process has compiled the next one only reads: after a death its sections are written again sooner. Beside what is
// installed, where nobody else writes; on a file system that takes no writes there is none, and nothing else changes.
module.enableCompileCache?.(fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url)));

if (Number(process.versions.node.split(".")[0]) >= REQUIRED_MAJOR) {
  const { main } = await import(inClone ? source : new URL("../dist/src/cli/main.js", import.meta.url));
  process.exitCode = await main(process.argv.slice(2));
} else if (inClone) {
  const { findNode, NO_NODE, runInPlace } = await import(
    new URL("../scripts/node-runtime.js", import.meta.url)
  );
  const node = findNode();
  if (node === null) console.error(NO_NODE);
  process.exitCode =
    node === null ? 1 : await runInPlace(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
} else {
  console.error(`report-fleet needs Node ${REQUIRED_MAJOR} or newer; this is ${process.versions.node}.`);
  process.exitCode = 1;
}
