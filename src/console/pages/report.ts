/** One report at a glance: what its time and its money went into, and what may be done about it. */
import { z } from "zod";
import { cancelReport } from "../../desk/end-by-person.ts";
import { completeRest } from "../../desk/complete-rest.ts";
import type { ReportId } from "../../domain/ids.ts";
import { SPEND_OUTCOMES, totalSpend } from "../../domain/failure.ts";
import { isFinished } from "../../domain/report.ts";
import { mayAct } from "../../domain/review.ts";
import { readHistory } from "../../store/read-events.ts";
import { drawWaterfall } from "../draw-waterfall.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, percent, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { jobLink, reportLink } from "../links.ts";
import { action, page, type Visit } from "../page.ts";
import { sayEvent } from "../say-event.ts";
import { waterfallOf } from "../waterfall.ts";
import { anId, reportShown, seeReport, type Seen } from "./report-frame.ts";

const LAST_EVENTS = 8;

const overview = page({
  path: "/reports/:id",
  role: "viewer",
  params: anId,
  async show(visit) {
    const { store } = visit.desk;
    const seen = await seeReport(store, visit.params.id);
    const { report } = seen.stored;
    const events = await readHistory(store, report.id);
    const endedAt = isFinished(report.status) ? report.updatedAt : null;
    const drawn = waterfallOf(events, seen.sections, { createdAt: report.createdAt, endedAt, now: seen.now });
    return reportShown(
      visit,
      seen,
      "",
      html`<div class="beside">
        <div id="report-work" data-live="report:${report.id}">
          ${drawWaterfall(drawn, seen.sections, seen.now)}
          <h2>Lately</h2>
          <ol class="events">
            ${events
              .flatMap(({ at, event }) => {
                const words = sayEvent(event);
                return words === null ? [] : [html`<li>${ago(at, seen.now)} <span>${words}</span></li>`];
              })
              .slice(-LAST_EVENTS)
              .toReversed()}
          </ol>
          <p><a href="${reportLink(report.id, "history")}">The whole history</a></p>
        </div>
        <aside aria-label="Money and facts">
          <div id="report-money" data-live="report:${report.id}">
            ${credits(seen)} ${spend(seen)} ${facts(seen)}
          </div>
          ${actions(visit, seen)}
        </aside>
      </div>`,
    );
  },
});

/** Where the credits are on their way; a report delivered in part and completed later has gone it twice. */
function credits({ stored: { report } }: Seen): Html {
  const ends = report.hold === "reversed" ? "returned" : "charged";
  const reached = { requested: 0, reserved: 1, committed: 2, reversed: 2 }[report.hold];
  const steps = ["ordered", "held", ends];
  return html`<h2>Credits</h2>
    <ol class="rail">
      ${steps.map(
        (step, at) =>
          html`<li
            class="${at <= reached ? "done" : ""}"
            ${at === reached ? html`aria-current="step"` : NOTHING}
          >
            ${step}
          </li>`,
      )}
    </ol>
    <p>
      ${count(report.credits)} credits is the price.
      ${
        report.hold === "committed"
          ? html`<strong>${count(report.charged)}</strong>
              charged${report.charged < report.credits ? html`, ${count(report.credits - report.charged)} not` : NOTHING}.`
          : report.hold === "reversed"
            ? html`All went back; nothing is charged.`
            : html`Held, not charged.`
      }
    </p>`;
}

const OUTCOME_WORDS = {
  pending: "not settled yet",
  useful: "in what was delivered",
  repaired: "by a repair that led to it",
  wasted: "wasted",
  unknown: "unknown, the upper estimate",
  reused: "reused, for nothing",
} as const;

function spend({ stored }: Seen): Html {
  const { report, inFlightMicros } = stored;
  const total = totalSpend(report.spend);
  const parts = SPEND_OUTCOMES.filter((outcome) => report.spend[outcome] > 0);
  let at = 0;
  return html`<h2>Spend</h2>
    <p>
      <strong>${usd(total)}</strong> of a budget of ${usd(report.budgetMicros)}
      (${percent(total, report.budgetMicros).replace(" ", "\u00a0")})${inFlightMicros > 0 ? html`, and up to ${usd(inFlightMicros)} in flight` : NOTHING}.
    </p>
    ${
      total === 0
        ? NOTHING
        : html`<svg class="bar" width="100%" height="10" role="img" aria-label="Spend by outcome">
            ${parts.map((outcome) => {
              const share = (100 * report.spend[outcome]) / total;
              at += share;
              return html`<rect class="part-${outcome}" x="${at - share}%" width="${share}%" height="10" />`;
            })}
          </svg>`
    }
    <ul class="legend">
      ${parts.map(
        (outcome) =>
          html`<li>
            <svg class="bar" width="10" height="10" aria-hidden="true">
              <rect class="part-${outcome}" width="10" height="10" />
            </svg>
            ${usd(report.spend[outcome])} <span class="muted">${OUTCOME_WORDS[outcome]}</span>
          </li>`,
      )}
    </ul>`;
}

function facts({ stored, now }: Seen): Html {
  const { report, lastDecision } = stored;
  return html`<h2>Facts</h2>
    <dl class="facts">
      <dt>Type</dt>
      <dd>${report.type}, version ${report.typeVersion}</dd>
      <dt>Account</dt>
      <dd><a href="/console/reports?account=${encodeURIComponent(report.account)}">${report.account}</a></dd>
      <dt>Run</dt>
      <dd>${report.run}${report.round > 0 ? `, round ${report.round}` : ""}</dd>
      <dt>Job</dt>
      <dd><a class="mono small" href="${jobLink(report.id, report.run)}">in the queue</a></dd>
      <dt>Priority</dt>
      <dd>${report.priority}</dd>
      ${
        report.deliverBy === null
          ? NOTHING
          : html`<dt>Wanted</dt>
              <dd>${ago(report.deliverBy, now)}</dd>`
      }
      <dt>Changed</dt>
      <dd>${ago(report.updatedAt, now)}</dd>
      <dt>Source</dt>
      <dd class="mono small">${count(report.sourceBytes)} bytes, ${report.sourceHash.slice(0, 16)}…</dd>
      ${
        lastDecision === null
          ? NOTHING
          : html`<dt>Decided</dt>
              <dd>${lastDecision.by}: ${lastDecision.why}</dd>`
      }
    </dl>`;
}

function actions(visit: Visit<{ id: string }>, { stored: { report } }: Seen): Html {
  const mayCancel = visit.may("admin") && mayAct("cancel", report.status).allowed;
  const mayComplete = visit.may("admin") && report.status === "completed" && report.delivery === "partial";
  return html`<h2>Do</h2>
    <div class="actions">
      ${
        mayComplete
          ? html`<details class="action">
              <summary>Have the missing parts written…</summary>
              ${form(
                visit,
                `/reports/${report.id}/complete`,
                html`<p>
                    The rest of its ${count(report.credits)} credits is held for it; what was delivered stays
                    delivered.
                  </p>
                  ${whyField("why-complete", "the customer wants the rest as well")}
                  <button>Write the rest</button>`,
              )}
            </details>`
          : NOTHING
      }
      ${
        mayCancel
          ? html`<details class="action">
              <summary>Cancel…</summary>
              ${form(
                visit,
                `/reports/${report.id}/cancel`,
                html`<p>
                    No further call begins, and its ${count(report.credits - report.charged)} credits go back.
                    What was spent, ${usd(totalSpend(report.spend))}, stays spent.
                  </p>
                  ${whyField("why-cancel", "the customer has changed their mind")}
                  <button class="danger">Cancel the report</button>`,
              )}
            </details>`
          : NOTHING
      }
      ${
        visit.may("reviewer")
          ? html`<a class="button plain" href="${reportLink(report.id, "export")}">Export with all texts</a>`
          : NOTHING
      }
    </div>`;
}

/** Credits go back at once, as everywhere a matter for an admin. */
const cancel = action({
  path: "/reports/:id/cancel",
  role: "admin",
  params: anId,
  form: z.object({ why }),
  async act({ desk, by, params }, { why: because }) {
    const { stored } = await seeReport(desk.store, params.id);
    const { repeated } = await cancelReport(desk, stored.report.id, { by, why: because });
    return { said: repeated ? "It was cancelled before." : "Cancelled; its credits went back." };
  },
});

const complete = action({
  path: "/reports/:id/complete",
  role: "admin",
  params: anId,
  form: z.object({ why }),
  async act({ desk, by, params }, { why: because }) {
    const { credits: held } = await completeRest(desk, params.id as ReportId, { by, why: because });
    return { said: `The missing parts are being written; ${count(held)} credits are held for them.` };
  },
});

export const reportPages = [overview, cancel, complete];
