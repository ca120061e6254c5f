import type { ReportEvent } from "../store/follow-reports.ts";
import type { Output } from "./output.ts";
import { printable } from "./printable.ts";
import type { Audience } from "./watch-reports.ts";

/** One line for each change of state, for logs and pipes. */
export class ProgressLines implements Audience {
  readonly #output: Output;
  readonly #startedAt = new Map<string, number>();

  constructor(output: Output) {
    this.#output = output;
  }

  events(events: readonly ReportEvent[]): void {
    for (const { at, event, report } of events) {
      if (!this.#startedAt.has(report)) this.#startedAt.set(report, at);
      const text = changeOf(event);
      if (text === null) continue;
      const seconds = ((at - (this.#startedAt.get(report) ?? at)) / 1_000).toFixed(1);
      this.#output.talk(`${`+${seconds}s`.padStart(8)}  ${report}  ${printable(text)}`);
    }
  }

  snapshot(): void {
    // The events have said it.
  }

  close(): void {
    // Nothing is held open.
  }
}

function changeOf(event: ReportEvent["event"]): string | null {
  switch (event.event) {
    case "report.submitted":
      return `ordered: ${event.type}, ${event.credits} credits held`;
    case "report.planned":
      return `planned: ${event.sections} sections`;
    case "report.status":
      return `${event.status}: ${event.because}`;
    case "section.status":
      return `${event.section} ${event.status}${event.because === undefined ? "" : `: ${event.because}`}`;
    case "credits":
      return event.verb === "reserve" ? null : `credits: ${event.verb} ${event.credits}`;
    default:
      return null;
  }
}
