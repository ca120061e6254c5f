/** What the README tells a newcomer to do is done here, word by word. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { startTestFleet } from "../../src/testing.ts";
import { loadReportTypes } from "../../src/report-types/registry.ts";
import { runCommand } from "../support/command-line.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";

const root = resolve(import.meta.dirname, "../..");
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The README's module, in a folder of this repository, since it imports zod and our sources. */
function savedModule(): string {
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  expect(code).toContain('from "./src/index.ts"');
  const scratch = join(root, ".data");
  mkdirSync(scratch, { recursive: true });
  const dir = mkdtempSync(join(scratch, "readme-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "town-guide.ts");
  writeFileSync(path, code.replace('"./src/index.ts"', '"../../src/index.ts"'));
  return path;
}

test("the first report type of the README type-checks, and is written by the commands below it", async () => {
  const path = savedModule();
  const config = join(path, "..", "tsconfig.json");
  writeFileSync(config, JSON.stringify({ extends: "../../tsconfig.json", include: ["town-guide.ts"] }));
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", config], {
    cwd: root,
  });

  const env = { REPORT_TYPES: path, REDIS_URL: "" };
  const commands = [...readme.matchAll(/^npx report-fleet (types try .*?)(?: +#.*)?$/gm)].map(
    ([, rest = ""]) => rest,
  );
  expect(commands).toHaveLength(2);
  const [plan, run] = await Promise.all(commands.map((line) => runCommand(wordsOf(line), { env })));
  expect(plan).toMatchObject({ code: EXIT.ok, stderr: "" });
  expect(plan?.stdout).toContain("Topic: Ghent");
  expect(run?.code).toBe(EXIT.ok);
  expect(run?.stdout).toMatch(/^# A guide to Ghent\n\n## History\n[\s\S]*\n## Today\n/);
});

test("credits are granted and the report is ordered as the README says", async () => {
  const path = savedModule();
  const fleetName = uniqueFleet("readme");
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: fleetName,
    types: (await loadReportTypes([path], root)).all(),
  });
  onTestFinished(() => fleet.stop());
  const env = { REPORT_TYPES: path, REDIS_URL: testRedisUrl(), FLEET: fleetName };
  for (const start of ["credits grant", "submit town-guide"]) {
    const line = new RegExp(`^npx report-fleet (${start} .*)$`, "m").exec(readme)?.[1] ?? "";
    expect(await runCommand(wordsOf(line), { env })).toMatchObject({ code: EXIT.ok });
  }
  expect(await fleet.balance("acme")).toMatchObject({ available: 95, committed: 5 });
});

test("every exit code stands in the README", () => {
  const documented = [...readme.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(documented).toEqual(Object.values(EXIT));
});

test("every command of the help stands in the README and in docs/cli.md", async () => {
  const { stdout } = await runCommand(["--help"]);
  const commands = [...stdout.matchAll(/^ {2}([a-z-]+) /gm)]
    .map(([, name]) => name)
    .filter((name) => name !== "help");
  expect(commands.length).toBeGreaterThan(8);
  const reference = readFileSync(join(root, "docs/cli.md"), "utf8");
  for (const command of commands) {
    expect(readme).toMatch(new RegExp(`^\\|.*\`${command}[ \`]`, "m"));
    expect(reference).toMatch(new RegExp(`(?:report-fleet |\`)${command}[ \`]`));
  }
});

/** As a shell splits it, for the quoting the README uses. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}
