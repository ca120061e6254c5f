/**
 * The fleet's event stream as log lines. Events hold no source text, prompts or answers, so neither do the lines.
 */
import type { Logger } from "pino";
import type { FleetEvent } from "../domain/events.ts";

export function logEvent(log: Logger, event: FleetEvent): void {
  const { event: name, ...fields } = event;
  log[levelOf(event)](fields, name);
}

function levelOf(event: FleetEvent): "debug" | "info" | "warn" {
  switch (event.event) {
    case "call.begun":
    case "call.accepted":
    case "call.reused":
    case "step.completed":
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
      return "info";
  }
}
