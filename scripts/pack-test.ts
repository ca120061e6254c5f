/**
 * Packs the package, installs the tarball in an empty folder elsewhere, and runs its command line there: a file missing
 * from `files`, a dependency missing from `dependencies` or an import that only works unbuilt shows up nowhere else.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { root } from "./tools.ts";

const dir = mkdtempSync(join(tmpdir(), "report-fleet-pack-"));
// The consumer's Node is new enough too: ours comes first on their PATH.
const path = `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`;
// npm's settings for *this* project reach its scripts as variables, and would point the installation back here.
const env = Object.fromEntries(
  Object.entries({ ...process.env, PATH: path }).filter(
    ([name]) => !/^npm_(config_local_prefix|package_)/.test(name),
  ),
);

try {
  const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { version: string };
  ran("node", [`${root}scripts/build.ts`], { cwd: root });
  const packed = ran("npm", ["pack", "--json", "--pack-destination", dir], { cwd: root });
  const tarball = /report-fleet-[^"\s/]+\.tgz/.exec(packed)?.[0];
  if (tarball === undefined) throw new Error(`npm pack named no tarball:\n${packed}`);

  const consumer = join(dir, "consumer");
  mkdirSync(consumer);
  writeFileSync(join(consumer, "package.json"), "{}");
  ran("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", join(dir, tarball)], {
    cwd: consumer,
  });

  same("the version", ran("npx", ["--no-install", "report-fleet", "--version"], { cwd: consumer }), version);
  const failure = { id: "a", surface: "network", stage: "generate", node: { code: "ECONNREFUSED" } };
  const answer = ran("npx", ["--no-install", "report-fleet", "classify"], {
    cwd: consumer,
    input: `${JSON.stringify(failure)}\n`,
  });
  same("the kind of a refused connection", (JSON.parse(answer) as { kind: string }).kind, "transient");
  same("files that `exports` names and the package lacks", missingExports(consumer), "");
  same("files of the console that the package lacks", missingAssets(consumer), "");
  console.log(`The packed package ${tarball} installs and runs.`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function missingExports(consumer: string): string {
  const installed = join(consumer, "node_modules", "report-fleet");
  const manifest = readFileSync(join(installed, "package.json"), "utf8");
  const { exports } = JSON.parse(manifest) as { exports: Record<string, string | Record<string, string>> };
  return Object.values(exports)
    .flatMap((target) => (typeof target === "string" ? [target] : Object.values(target)))
    .filter((target) => !existsSync(join(installed, target)))
    .join(", ");
}

function missingAssets(consumer: string): string {
  const there = join(consumer, "node_modules", "report-fleet", "dist", "src", "console", "static");
  return readdirSync(`${root}src/console/static`)
    .filter((name) => !existsSync(join(there, name)))
    .join(", ");
}

function ran(command: string, args: readonly string[], options: { cwd: string; input?: string }): string {
  const program = command === "node" ? process.execPath : command;
  const ended = spawnSync(program, args, { ...options, env, encoding: "utf8" });
  if (ended.status === 0) return ended.stdout.trim();
  throw new Error(
    `${command} ${args.join(" ")} ended with ${ended.status}:\n${ended.stdout}\n${ended.stderr}`,
  );
}

function same(what: string, found: string, expected: string): void {
  if (found !== expected)
    throw new Error(`${what}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}
