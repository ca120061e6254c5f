/** Which metrics a query asks for, by their names in our table; for tests of rules and dashboards. */
import { METRIC_NAMES, metricOf } from "../../src/observability/metrics.ts";

/** Prometheus' own, Node's, and what rules record are not ours to check. */
const NAMED = /(?<![a-z0-9_:])((?:fleet|gen_ai)_[a-z0-9_]+)(?![a-z0-9_:(])(?:\{([^}]*)\})?/g;

/** Without the lists of labels, some of which are named like metrics. */
function ofMetrics(expr: string): string {
  return expr.replaceAll(/\b(?:by|on|without|ignoring)\s*\([^)]*\)/g, "");
}

/** What is wrong with a query: metrics that do not exist, labels they do not have, values these never take. */
export function problemsOf(expr: string): string[] {
  return [...ofMetrics(expr).matchAll(NAMED)].flatMap(([, name = "", matchers = ""]) => {
    const metric = metricIn(name);
    if (metric === undefined) return [`there is no metric ${name}`];
    const labels = new Map(metricOf(metric).labels.map((label) => [label.name, label.values]));
    return [...matchers.matchAll(/([a-z_]+)(?:!=|=~|!~|=)"([^"]*)"/g)].flatMap(
      ([, label = "", value = ""]) => {
        if (label === "le") return [];
        if (!labels.has(label)) return [`${name} has no label ${label}`];
        const closed = labels.get(label);
        if (!closed || value.includes("$")) return [];
        return value
          .split("|")
          .filter((one) => !closed.includes(one))
          .map((one) => `${name} has no ${label} ${one}`);
      },
    );
  });
}

export function metricsIn(expr: string): string[] {
  return [...ofMetrics(expr).matchAll(NAMED)].flatMap(([, name = ""]) => metricIn(name) ?? []);
}

function metricIn(name: string) {
  return METRIC_NAMES.find(
    (one) =>
      name === one ||
      (metricOf(one).kind === "histogram" && ["_bucket", "_sum", "_count"].some((end) => name === one + end)),
  );
}
