/** An event of a report in words for an operator; null for what a history is better without. */
import type { FleetEvent } from "../domain/events.ts";
import { shortWait, usd } from "./format.ts";

export function sayEvent(event: FleetEvent): string | null {
  switch (event.event) {
    case "report.submitted":
      return `ordered: ${event.type} version ${event.typeVersion}, ${event.credits} credits`;
    case "report.status":
      return `${event.status.replaceAll("_", " ")}: ${event.because}`;
    case "report.planned":
      return `planned, ${event.sections} sections`;
    case "report.deadline_missed":
      return "it will be later than wanted";
    case "run.started":
      return `run ${event.run}, round ${event.round}: ${event.sections.join(", ")}`;
    case "section.status": {
      const wait = event.retryInMs === undefined ? "" : ` for ${shortWait(event.retryInMs)}`;
      const because = event.because === undefined ? "" : `: ${event.because}`;
      return `${event.section} ${event.status.replaceAll("_", " ")}${wait}${because}`;
    }
    case "section.went_without":
      return `${event.section} went on without: ${event.failure.message}`;
    case "call.answered":
      return `${event.section}/${event.call} answered by ${event.model} for ${usd(event.micros)}${event.duplicate ? ", a duplicate" : ""}`;
    case "call.unanswered":
      return `${event.section}/${event.call} not answered (${usd(event.micros)}): ${event.failure.message}`;
    case "call.rejected":
      return `${event.section}/${event.call} take ${event.take} rejected: ${event.failure.message}`;
    case "call.reused":
      return `${event.section}/${event.call} reused, for nothing`;
    case "credits":
      return `${event.credits} credits: ${event.verb}`;
    case "review.opened":
      return `parked for a person: ${event.section === "" ? "the report" : event.section}`;
    case "review.resolved":
      return `${event.action.replaceAll("_", " ")}, decided by ${event.by}`;
    case "credit_review.opened":
      return `paid failure repeats: ${event.because}`;
    case "repaired":
      return `repaired ${event.what}: ${event.because}`;
    case "retention":
      return `removed by age: ${event.removed}`;
    default:
      return null;
  }
}
