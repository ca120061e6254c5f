import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { metricsPage } from "../../../scripts/docs/metrics-page.ts";
import { BOUNDS } from "../../../src/domain/measures.ts";
import { METRIC_NAMES, metricOf } from "../../../src/observability/metrics.ts";
import { countsFrom } from "../../../src/store/counts.ts";

const root = resolve(import.meta.dirname, "../../..");
const FORBIDDEN = ["account", "customer", "report", "report_id", "error", "message", "case", "fingerprint"];

test("the page of metrics is what `npm run docs` writes", () => {
  expect(readFileSync(`${root}/docs/metrics.md`, "utf8")).toBe(metricsPage());
});

test("every metric is named as Prometheus wants it, and says what it is", () => {
  const odd = METRIC_NAMES.filter((name) => {
    const { kind, help } = metricOf(name);
    const named =
      /^(fleet|gen_ai)_[a-z0-9_]+$/.test(name) && (kind === "counter") === name.endsWith("_total");
    const inBaseUnits = !/_(ms|millis|micros|minutes|hours|cents)(_|$)/.test(name);
    return !(named && inBaseUnits && /^[A-Z1].*\.$/.test(help));
  });
  expect(odd).toEqual([]);
});

test("no label can hold a customer, a report or a text, and every label is closed or says what bounds it", () => {
  const labels = METRIC_NAMES.flatMap((name) => metricOf(name).labels);
  expect(labels.filter(({ name }) => FORBIDDEN.includes(name))).toEqual([]);
  expect(labels.filter(({ values, bound }) => values === null && !bound)).toEqual([]);
});

test("what the scripts of the store count is exactly what the table takes from the books", () => {
  const sources = globSync("src/store/*.ts", { cwd: root })
    .map((file) => readFileSync(resolve(root, file), "utf8"))
    .join("\n");
  // In Lua a name begins a field: 'fleet_…|' or a table's entry or an observation.
  const counted = new Set(
    [...sources.matchAll(/'((?:fleet|gen_ai)_[a-z_]+?)(?:\||')/g)].map(([, name = ""]) => name),
  );
  // Not a metric: why a call waits.
  counted.delete("fleet_cap");
  const fromBooks = METRIC_NAMES.filter((name) => metricOf(name).from === "books");
  const gaugesOfBooks = ["fleet_review_open"];
  expect(counted).toEqual(new Set<string>([...fromBooks, ...gaugesOfBooks]));
});

test("a histogram's bounds come back from the store's whole units unharmed", () => {
  for (const [name, bounds] of Object.entries(BOUNDS)) {
    const metric = metricOf(name as keyof typeof BOUNDS);
    expect(metric.buckets?.map((bound) => Math.round(bound * (metric.per ?? 1)))).toEqual(bounds);
    expect(bounds.every((bound) => Number.isInteger(bound))).toBe(true);
    expect([...bounds].sort((a, b) => a - b)).toEqual(bounds);
  }
});

test("counters, what they owe and what was observed are told apart in one hash", () => {
  const counts = countsFrom({
    "fleet_spend_usd_total|topic|m": "12",
    "-fleet_spend_usd_total|topic|m": "5",
    "fleet_review_wait_seconds|le:60000": "2",
    "fleet_review_wait_seconds|le:inf": "1",
    "fleet_review_wait_seconds|sum": "700000",
  });
  expect([...counts.counters]).toEqual([["fleet_spend_usd_total|topic|m", 12]]);
  expect([...counts.owed]).toEqual([["fleet_spend_usd_total|topic|m", 5]]);
  expect(counts.histograms.get("fleet_review_wait_seconds")).toEqual({
    below: new Map([
      [60_000, 2],
      [Number.POSITIVE_INFINITY, 1],
    ]),
    sum: 700_000,
  });
});
