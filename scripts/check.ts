/**
 * `npm run check`: everything a change must pass, cheapest first, stopping at the first step that fails.
 *
 * The last line is always `N passed, N failed`, for people and for machines that read only that. A failed step before
 * the tests counts as one failure. With CI set, a skipped test is a failure: nobody is there to notice it.
 * What .ci/run adds: `--with-chaos` the long tests that want the machine for themselves, `--with-browser` the console in a
 * real Chromium, `--with-prometheus` metrics, rules and dashboards in a real Prometheus, `--with-proof` the model beside its
 * twin and everything hostile, `--with-pack` the package built, installed elsewhere and run.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, run, runTool, type Ended } from "./tools.ts";

interface TestTotals {
  passed: number;
  failed: number;
}

const inCi = !["", "0", "false", undefined].includes(process.env["CI"]);
const totals: TestTotals = { passed: 0, failed: 0 };

const steps: { name: string; run(): Promise<Ended> }[] = [
  { name: "format", run: () => runTool("oxfmt", ["--check"]) },
  { name: "lint", run: () => runTool("oxlint", ["--type-aware", "--deny-warnings"]) },
  { name: "types", run: () => runTool("tsc", ["-p", "."]) },
  { name: "types of the browser tests", run: () => runTool("tsc", ["-p", "test/browser"]) },
  { name: "unused code", run: () => runTool("knip", []) },
  { name: "tests", run: () => runTests([]) },
];
if (process.argv.includes("--with-browser")) {
  steps.push({ name: "browser", run: () => runTests(["--config", "vitest.browser.config.ts"]) });
}
if (process.argv.includes("--with-prometheus")) {
  steps.push({ name: "prometheus", run: () => runTests(["--config", "vitest.prometheus.config.ts"]) });
}
if (process.argv.includes("--with-proof")) {
  steps.push({ name: "proof", run: () => runTests(["--config", "vitest.proof.config.ts"]) });
}
if (process.argv.includes("--with-chaos")) {
  steps.push({ name: "chaos", run: () => runTests(["--config", "vitest.chaos.config.ts"]) });
}
if (process.argv.includes("--with-pack")) steps.push({ name: "package", run: runPackTest });

for (const step of steps) {
  console.log(`\n── ${step.name}`);
  const startedAt = performance.now();
  const { code } = await step.run();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`── ${step.name}: ${code === 0 ? "ok" : "FAILED"} (${seconds} s)`);
  if (code !== 0) {
    process.exitCode = code;
    totals.failed = Math.max(1, totals.failed);
    break;
  }
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);

async function runTests(options: readonly string[]): Promise<Ended> {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-check-"));
  const file = join(dir, "tests.json");
  try {
    const ended = await runTool("vitest", [
      "run",
      ...options,
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${file}`,
    ]);
    const report = JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
    totals.passed += report["numPassedTests"] ?? 0;
    totals.failed += report["numFailedTests"] ?? 0;
    const skipped = (report["numPendingTests"] ?? 0) + (report["numTodoTests"] ?? 0);
    if (inCi && skipped > 0) {
      console.log(`${skipped} skipped; with CI set that is a failure.`);
      totals.failed += skipped;
      return { code: ended.code || 1 };
    }
    return ended;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function runPackTest(): Promise<Ended> {
  const ended = await run(process.execPath, [`${root}scripts/pack-test.ts`], { cwd: root });
  if (ended.code === 0) totals.passed += 1;
  else totals.failed += 1;
  return ended;
}
