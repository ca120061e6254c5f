/** What happened to a report, in one answer for support: its cases, who decided what and why, and every event. */
import { z } from "zod";
import type { ReportId } from "../../domain/ids.ts";
import { explainReport } from "../../desk/explain.ts";
import type { ReviewCase } from "../../domain/review.ts";
import type { AuditRow } from "../../store/audit.ts";
import { readEventPage, type EventPage } from "../../store/read-events.ts";
import { ago, clock, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { caseLink, reportLink } from "../links.ts";
import { sayEvent } from "../say-event.ts";
import { reportTab } from "./report-frame.ts";

const ROWS = 200;

const anEvent = z
  .string()
  .regex(/^\d{1,16}-\d{1,9}$/)
  .optional()
  .catch(undefined);

const history = reportTab(
  "history",
  z.object({ before: anEvent, after: anEvent }),
  async ({ desk: { store }, query }, { stored: { report }, now }) => {
    const [explained, events] = await Promise.all([
      explainReport(store, report.id),
      readEventPage(store, report.id, query, ROWS),
    ]);
    return html`<p><strong>What the customer reads:</strong> ${explained.sentence}</p>
      ${explained.cases.length === 0 ? NOTHING : cases(explained.cases, now)}
      ${explained.decisions.length === 0 ? NOTHING : decisions(explained.decisions, now)}
      <h2>Events</h2>
      ${eventPage(report.id, events)}`;
  },
);

/** The newest first: what happened last is what a person came for. */
function eventPage(report: ReportId, { events, hasOlder, hasNewer }: EventPage): Html {
  if (events.length === 0) return html`<p class="muted">None is kept.</p>`;
  const to = (words: string, fields: Record<string, string>) =>
    html`<a
      class="button plain"
      href="${reportLink(report, "history")}?${new URLSearchParams(fields).toString()}"
      >${words}</a
    > `;
  let day = "";
  const rows = events.flatMap(({ at, event }) => {
    const words = sayEvent(event);
    if (words === null) return [];
    const before = day;
    day = new Date(at).toISOString().slice(0, 10);
    return [
      day === before ? NOTHING : html`<li class="muted">${day} <span>UTC</span></li>`,
      html`<li>${clock(at)} <span>${words}</span></li>`,
    ];
  });
  return html`<ol class="events">
      ${rows}
    </ol>
    <p class="row">
      ${hasNewer ? to("Newer", { after: events[0]?.id ?? "" }) : NOTHING}
      ${hasOlder ? to("Older", { before: events.at(-1)?.id ?? "" }) : NOTHING}
    </p>`;
}

function cases(all: readonly ReviewCase[], now: number): Html {
  return html`<h2>Cases</h2>
    <ul class="plain">
      ${all.map(
        (one) =>
          html`<li>
            <a href="${caseLink(one.id)}">${one.section ?? "the report"}</a> ${one.failure.kind}:
            ${one.failure.message}
            <span class="muted">
              opened ${ago(one.openedAt, now)} at ${usd(one.spentMicros)},
              ${
                one.state.status === "open"
                  ? "open"
                  : html`${one.state.action.replaceAll("_", " ")} ${ago(one.state.at, now)} by
                    ${one.state.by}: ${one.state.why}`
              }
            </span>
          </li>`,
      )}
    </ul>`;
}

function decisions(rows: readonly AuditRow[], now: number): Html {
  return html`<h2>Decisions</h2>
    <ul class="plain">
      ${rows.map(
        ({ at, action, by, why, before, after }) =>
          html`<li>
            ${ago(at, now)} <strong>${action.replaceAll("_", " ")}</strong> by ${by}: ${why}
            <span class="muted">${before === "" ? NOTHING : html`${before} → ${after}`}</span>
          </li>`,
      )}
    </ul>`;
}

export const reportHistoryPages = [history];
