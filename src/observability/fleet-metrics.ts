/** What the store knows, as samples of the metrics it is the source of. */
import type { SpendCaps } from "../domain/route.ts";
import type { PromptVersion } from "../report-types/prompt-versions.ts";
import type { Counts, Slots } from "../store/counts.ts";
import type { FleetState } from "../store/fleet-state.ts";
import type { LedgerDrift } from "../store/ledger-walk.ts";
import { METRIC_NAMES, metricOf, REPORT_TYPE, type Metric, type MetricName } from "./metrics.ts";

export interface Sample {
  /** The metric's own name, or a histogram's with its suffix. */
  name: string;
  labels: Record<string, string>;
  value: number;
}

export type Samples = Map<MetricName, Sample[]>;

/** What is known without the store. */
export interface KnownTypes {
  types: readonly { type: string; prompts: readonly PromptVersion[]; reviewDeadlineMs: number }[];
  caps: SpendCaps;
}

export function samplesOf(state: FleetState, drift: LedgerDrift, known: KnownTypes): Samples {
  const samples: Samples = new Map();
  const types = [
    ...new Set([...state.breakers.map(({ type }) => type), ...known.types.map(({ type }) => type)]),
  ];
  for (const name of METRIC_NAMES) {
    const metric = metricOf(name);
    if (metric.from !== "books") continue;
    if (metric.kind === "histogram") samples.set(name, histogramSamples(name, metric, state.counts, types));
    else samples.set(name, counterSamples(name, metric, state.counts, types));
  }
  for (const { name, labels, value } of gauges(state, drift, known, types)) {
    const list = samples.get(name) ?? [];
    list.push({ name, labels, value });
    samples.set(name, list);
  }
  return samples;
}

function counterSamples(
  name: MetricName,
  metric: Metric,
  counts: Counts,
  types: readonly string[],
): Sample[] {
  const found = new Map<string, Sample>();
  const add = (values: readonly string[], value: number): void => {
    found.set(values.join("|"), {
      name,
      labels: labelled(metric, values),
      value: value / (metric.per ?? 1),
    });
  };
  for (const values of everyCombination(metric, types)) add(values, 0);
  if (metric.partOf !== undefined)
    for (const [values] of fieldsOf(metric.partOf, metric, counts.counters)) add(values, 0);
  for (const [values, value] of fieldsOf(name, metric, counts.counters)) add(values, value);
  return [...found.values()];
}

function histogramSamples(
  name: MetricName,
  metric: Metric,
  counts: Counts,
  types: readonly string[],
): Sample[] {
  const found = new Map<string, { values: readonly string[]; slots: Slots }>();
  const empty: Slots = { below: new Map(), sum: 0 };
  for (const values of everyCombination(metric, types)) found.set(values.join("|"), { values, slots: empty });
  for (const [values, slots] of fieldsOf(name, metric, counts.histograms))
    found.set(values.join("|"), { values, slots });
  return [...found.values()].flatMap(({ values, slots }) => bucketSamples(name, metric, values, slots));
}

function bucketSamples(name: string, metric: Metric, values: readonly string[], slots: Slots): Sample[] {
  const labels = labelled(metric, values);
  const per = metric.per ?? 1;
  const upTo = (bound: number) =>
    [...slots.below].reduce((sum, [slot, many]) => (slot <= Math.round(bound * per) ? sum + many : sum), 0);
  const all = upTo(Number.POSITIVE_INFINITY);
  return [
    ...(metric.buckets ?? []).map((bound) => ({
      name: `${name}_bucket`,
      labels: { ...labels, le: String(bound) },
      value: upTo(bound),
    })),
    { name: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: all },
    { name: `${name}_sum`, labels, value: slots.sum / per },
    { name: `${name}_count`, labels, value: all },
  ];
}

/** Fields of one metric with their label values. */
function* fieldsOf<T>(
  name: string,
  metric: Metric,
  fields: ReadonlyMap<string, T>,
): Generator<[string[], T]> {
  for (const [field, value] of fields) {
    // Most fields are another metric's, and are passed over without being taken apart.
    if (!field.startsWith(name) || (field.length > name.length && field[name.length] !== "|")) continue;
    const [, ...values] = field.split("|");
    const told = name.startsWith("gen_ai_") ? genAiValues(values) : values;
    // A field of another version of this program, with other labels.
    if (told.length === metric.labels.length) yield [told, value];
  }
}

/** The store keeps host and model as one word. */
function genAiValues([served = "", ...rest]: readonly string[]): string[] {
  const slash = served.indexOf("/");
  return ["chat", providerName(served.slice(0, slash)), served.slice(slash + 1), ...rest];
}

const WELL_KNOWN: Readonly<Record<string, string>> = {
  "api.openai.com": "openai",
  "api.anthropic.com": "anthropic",
  "api.mistral.ai": "mistral_ai",
  "api.deepseek.com": "deepseek",
  "api.groq.com": "groq",
  "api.x.ai": "x_ai",
  "generativelanguage.googleapis.com": "gcp.gemini",
};

function providerName(host: string): string {
  if (host.endsWith(".openai.azure.com")) return "azure.ai.openai";
  return WELL_KNOWN[host] ?? host;
}

function labelled(metric: Metric, values: readonly string[]): Record<string, string> {
  return Object.fromEntries(metric.labels.map(({ name }, nth) => [name, values[nth] ?? ""]));
}

/** Empty where a label is open: nobody knows its values before they are seen. */
function everyCombination(metric: Metric, types: readonly string[]): string[][] {
  let rows: string[][] = [[]];
  for (const label of metric.labels) {
    const values = label === REPORT_TYPE ? types : (label.values ?? []);
    rows = rows.flatMap((row) => values.map((value) => [...row, value]));
  }
  return rows;
}

interface GaugeSample {
  name: MetricName;
  labels: Record<string, string>;
  value: number;
}

function one(name: MetricName, value: number, labels: Record<string, string> = {}): GaugeSample {
  return { name, labels, value };
}

function seconds(ms: number | null): number {
  return (ms ?? 0) / 1_000;
}

function* gauges(
  state: FleetState,
  drift: LedgerDrift,
  known: KnownTypes,
  types: readonly string[],
): Generator<GaugeSample> {
  const { counters } = state.counts;
  const counted = (field: string) => counters.get(field) ?? 0;

  for (const { type, prompts, reviewDeadlineMs } of known.types) {
    yield one("fleet_review_deadline_seconds", seconds(reviewDeadlineMs), { report_type: type });
    for (const { section, version } of prompts)
      yield one("fleet_prompt_info", 1, { report_type: type, section, prompt_version: version });
  }

  for (const type of types) {
    const finished = sumOf(counters, `fleet_reports_finished_total|${type}|`);
    const open = counted(`fleet_reports_submitted_total|${type}`) - finished;
    yield one("fleet_reports_open", Math.max(0, open), { report_type: type });
  }
  for (const [status, many] of Object.entries(state.reports)) yield one("fleet_reports", many, { status });
  yield one("fleet_reports_overdue", state.overdue);

  yield one("fleet_spend_today_usd", state.spentTodayMicros / 1e6);
  const { fleetPerDay, accountPerDay } = known.caps;
  if (fleetPerDay !== null) yield one("fleet_spend_cap_usd", fleetPerDay / 1e6, { scope: "fleet" });
  if (accountPerDay !== null) yield one("fleet_spend_cap_usd", accountPerDay / 1e6, { scope: "account" });
  yield one("fleet_spending_stopped", state.spendingStopped ? 1 : 0);

  yield one("fleet_credits_held", state.creditsHeld);
  yield one("fleet_accounts", state.accounts);
  yield one("fleet_holds_open", state.holds.open);
  yield one("fleet_hold_oldest_age_seconds", seconds(state.holds.oldestMs));
  yield one("fleet_ledger_drift_credits", drift.credits);
  yield one("fleet_ledger_walk_age_seconds", drift.ageMs === null ? -1 : drift.ageMs / 1_000);

  const open = metricOf("fleet_review_open");
  for (const sample of counterSamples("fleet_review_open", open, state.counts, types))
    yield one("fleet_review_open", sample.value, sample.labels);
  yield one("fleet_review_oldest_age_seconds", seconds(state.oldestCaseMs));

  for (const { type, state: now } of state.breakers)
    yield* oneHot("fleet_breaker_state", now, { report_type: type });
  for (const { route, state: now } of state.routes) yield* oneHot("fleet_route_state", now, { route });

  for (const { queue, jobs, oldestMs, workers } of state.queues) {
    for (const [name, many] of Object.entries(jobs))
      yield one("fleet_queue_jobs", many, { queue, state: name });
    yield one("fleet_queue_oldest_age_seconds", seconds(oldestMs), { queue });
    yield one("fleet_queue_workers", workers, { queue });
  }
  for (const role of ["api", "orchestrator", "worker"])
    yield one("fleet_processes", state.processes.filter((roles) => roles.includes(role)).length, { role });
  yield one("fleet_webhooks_pending", state.webhooks.due + state.webhooks.outbox);
}

function sumOf(fields: ReadonlyMap<string, number>, prefix: string): number {
  let sum = 0;
  for (const [field, value] of fields) if (field.startsWith(prefix)) sum += value;
  return sum;
}

function* oneHot(name: MetricName, now: string, labels: Record<string, string>): Generator<GaugeSample> {
  const states = metricOf(name).labels.find((label) => label.name === "state")?.values ?? [];
  for (const state of states) yield { name, labels: { ...labels, state }, value: state === now ? 1 : 0 };
}
