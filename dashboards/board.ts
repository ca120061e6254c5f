/**
 * A dashboard as a value: rows of panels, each panel with its queries and a sentence that says what it shows. Built into
 * Grafana's JSON by `build.ts`, and read as it is by the tests that run every query.
 */
export interface Query {
  expr: string;
  legend: string;
  /** Nothing to show is a good answer too: no cap is set, nothing is firing. Why, for the reader. */
  emptyWhen?: string;
}

export type PanelKind =
  /** One number. */
  | "stat"
  | "lines"
  /** Lines on top of each other. */
  | "stacked"
  | "heatmap"
  /** Which of several states something was in. */
  | "states"
  | "table";

export interface Panel {
  kind: PanelKind;
  title: string;
  says: string;
  /** One of Grafana's units. */
  unit: string;
  queries: readonly Query[];
  /** From which value on a stat is yellow, and from which red. */
  warnFrom?: number;
  badFrom?: number;
  /** What the values 0, 1, 2, … of a panel of states mean, the best first. */
  states?: readonly string[];
}

export interface Row {
  title: string;
  /** Panels that stand beside each other, in equal shares. */
  lines: readonly (readonly Panel[])[];
}

export interface Board {
  /** Stable: links to a dashboard are made of it. */
  uid: string;
  title: string;
  says: string;
  rows: readonly Row[];
}

/** In a label matcher: the report types that are chosen on top of the dashboard. */
export const CHOSEN = 'report_type=~"$report_type"';

type Details = Pick<Panel, "title" | "says" | "unit"> & Partial<Pick<Panel, "warnFrom" | "badFrom">>;

export function stat(details: Details, query: string | Query): Panel {
  const one = typeof query === "string" ? { expr: query, legend: "" } : query;
  return { kind: "stat", ...details, queries: [one] };
}

/** Queries by their legend. */
export function lines(details: Details, queries: Readonly<Record<string, string>>): Panel {
  return { kind: "lines", ...details, queries: byLegend(queries) };
}

export function stacked(details: Details, queries: Readonly<Record<string, string>>): Panel {
  return { kind: "stacked", ...details, queries: byLegend(queries) };
}

export function heatmap(details: Details, expr: string): Panel {
  return { kind: "heatmap", ...details, queries: [{ expr, legend: "{{le}}" }] };
}

/** `metric` is 1 for the state that is; its place in `order`, the best first, becomes the value. */
export function states(
  details: Omit<Details, "unit">,
  of: { metric: string; by: string; matchers: string; order: readonly string[] },
): Panel {
  const { metric, by, matchers, order } = of;
  const parts = order
    .slice(1)
    .map((state, nth) => `${nth + 1} * sum by (${by}) (${metric}{${matchers}state="${state}"})`);
  const queries = [{ expr: parts.join(" + "), legend: `{{${by}}}` }];
  return { kind: "states", ...details, unit: "short", queries, states: order };
}

export function table(details: Omit<Details, "unit">, query: Query): Panel {
  return { kind: "table", ...details, unit: "short", queries: [query] };
}

export function mayBeEmpty(panel: Panel, emptyWhen: string): Panel {
  return { ...panel, queries: panel.queries.map((query) => ({ ...query, emptyWhen })) };
}

function byLegend(queries: Readonly<Record<string, string>>): Query[] {
  return Object.entries(queries).map(([legend, expr]) => ({ legend, expr }));
}
