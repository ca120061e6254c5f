/**
 * The fleet's event stream as log lines. Events hold no source text, prompts or answers; what people and report types
 * wrote in their own words is left out of logs all the same, for logs travel further than the store. A failure is
 * known by its kind, code, rule and fingerprint: `report-fleet explain ID` has its sentence.
 */
import type { Logger } from "pino";
import type { FleetEvent } from "../domain/events.ts";
import type { FailureSummary } from "../domain/report.ts";

type FieldOf<Event> = Event extends unknown ? Exclude<keyof Event, "event"> : never;

/** Whether a field may be read in a log; a new field of an event does not compile until somebody has decided. */
const LOGGED = {
  report: true,
  type: true,
  typeVersion: true,
  credits: true,
  status: true,
  because: false,
  spentMicros: true,
  sections: true,
  entry: true,
  code: true,
  deliverBy: true,
  expectedAt: true,
  run: true,
  round: true,
  section: true,
  failure: true,
  retryInMs: true,
  call: true,
  take: true,
  route: true,
  estimateMicros: true,
  rung: true,
  model: true,
  inputTokens: true,
  cachedInputTokens: true,
  outputTokens: true,
  reasoningTokens: true,
  micros: true,
  exact: true,
  elapsedMs: true,
  duplicate: true,
  outcome: true,
  salvaged: true,
  step: true,
  verb: true,
  by: true,
  reason: false,
  scope: true,
  endpoint: true,
  case: true,
  group: true,
  action: true,
  from: true,
  to: true,
  version: true,
  cause: true,
  votes: true,
  burntMicros: true,
  key: true,
  scopes: true,
  removed: true,
  what: true,
  operation: true,
} as const satisfies Record<FieldOf<FleetEvent>, boolean>;

export function logEvent(log: Logger, event: FleetEvent): void {
  const { event: name, ...fields } = event;
  log[levelOf(event)](loggable(fields), name);
}

function loggable(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const lines = Object.entries(fields).filter(([name]) => (LOGGED as Record<string, boolean>)[name] === true);
  return Object.fromEntries(
    lines.map(([name, value]) => [name, name === "failure" ? withoutWords(value as FailureSummary) : value]),
  );
}

function withoutWords({ kind, code, scope, rule, fingerprint }: FailureSummary): object {
  return { kind, code, scope, rule, fingerprint };
}

function levelOf(event: FleetEvent): "debug" | "info" | "warn" {
  switch (event.event) {
    case "call.begun":
    case "call.accepted":
    case "call.reused":
    case "step.completed":
    case "review.claimed":
      return "debug";
    case "call.unanswered":
    case "call.rejected":
    case "section.went_without":
    case "breaker":
    case "repaired":
    case "report.deadline_missed":
    case "intake.rejected":
    case "credit_review.opened":
    case "route.closed":
    case "spending.stopped":
    case "spending.capped":
    case "webhook.disabled":
    case "review.opened":
      return "warn";
    case "report.status":
    case "section.status":
      return event.status === "needs_review" || event.status === "failed" ? "warn" : "info";
    case "report.submitted":
    case "report.planned":
    case "run.started":
    case "call.answered":
    case "credits":
    case "credit_review.closed":
    case "route.opened":
    case "spending.started":
    case "api_key.created":
    case "api_key.revoked":
    case "retention":
    case "review.resolved":
    case "review.operation":
      return "info";
  }
}
