/** Every report, the newest first, with its one-line reason and its money. */
import { z } from "zod";
import { REPORT_STATUSES } from "../../domain/report.ts";
import { reportRow, snapshotOf, type ReportRow } from "../../producer/report-view.ts";
import { redisNow } from "../../store/redis.ts";
import { listReports } from "../../store/reports.ts";
import { ago, count, status, usd } from "../format.ts";
import { html, type Html } from "../html.ts";
import { page } from "../page.ts";

const ROWS = 50;

const list = page({
  path: "/reports",
  role: "viewer",
  query: z.object({ status: z.enum(REPORT_STATUSES).optional().catch(undefined) }),
  async show({ desk, query }) {
    const { store } = desk;
    const found = await listReports(store, { status: query.status, limit: ROWS });
    const rows = await Promise.all(found.map(async (stored) => reportRow(await snapshotOf(store, stored))));
    const now = await redisNow(store);
    return {
      title: "Reports",
      nav: "reports",
      body: html`<h1>Reports</h1>
        <div id="reports" data-live="reports">${table(rows, now)}</div>`,
    };
  },
});

function table(rows: readonly ReportRow[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Report</th>
        <th>Status</th>
        <th>Why</th>
        <th class="num">Done</th>
        <th class="num">Credits</th>
        <th class="num">Spent</th>
        <th>Ordered</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${rows.map(
        (row) =>
          html`<tr id="${row.id}">
            <td>${row.type}<br /><small class="mono">${row.id}</small></td>
            <td>${status(row.status)}</td>
            <td>${row.statusText}</td>
            <td class="num" data-label="Done">${count(row.progress.percent)} %</td>
            <td class="num" data-label="Credits">${count(row.credits.amount)}</td>
            <td class="num" data-label="Spent">${usd(row.spend.totalMicros)}</td>
            <td data-label="Ordered">${ago(row.createdAt, now)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export const reportPages = [list];
