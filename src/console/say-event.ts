/** An event of a report in words for an operator; null for what a history is better without. */
import { formatCredits } from "../domain/credits.ts";
import type { FleetEvent } from "../domain/events.ts";
import { shortWait, usd, VERB_WORDS } from "./format.ts";
import { reportLink } from "./links.ts";

/** What a whole fleet should hear of in the last hour, and where it leads; null for the daily work. */
export function sayNews(event: FleetEvent): { words: string; to: string | null } | null {
  switch (event.event) {
    case "report.status":
      return event.status === "needs_review" || event.status === "failed"
        ? { words: `${event.type} ${sayEvent(event) ?? ""}`, to: reportLink(event.report) }
        : null;
    case "report.deadline_missed":
      return { words: `a ${event.type} will be later than wanted`, to: reportLink(event.report) };
    case "review.resolved":
      return { words: sayEvent(event) ?? "", to: reportLink(event.report) };
    case "repaired":
      return { words: sayEvent(event) ?? "", to: reportLink(event.report) };
    case "credit_review.opened":
      return { words: `paid failure repeats: ${event.because}`, to: reportLink(event.report) };
    case "credit_review.closed":
      return { words: `paid failure was looked at by ${event.by}: ${event.because}`, to: null };
    case "breaker": {
      const cause =
        event.by === null ? event.cause.replaceAll("_", " ") : `${event.by}, ${event.reason ?? ""}`;
      return {
        words: `${event.type}: breaker ${event.to.replaceAll("_", " ")} (${cause})`,
        to: `/console/types/${encodeURIComponent(event.type)}`,
      };
    }
    case "route.closed":
      return { words: `route closed: ${event.because}`, to: "/console/routes" };
    case "route.opened":
      return { words: `route opened by ${event.by}`, to: "/console/routes" };
    case "spending.stopped":
      return { words: `spending stopped by ${event.by}: ${event.reason}`, to: "/console/spend" };
    case "spending.started":
      return { words: `spending started by ${event.by}`, to: "/console/spend" };
    case "spending.capped":
      return {
        words: `a daily cap of ${event.scope === "fleet" ? "the fleet" : "an account"} is reached`,
        to: "/console/spend",
      };
    case "webhook.disabled":
      return { words: `a webhook endpoint was disabled: ${event.because}`, to: "/console/webhooks" };
    case "intake.rejected":
      return { words: `an order of the intake stream was refused: ${event.code}`, to: null };
    case "api_key.created":
      return { words: `${event.by} made an API key`, to: "/console/keys" };
    case "api_key.revoked":
      return { words: `${event.by} revoked an API key`, to: "/console/keys" };
    default:
      return null;
  }
}

export function sayEvent(event: FleetEvent): string | null {
  switch (event.event) {
    case "report.submitted":
      return `ordered: ${event.type} version ${event.typeVersion}, ${formatCredits(event.credits)}`;
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
      return `${formatCredits(event.credits)} ${VERB_WORDS[event.verb]}`;
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
