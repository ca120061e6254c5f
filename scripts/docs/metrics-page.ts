/** docs/metrics.md, made from the table in `src/observability/metrics.ts`; a test holds the two together. */
import { METRIC_NAMES, metricOf, type Label, type Metric } from "../../src/observability/metrics.ts";

const INTRODUCTION = `# Metrics

<!-- Made by \`npm run docs\` from src/observability/metrics.ts; a change here is overwritten. -->

Every process answers \`/metrics\` on its \`HOST\` and \`PORT\`, beside \`/livez\` and \`/readyz\`. On loopback it is open; beyond
it, whoever asks sends \`METRICS_TOKEN\`:

\`\`\`
curl -H "Authorization: Bearer $METRICS_TOKEN" http://worker-1:3000/metrics
\`\`\`

\`PORT\` is 3000 in a process with the API. One without it takes a free port unless \`PORT\` is set, and its log says which.

**Where a figure comes from** decides what it survives:

- **books**: counted in Redis, by the script that makes the fact true. It survives every crash of every process, and no
  fact is counted twice or missed. Money and credits are always of this kind.
- **state**: how the fleet stands at the moment of the scrape, read from Redis.
- **process**: latencies and the process itself, counted where they are served and gone with the process. Node's own
  (\`process_…\`, \`nodejs_…\`) come with them.

Books and state are exported by **one process of the fleet**, an orchestrator that holds the sweeper's lease
(\`fleet_books_exported 1\`). So a sum over instances is right. After a hand-over the next one goes on where the books are:
no counter goes back, and \`increase()\` misses what happened between the last scrape of the one and the first of the
other, a few seconds. Within one scrape Redis is asked three times, and one piece of the ledger is compared with its
balances; that piece is bounded, so \`fleet_ledger_walk_age_seconds\` says how fresh the comparison is.

Counters of spend go up only, and spend sometimes moves: waste becomes useful where a report is completed later, an
unknown request turns out cheaper. What is taken back is made up for by the next additions. For one report, read
\`report-fleet spend\`; for a day, \`report-fleet spend --by day\`.

Labels are closed sets, or bounded by configuration; no account, report id, prompt or error text is ever one. Each listed
combination is there from the start, at 0.
`;

export function metricsPage(): string {
  const families = groupBy(METRIC_NAMES, familyOf);
  const tables = [...families].map(([family, names]) => {
    const rows = names.map((name) => row(name, metricOf(name)));
    return `## ${family}\n\n| metric | kind | from | labels | |\n|---|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return [INTRODUCTION, ...tables].join("\n");
}

const FAMILIES: readonly [RegExp, string][] = [
  [/^gen_ai_/, "Calls, by the names of OpenTelemetry's GenAI conventions"],
  [/spend|tokens/, "Spend"],
  [/^fleet_(credit|account|hold|ledger)/, "Credits"],
  [/^fleet_review/, "Review"],
  [/^fleet_(report|intake|prompt)/, "Reports"],
  [/^fleet_(section|call|answer|repair|checkpoint)/, "Sections and calls"],
  [/^fleet_(breaker|route)/, "Breakers and routes"],
  [/^fleet_(queue|process|sweeper)/, "Queues and processes"],
  [/^fleet_(webhook|http)/, "HTTP and webhooks"],
];

function familyOf(name: string): string {
  return FAMILIES.find(([pattern]) => pattern.test(name))?.[1] ?? "The process";
}

function row(name: string, { kind, from, labels, help, buckets }: Metric): string {
  const cuts = buckets === undefined ? "" : ` Buckets: ${buckets.join(", ")}.`;
  const shown = labels.map(labelText).join("<br>");
  return `| \`${name}\` | ${kind} | ${from} | ${shown} | ${help}${cuts} |`;
}

function labelText({ name, values, bound }: Label): string {
  return values === null ? `\`${name}\`: ${bound ?? ""}` : `\`${name}\`: ${values.join(" ")}`;
}

function groupBy<T>(items: readonly T[], groupOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groupOf(item);
    groups.set(group, [...(groups.get(group) ?? []), item]);
  }
  return groups;
}
