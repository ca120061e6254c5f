/**
 * `npm run release -- 0.2.0`: makes a release of what is committed, or says what is missing and changes nothing.
 *
 *     clean tree ─▶ newer version ─▶ "Unreleased" says something ─▶ `npm run check` ─▶ version, date, commit, tag
 *
 * Pushing and publishing stay a person's.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const HEADING = "## Unreleased";
const [version] = process.argv.slice(2);

function refuse(because: string): never {
  console.error(`No release: ${because}`);
  process.exit(1);
}

function git(...args: string[]): string {
  return execFileSync("git", args, { encoding: "utf8" }).trim();
}

if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version))
  refuse("name its version, as in `npm run release -- 0.2.0`.");
if (git("status", "--porcelain") !== "")
  refuse("the tree has changes that are not committed. Commit or drop them.");
const current = String((JSON.parse(readFileSync("package.json", "utf8")) as { version: unknown }).version);
if (!isNewer(version, current) || git("tag", "--list", `v${version}`) !== "")
  refuse(`${version} is not newer than ${current}, or has a tag already.`);
const changelog = readFileSync("CHANGELOG.md", "utf8");
if (unreleased(changelog) === "")
  refuse(`the section "Unreleased" of CHANGELOG.md is empty. Write what users will notice.`);
if (spawnSync("npm", ["run", "--silent", "check"], { stdio: "inherit" }).status !== 0)
  refuse("`npm run check` fails; see above.");

for (const file of ["package.json", "package-lock.json"]) setVersion(file, version);
const day = new Date().toISOString().slice(0, 10);
writeFileSync(
  "CHANGELOG.md",
  changelog.replace(HEADING, () => `${HEADING}\n\n## ${version} (${day})`),
);
git("commit", "--quiet", "--all", "--message", `Release ${version}`);
git("tag", "--annotate", `v${version}`, "--message", `Release ${version}`);
console.log(
  `Released ${version}: commit ${git("rev-parse", "--short", "HEAD")}, tag v${version}. Push both, and keep its data: ` +
    `node scripts/release-data.ts ${version} test/fixtures/releases/${version}.jsonl`,
);

/** What stands below the heading, up to the next one. */
function unreleased(text: string): string {
  const from = text.indexOf(`${HEADING}\n`);
  if (from < 0) return "";
  const rest = text.slice(from + HEADING.length);
  const end = rest.indexOf("\n## ");
  return (end < 0 ? rest : rest.slice(0, end)).trim();
}

/** Only the first two: the package itself, and itself again in the lock file; the others are its dependencies'. */
function setVersion(file: string, to: string): void {
  const manifest = JSON.parse(readFileSync(file, "utf8")) as {
    version: string;
    packages?: Record<string, { version?: string }>;
  };
  manifest.version = to;
  const own = manifest.packages?.[""];
  if (own !== undefined) own.version = to;
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}

function isNewer(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => text.split(".").map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
