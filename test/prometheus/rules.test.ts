/** The rules, by the program that will run them. */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { resolve } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { findPrometheus } from "../../scripts/programs/find-prometheus.ts";

const root = resolve(import.meta.dirname, "../..");
let promtool: string;

beforeAll(async () => {
  ({ promtool } = await findPrometheus((line) => process.stderr.write(`${line}\n`)));
});

function run(...args: string[]): string {
  const ended = spawnSync(promtool, args, { cwd: root, encoding: "utf8" });
  return ended.status === 0 ? "" : `${ended.stdout}${ended.stderr}`;
}

const RULES = ["dashboards/recording.rules.yml", "dashboards/alerts.rules.yml"];

test("promtool reads every rule, and the scrape config that loads them", () => {
  expect(run("check", "rules", "--lint=all", "--lint-fatal", ...RULES)).toBe("");
  expect(run("check", "config", "--syntax-only", "dashboards/prometheus.yml")).toBe("");
});

test("every alert fires where it must, and stays quiet where it must", () => {
  const cases = globSync("test/prometheus/*.promtool.yml", { cwd: root });
  expect(cases.length).toBeGreaterThan(0);
  expect(run("test", "rules", ...cases)).toBe("");
});
