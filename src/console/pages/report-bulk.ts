/**
 * Cancelling several reports of the list at once: first what it would do to each, then with a reason. Each is cancelled by
 * itself, as on its own page, and has its own row in the audit; one that moved on meanwhile is left and named.
 */
import { z } from "zod";
import { cancelReport } from "../../desk/end-by-person.ts";
import { formatCredits } from "../../domain/credits.ts";
import { totalSpend } from "../../domain/failure.ts";
import { isFleetError } from "../../domain/fleet-error.ts";
import { isReportId } from "../../domain/ids.ts";
import { mayAct } from "../../domain/review.ts";
import { readReports, type StoredReport } from "../../store/reports.ts";
import { form, whyField, why as aReason } from "../form.ts";
import { count, credits, status, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { reportLink } from "../links.ts";
import { action, type Done, type Visit } from "../page.ts";

/** A page of the list, and some to spare. */
const MOST = 100;

const anId = z.string().refine(isReportId, "an id as rp-…");
const chosen = z.preprocess(
  // A form with one of them sends no list.
  (sent) => (typeof sent === "string" ? [sent] : sent),
  z.array(anId, "choose the reports to cancel").min(1).max(MOST, `at most ${MOST} at once`),
);

const look = action({
  path: "/reports/cancel",
  role: "admin",
  form: z.object({ id: chosen }),
  async act(visit, { id }): Promise<Done> {
    const stored = await readReports(visit.desk.store, id);
    return { shown: { title: "Cancel reports", nav: "reports", body: dryRun(visit, stored) } };
  },
});

function dryRun(visit: Visit, stored: readonly StoredReport[]): Html {
  const possible = stored.filter(({ report }) => mayAct("cancel", report.status).allowed);
  const back = possible.reduce((sum, { report }) => sum + report.credits - report.charged, 0);
  const spent = possible.reduce((sum, { report }) => sum + totalSpend(report.spend), 0);
  return html`<h1>Cancel ${count(possible.length)} of ${count(stored.length)} reports</h1>
    <p>
      ${formatCredits(back)} go back. What was spent, ${usd(spent)}, stays spent and is wasted; no further
      call of them begins. Nothing was changed yet.
    </p>
    <table class="cards">
      <thead>
        <tr>
          <th>Status</th>
          <th>Report</th>
          <th>What happens</th>
          <th class="num">Credits</th>
          <th class="num">Spent</th>
        </tr>
      </thead>
      <tbody data-rows>
        ${stored.map(rowOf)}
      </tbody>
    </table>
    ${
      possible.length === 0
        ? NOTHING
        : form(
            visit,
            "/reports/cancel/decided",
            html`${possible.map(({ report }) => html`<input type="hidden" name="id" value="${report.id}" />`)}
              ${whyField("why-cancel", "the customer ordered all of them twice")}
              <button class="danger">Cancel ${count(possible.length)}</button>`,
          )
    }
    <p><a href="/console/reports">Back to the list</a></p>`;
}

function rowOf({ report }: StoredReport): Html {
  const permission = mayAct("cancel", report.status);
  return html`<tr>
    <td>${status(report.status)}</td>
    <td>
      <a href="${reportLink(report.id)}">${report.type}</a> <span class="muted">for ${report.account}</span>
      <br /><small class="mono">${report.id}</small>
    </td>
    <td class="why">
      ${permission.allowed ? "is cancelled" : html`<span class="bad">is left:</span> ${permission.because}`}
    </td>
    <td class="num" data-label="Credits">${credits(report)}</td>
    <td class="num" data-label="Spent">${usd(totalSpend(report.spend))}</td>
  </tr>`;
}

const decided = action({
  path: "/reports/cancel/decided",
  role: "admin",
  form: z.object({ id: chosen, why: aReason }),
  async act({ desk, by }, { id, why }): Promise<Done> {
    let cancelled = 0;
    const left: string[] = [];
    for (const one of id)
      try {
        await cancelReport(desk, one, { by, why });
        cancelled += 1;
      } catch (error) {
        if (!isFleetError(error) || error.code === "redis_unreachable") throw error;
        left.push(`${one}: ${error.message}`);
      }
    const said = `${count(cancelled)} ${cancelled === 1 ? "report is" : "reports are"} cancelled; the credits went back.`;
    return {
      to: "/console/reports",
      said: left.length === 0 ? said : `${said} Left as they are: ${left.join(" ")}`,
    };
  },
});

export const reportBulkPages = [look, decided];
