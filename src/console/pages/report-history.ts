/** What happened to a report, in one answer for support: its cases, who decided what and why, and every event. */
import { explainReport } from "../../desk/explain.ts";
import type { ReviewCase } from "../../domain/review.ts";
import type { AuditRow } from "../../store/audit.ts";
import { readEvents } from "../../store/reports.ts";
import { ago, clock, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { caseLink } from "../links.ts";
import { page } from "../page.ts";
import { sayEvent } from "../say-event.ts";
import { anId, reportShown, seeReport } from "./report-frame.ts";

const history = page({
  path: "/reports/:id/history",
  role: "viewer",
  params: anId,
  async show(visit) {
    const { store } = visit.desk;
    const seen = await seeReport(store, visit.params.id);
    const { report } = seen.stored;
    const [explained, events] = await Promise.all([
      explainReport(store, report.id),
      readEvents(store, report.id, "0"),
    ]);
    return reportShown(
      visit,
      seen,
      "history",
      html`<div id="history" data-live="report:${report.id}">
        <p><strong>What the customer reads:</strong> ${explained.sentence}</p>
        ${explained.cases.length === 0 ? NOTHING : cases(explained.cases, seen.now)}
        ${explained.decisions.length === 0 ? NOTHING : decisions(explained.decisions, seen.now)}
        <h2>Events</h2>
        <ol class="events">
          ${events.flatMap(({ at, event }) => {
            const words = sayEvent(event);
            return words === null ? [] : [html`<li>${clock(at)} <span>${words}</span></li>`];
          })}
        </ol>
      </div>`,
    );
  },
});

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
