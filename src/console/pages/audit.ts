/** Who decided what, when and why, and what changed by it; the newest first. */
import { z } from "zod";
import { isReportId } from "../../domain/ids.ts";
import { readAudit, type AuditRow } from "../../store/audit.ts";
import { redisNow } from "../../store/redis.ts";
import { ago } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { page } from "../page.ts";

const ROWS = 100;

const audit = page({
  path: "/audit",
  role: "viewer",
  query: z.object({
    report: z.string().refine(isReportId).optional().catch(undefined),
    after: z
      .string()
      .regex(/^\d{1,16}-\d{1,9}$/)
      .optional()
      .catch(undefined),
  }),
  async show({ desk, query }) {
    const { report, after } = query;
    const rows = await readAudit(desk.store, ROWS, {
      ...(report === undefined ? {} : { report }),
      ...(after === undefined ? {} : { after }),
    });
    const now = await redisNow(desk.store);
    const last = rows.at(-1);
    return {
      title: "Audit",
      nav: "audit",
      body: html`<h1>Audit</h1>
        <p class="muted">
          Every decision of a person, taken here, over the API or on the command line. Rows are only ever
          added.
        </p>
        ${report === undefined ? NOTHING : html`<p>Only about ${report}. <a href="/console/audit">All of them</a></p>`}
        ${rows.length === 0 ? html`<p class="muted">Nothing was decided yet.</p>` : table(rows, now)}
        ${
          report === undefined && rows.length === ROWS && last !== undefined
            ? html`<p><a class="button plain" href="/console/audit?after=${last.id}">Older</a></p>`
            : NOTHING
        }`,
    };
  },
});

function table(rows: readonly AuditRow[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>When</th>
        <th>Who</th>
        <th>What</th>
        <th>Why</th>
        <th>Before</th>
        <th>After</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${rows.map(
        (row) =>
          html`<tr>
            <td class="nowrap">${ago(row.at, now)}</td>
            <td>${row.by}</td>
            <td>
              ${row.action.replaceAll("_", " ")}
              ${row.report === "" ? NOTHING : html`<br /><a class="mono small" href="/console/reports/${row.report}">${row.report}</a>`}
            </td>
            <td class="why">${row.why}</td>
            <td data-label="Before">${row.before}</td>
            <td data-label="After">${row.after}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export const auditPages = [audit];
