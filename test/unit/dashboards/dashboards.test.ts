import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { Panel } from "../../../dashboards/board.ts";
import { BOARDS } from "../../../dashboards/boards.ts";
import { BREAKER_TURNS, build, dashboardJson, DEPLOYS } from "../../../dashboards/build.ts";
import { METRIC_NAMES } from "../../../src/observability/metrics.ts";
import { metricsIn, problemsOf } from "../../support/promql.ts";

const root = resolve(import.meta.dirname, "../../..");
const boards = Object.entries(BOARDS);
const panels = boards.flatMap(([name, { rows }]) =>
  rows.flatMap(({ lines }) =>
    lines.flat().map((panel): [string, Panel] => [`${name}: ${panel.title}`, panel]),
  ),
);

test("Grafana's files are what `npm run dashboards` writes, and there are no others", () => {
  for (const [name, board] of boards)
    expect(readFileSync(`${root}/dashboards/grafana/${name}.json`, "utf8")).toBe(dashboardJson(board));
  const files = globSync("dashboards/grafana/*.json", { cwd: root });
  expect(files).toHaveLength(boards.length);
  expect(new Set(boards.map(([, { uid }]) => uid)).size).toBe(boards.length);
});

test("no two panels of a dashboard lie on each other, and none leaves the grid", () => {
  for (const [name, board] of boards) {
    const taken = new Map<string, string>();
    for (const panel of build(board).panels ?? []) {
      const { x, y, w, h } = panel.gridPos ?? { x: 0, y: 0, w: 0, h: 0 };
      expect([name, panel.title, w > 0 && h > 0 && x + w <= 24]).toEqual([name, panel.title, true]);
      for (let column = x; column < x + w; column++)
        for (let row = y; row < y + h; row++) {
          expect([name, panel.title, taken.get(`${column}/${row}`)]).toEqual([name, panel.title, undefined]);
          taken.set(`${column}/${row}`, panel.title ?? "");
        }
    }
  }
});

test("every panel says what it shows, and asks for metrics and labels that exist", () => {
  const wrong = panels.flatMap(([where, { says, queries }]) => [
    ...(/^[A-Z0-9].*\.$/.test(says) ? [] : [`${where} does not say what it shows`]),
    ...queries.flatMap(({ expr }) => problemsOf(expr).map((problem) => `${where}: ${problem}`)),
  ]);
  expect(wrong).toEqual([]);
  expect([BREAKER_TURNS, DEPLOYS].flatMap(problemsOf)).toEqual([]);
});

test("every metric is shown somewhere", () => {
  const alerts = readFileSync(`${root}/dashboards/recording.rules.yml`, "utf8");
  const shown = new Set([
    ...panels.flatMap(([, { queries }]) => queries.flatMap(({ expr }) => metricsIn(expr))),
    ...metricsIn(alerts),
  ]);
  expect(METRIC_NAMES.filter((name) => !shown.has(name))).toEqual([]);
});

function read(file: string): Record<string, unknown> {
  return parse(readFileSync(`${root}/dashboards/${file}`, "utf8")) as Record<string, unknown>;
}

test("what the provisioning and the scrape config name is there", () => {
  const { rule_files } = read("prometheus.yml");
  for (const file of rule_files as string[]) expect(read(file)).toHaveProperty("groups");
  expect(read("grafana/provisioning/datasources/prometheus.yml")).toHaveProperty("datasources");
  expect(read("grafana/provisioning/dashboards/report-fleet.yml")).toHaveProperty("providers");
});
