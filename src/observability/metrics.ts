/**
 * Every metric of the fleet, in one table: docs/metrics.md, the exporter, the dashboards and the rules are all made from
 * it or tested against it.
 *
 * - `books`: counted in the store by the script that makes the fact true; survives every crash.
 * - `state`: how the fleet stands at the moment of the scrape, read from the store.
 * - `process`: counted in the process that serves it, and gone with it: latencies, and the process itself.
 *
 * What comes from the store is exported by one process of the fleet, so sums over instances are right.
 * Labels are closed sets, or bounded by configuration. Never an account, a report, a text or an error message.
 */
import { ACTIONS } from "../domain/review.ts";
import { BREAKER_STATES } from "../domain/breaker.ts";
import { LEDGER_VERBS } from "../domain/credits.ts";
import { FAILURE_KINDS } from "../domain/failure.ts";
import { BOUNDS } from "../domain/measures.ts";
import { REPORT_STATUSES } from "../domain/report.ts";
import { ROUTE_STATES } from "../domain/route.ts";
import { SPEND_KINDS } from "../store/books.ts";
import { QUEUE_STATES } from "../store/fleet-state.ts";

export interface Label {
  name: string;
  /** All of them, so that each is there from the start; null where configuration bounds them. */
  values: readonly string[] | null;
  /** What bounds them where they are not listed. */
  bound?: string;
}

export interface Metric {
  kind: "counter" | "gauge" | "histogram";
  from: "books" | "state" | "process";
  help: string;
  labels: readonly Label[];
  /** How many units of the store make one of the metric: the store counts micro-USD and milliseconds. */
  per?: number;
  /** A share of another counter: it is there, at 0, wherever that one is, or nothing could be reckoned with it. */
  partOf?: string;
  /** Upper bounds of a histogram, in units of the metric. */
  buckets?: readonly number[];
}

const closed = (name: string, ...values: readonly string[]): Label => ({ name, values });
const bounded = (name: string, bound: string): Label => ({ name, values: null, bound });

/** The one open label that is filled in from the start: the types this process knows. */
export const REPORT_TYPE = bounded("report_type", "the report types that were ever announced");
const MODEL = bounded("model", "the models of the configured routes");
const QUEUE = bounded("queue", "`reports`, `webhooks` and one per report type");
const KIND = closed("failure_kind", ...FAILURE_KINDS);
/** What spend can be lost to; `none` is no loss. */
const LOST_TO = closed("lost_to", ...SPEND_KINDS.filter((kind) => kind !== "none"));
const FINAL_OUTCOMES = ["useful", "repaired", "wasted", "unknown"];
/** Names of OpenTelemetry's GenAI conventions, as Prometheus spells them. */
const GEN_AI = [
  closed("gen_ai_operation_name", "chat"),
  bounded("gen_ai_provider_name", "the hosts of the configured routes"),
  bounded("gen_ai_request_model", "the models of the configured routes"),
  bounded("gen_ai_response_model", "40 names; any further one is `other`"),
];

const USD = 1_000_000;
const SECONDS = 1_000;

function count(help: string, ...labels: Label[]): Metric {
  return { kind: "counter", from: "books", help, labels };
}
function usd(help: string, ...labels: Label[]): Metric {
  return { ...count(help, ...labels), per: USD };
}
function cut(measure: keyof typeof BOUNDS, per: number, help: string, ...labels: Label[]): Metric {
  const buckets = BOUNDS[measure].map((bound) => bound / per);
  return { kind: "histogram", from: "books", help, labels, per, buckets };
}
function state(help: string, ...labels: Label[]): Metric {
  return { kind: "gauge", from: "state", help, labels };
}

export const METRICS = {
  fleet_build_info: {
    kind: "gauge",
    from: "process",
    help: "1, with the version and the roles of the process.",
    labels: [bounded("version", "one per process"), bounded("roles", "one per process")],
  },
  fleet_books_exported: {
    kind: "gauge",
    from: "process",
    help: "1 in the one process that exports what is read from the store, 0 in the others. Without any, no figure of money is current.",
    labels: [],
  },
  fleet_queue_wait_seconds: {
    kind: "histogram",
    from: "process",
    help: "How long a job waited for its first start.",
    labels: [QUEUE],
    buckets: [0.5, 1, 5, 15, 60, 300, 900, 3_600],
  },
  fleet_http_request_duration_seconds: {
    kind: "histogram",
    from: "process",
    help: "Requests to the HTTP API by route, event streams left out; `other` is what belongs to no route.",
    labels: [
      bounded("route", "the routes of the API"),
      closed("method", "GET", "POST", "PUT", "PATCH", "DELETE", "other"),
      closed("status_class", "2xx", "3xx", "4xx", "5xx"),
    ],
    buckets: [0.01, 0.05, 0.25, 1, 5],
  },

  fleet_prompt_info: state(
    "1 for each prompt version in use.",
    REPORT_TYPE,
    bounded("section", "the sections and templates of the known types"),
    bounded("prompt_version", "those of the known types"),
  ),

  fleet_reports_submitted_total: count("Orders that were admitted.", REPORT_TYPE),
  fleet_reports_finished_total: count(
    "Reports by how they ended first. A part that is completed later was delivered before.",
    REPORT_TYPE,
    closed("outcome", "delivered", "delivered_partial", "failed", "cancelled"),
  ),
  fleet_reports: state(
    "Reports by status; retention takes those away that ended long ago.",
    closed("status", ...REPORT_STATUSES),
  ),
  fleet_reports_open: state("Reports that were admitted and have not ended.", REPORT_TYPE),
  fleet_reports_overdue: state("Reports that should have moved by now; the sweeper looks at each."),
  fleet_report_deadlines_missed_total: count("Reports known to be later than they are wanted.", REPORT_TYPE),
  fleet_report_duration_seconds: cut(
    "fleet_report_duration_seconds",
    SECONDS,
    "From the order to its first delivery, whole or in part.",
    REPORT_TYPE,
  ),
  fleet_intake_rejected_total: count(
    "Orders of the intake stream that were refused.",
    bounded("code", "the codes of errors"),
  ),

  fleet_sections_settled_total: count(
    "Sections that came to rest. `unreviewed`: completed without the review its author wanted; `edited`: written by a person.",
    REPORT_TYPE,
    closed("outcome", "completed", "unreviewed", "edited", "skipped", "needs_review"),
  ),
  fleet_section_duration_seconds: cut(
    "fleet_section_duration_seconds",
    SECONDS,
    "From the first claim of a section to its completion, its waits included, the time a person thinks excluded.",
    REPORT_TYPE,
  ),
  fleet_section_attempts_total: count(
    "Attempts at sections: the first, and further ones by what they were spent on. Waiting for capacity is none.",
    REPORT_TYPE,
    closed("cause", "first", "transient", "repair", "crash"),
  ),
  fleet_section_failures_total: count(
    "Failures that a section did not heal in the same attempt, by what became of it: tried again, parked for a person, or gone without.",
    REPORT_TYPE,
    KIND,
    closed("leads_to", "retry", "review", "went_without"),
  ),

  fleet_calls_total: count(
    "Requests to providers by what came of them. `unknown`: no answer arrived and it may have been billed.",
    REPORT_TYPE,
    closed("outcome", "answered", "duplicate", "unknown", "not_billed"),
  ),
  fleet_answers_judged_total: count(
    "Paid answers, held against the contract of their call.",
    REPORT_TYPE,
    closed("verdict", "accepted", "rejected"),
  ),
  fleet_repairs_total: count(
    "Rungs of the salvage ladder that were used. `salvage` costs nothing, the others are one call each.",
    REPORT_TYPE,
    closed("rung", "salvage", "continue", "longer", "repair"),
  ),
  fleet_checkpoint_hits_total: count(
    "Answers that were there already: of the same report in an earlier attempt, or of another one that may be reused.",
    REPORT_TYPE,
    closed("source", "checkpoint", "cache"),
  ),
  fleet_spend_avoided_usd_total: usd("What those answers had cost, and was not paid again.", REPORT_TYPE),

  fleet_spend_usd_total: usd(
    "What the providers billed, when it was booked. Unknown requests count with their upper estimate.",
    REPORT_TYPE,
    MODEL,
  ),
  fleet_settled_spend_usd_total: usd(
    "Spend by its final outcome, when that is known: in what was delivered, or not.",
    REPORT_TYPE,
    MODEL,
    closed("outcome", ...FINAL_OUTCOMES),
  ),
  fleet_wasted_spend_usd_total: usd(
    "Spend that is in nothing delivered, by what it was lost to: a failure kind, or why else.",
    REPORT_TYPE,
    LOST_TO,
  ),
  fleet_settled_tokens_total: count(
    "Tokens of answers whose outcome is final.",
    REPORT_TYPE,
    MODEL,
    closed("outcome", ...FINAL_OUTCOMES.filter((outcome) => outcome !== "unknown")),
    closed("direction", "input", "output"),
  ),
  fleet_report_spend_usd: cut(
    "fleet_report_spend_usd",
    USD,
    "What a report had cost when it ended first.",
    REPORT_TYPE,
  ),
  fleet_spend_today_usd: state("Spend since midnight UTC, estimates of calls in flight included."),
  fleet_spend_cap_usd: state("The daily caps in force.", closed("scope", "fleet", "account")),
  fleet_spend_caps_reached_total: count(
    "Daily caps that held calls back, once a day each.",
    closed("scope", "fleet", "account"),
  ),
  fleet_spending_stopped: state("1 while a person has stopped all spending."),

  fleet_credits_total: count("Credits moved, by kind of ledger row.", closed("transition", ...LEDGER_VERBS)),
  fleet_credits_held: state("Credits held for reports that have not ended."),
  fleet_accounts: state("Accounts that were ever granted credits."),
  fleet_holds_open: state("Holds that are not ended."),
  fleet_hold_oldest_age_seconds: state("Age of the oldest of them; 0 where there is none."),
  fleet_ledger_drift_credits: state(
    "By how many credits balances and ledger rows are apart, over all accounts. Anything but 0 is a bug.",
  ),
  fleet_ledger_walk_age_seconds: state("Since when every account has been compared once; -1 before that."),
  fleet_credit_reviews_opened_total: count("Accounts put under credit review after repeated paid failure."),

  fleet_review_open: state("Parked failures that wait for a person.", REPORT_TYPE, KIND),
  fleet_review_oldest_age_seconds: state("Age of the oldest of them; 0 where there is none."),
  fleet_review_deadline_seconds: state(
    "How long a parked report may wait for a person before it fails and its credits go back.",
    REPORT_TYPE,
  ),
  fleet_review_opened_total: count("Failures that were parked for a person.", REPORT_TYPE, KIND),
  fleet_review_resolved_total: count(
    "Cases by what a person decided; `ended`: their report ended without a decision on them.",
    closed("decision", ...ACTIONS, "ended"),
  ),
  fleet_review_wait_seconds: cut("fleet_review_wait_seconds", SECONDS, "How long a case was open."),

  fleet_breaker_state: state(
    "1 for the state a report type's breaker is in, 0 for the others.",
    REPORT_TYPE,
    closed("state", ...BREAKER_STATES),
  ),
  fleet_breaker_transitions_total: count("Turns of breakers.", REPORT_TYPE, closed("to", ...BREAKER_STATES)),
  fleet_route_state: state(
    "1 for the state a route is in, 0 for the others. `waiting`: the provider named a time; `trouble`: it gives no answers; `closed`: a person opens it.",
    bounded("route", "the configured routes"),
    closed("state", ...ROUTE_STATES),
  ),
  fleet_route_closures_total: count("Routes that were closed until a person opens them."),

  fleet_queue_jobs: state("Jobs by state.", QUEUE, closed("state", ...QUEUE_STATES)),
  fleet_queue_oldest_age_seconds: state(
    "Age of the oldest job that could be worked on now; 0 where there is none. Beyond 200 jobs it is the oldest of the next and the last.",
    QUEUE,
  ),
  fleet_queue_workers: state("Processes that take jobs from the queue.", QUEUE),
  fleet_processes: state("Live processes by role.", closed("role", "api", "orchestrator", "worker")),
  fleet_sweeper_repairs_total: count(
    "What the sweeper put right. `lost_order`: its producer died before the queue; `lost_job`: nothing would have moved the report; `lost_wakeup`: nothing watched it.",
    closed("repair", "lost_order", "lost_job", "lost_wakeup", "orphaned_hold"),
  ),

  fleet_webhook_attempts_total: count(
    "Requests to webhook receivers.",
    closed("outcome", "delivered", "failed", "gone"),
  ),
  fleet_webhook_deliveries_total: count(
    "Webhooks that came to an end. `dead`: nobody took it, or its endpoint is disabled.",
    closed("outcome", "delivered", "dead"),
  ),
  fleet_webhooks_pending: state("Webhooks on their way, those that wait to be tried again included."),
  fleet_webhook_endpoints_disabled_total: count("Endpoints disabled because nothing arrived there."),

  gen_ai_client_inference_usage_input_tokens_total: count(
    "Input tokens of answers, those read from the provider's cache included.",
    ...GEN_AI,
  ),
  gen_ai_client_inference_usage_cache_read_input_tokens_total: {
    ...count("Part of the input tokens that the provider read from its cache.", ...GEN_AI),
    partOf: "gen_ai_client_inference_usage_input_tokens_total",
  },
  gen_ai_client_inference_usage_output_tokens_total: count(
    "Output tokens of answers, reasoning included.",
    ...GEN_AI,
  ),
  gen_ai_client_inference_usage_reasoning_output_tokens_total: {
    ...count("Part of the output tokens that was reasoning.", ...GEN_AI),
    partOf: "gen_ai_client_inference_usage_output_tokens_total",
  },
  gen_ai_client_operation_duration_seconds: cut(
    "gen_ai_client_operation_duration_seconds",
    SECONDS,
    "From the request to its last byte, or to its failure; `error_type` is the code of the failure.",
    ...GEN_AI,
    bounded("error_type", "the codes of failures"),
  ),
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;

export const METRIC_NAMES = Object.keys(METRICS) as MetricName[];

export function metricOf(name: MetricName): Metric {
  return METRICS[name];
}
