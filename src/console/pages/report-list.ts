/** Every report, the newest first: its one-line reason in the list, and its money beside it. */
import { isReportId } from "../../domain/ids.ts";
import { FAILURE_KINDS, totalSpend } from "../../domain/failure.ts";
import { progressPercent, type Section } from "../../domain/report.ts";
import { mayAct } from "../../domain/review.ts";
import { listBreakers } from "../../store/read-breakers.ts";
import { countByStatus, findReports, type Place, type StatusCount } from "../../store/find-reports.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { readReport, readSectionsOf, type StoredReport } from "../../store/reports.ts";
import { form } from "../form.ts";
import { ago, count, credits, status, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { reportLink } from "../links.ts";
import { page } from "../page.ts";
import { reasonOf } from "../reason.ts";
import {
  addressBehind,
  placeIn,
  reportQuery,
  reportsAddress,
  soughtBy,
  type ReportQuery,
} from "../report-query.ts";
import { parseSearch, QUALIFIERS } from "../search.ts";
import { tabTo } from "../tab.ts";

const ROWS = 50;
/** The form that the rows' marks belong to. */
const CHOSEN = "chosen";

const list = page({
  path: "/reports",
  role: "viewer",
  query: reportQuery,
  async show(visit) {
    const { query: asked } = visit;
    const { store } = visit.desk;
    // Whoever pastes an id wants that report.
    const id = asked.q.trim();
    if (isReportId(id) && (await readReport(store, id)) !== null) return { to: `/console/reports/${id}` };

    const [found, counts, types, now] = await Promise.all([
      findReports(store, soughtBy(asked), { limit: ROWS, after: placeIn(asked) }),
      countByStatus(store),
      listBreakers(store),
      redisNow(store),
    ]);
    const rows = await withSections(store, found.reports);
    return {
      title: "Reports",
      nav: "reports",
      body: html`<h1>Reports</h1>
        ${tabs(asked, counts)} ${filters(asked, types)}
        <div id="reports" data-live="reports">
          ${rows.length === 0 ? empty(counts, found.next !== null) : table(rows, now, visit.may("admin"))}
          ${more(asked, found.next, rows.length, found.lookedAt)}
        </div>
        ${
          visit.may("admin") && rows.some(mayBeCancelled)
            ? form(
                visit,
                "/reports/cancel",
                html`<button class="plain">Cancel the chosen…</button>`,
                "inline",
                CHOSEN,
              )
            : NOTHING
        }`,
    };
  },
});

export async function withSections(store: Store, reports: readonly StoredReport[]): Promise<Row[]> {
  const sections = await readSectionsOf(
    store,
    reports.map(({ report, plan }) => ({ id: report.id, plan: plan ?? [] })),
  );
  return reports.map((stored, index) => ({ stored, sections: sections[index] ?? [] }));
}

export interface Row {
  stored: StoredReport;
  sections: Section[];
}

function tabs(asked: ReportQuery, counts: readonly StatusCount[]): Html {
  const all = counts.reduce((sum, { count: number }) => sum + number, 0);
  // What is counted are all of the fleet; beside a further filter that would be the number of something else.
  const isCounted = [asked.q, asked.type, asked.kind, asked.account].every((filter) => (filter ?? "") === "");
  const of = (wanted: ReportQuery["status"], words: string, number: number) =>
    tabTo(
      reportsAddress({ ...asked, status: wanted, after: undefined }),
      html`${words} ${isCounted ? html`<span class="num">${count(number)}</span>` : NOTHING}`,
      asked.status === wanted,
    );
  return html`<nav class="tabs" aria-label="By status" id="tabs" data-live="reports">
    ${of(undefined, "all", all)}
    ${counts.map((one) => of(one.status, one.status.replaceAll("_", " "), one.count))}
    <span class="grow"></span>
    <a href="${reportsAddress({ ...asked, after: undefined }, "/console/reports.csv")}" download>CSV</a>
  </nav>`;
}

function filters(asked: ReportQuery, types: readonly string[]): Html {
  const { misread } = parseSearch(asked.q);
  return html`<form class="filters" action="/console/reports" role="search" data-auto>
      ${asked.status === undefined ? NOTHING : html`<input type="hidden" name="status" value="${asked.status}" />`}
      ${asked.account === undefined ? NOTHING : html`<input type="hidden" name="account" value="${asked.account}" />`}
      <input
        type="search"
        name="q"
        value="${asked.q}"
        maxlength="500"
        aria-label="Search reports"
        placeholder="Words, an id, or ${QUALIFIERS}"
        data-search
      />
      <select name="type" aria-label="Report type">
        <option value="">any type</option>
        ${types.map((type) => option(type, asked.type))}
      </select>
      <select name="kind" aria-label="Kind of failure">
        <option value="">any failure</option>
        ${FAILURE_KINDS.map((kind) => option(kind, asked.kind))}
      </select>
      <button>Search</button>
    </form>
    ${
      asked.account === undefined
        ? NOTHING
        : html`<p>
            Only of the account ${asked.account}.
            <a href="${reportsAddress({ ...asked, account: undefined, after: undefined })}">All accounts</a>
          </p>`
    }
    ${
      misread.length === 0
        ? NOTHING
        : html`<p class="banner warn">
            Not understood and left out: ${misread.join(" ")}. There are ${QUALIFIERS}
          </p>`
    }`;
}

function option(value: string, chosen: string | undefined): Html {
  return html`<option ${value === chosen ? html`selected` : NOTHING}>${value}</option>`;
}

function mayBeCancelled({ stored: { report } }: Row): boolean {
  return mayAct("cancel", report.status).allowed;
}

function table(rows: readonly Row[], now: number, mayChoose: boolean): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Status</th>
        <th>Report</th>
        <th>Why</th>
        <th>Done</th>
        <th class="num">Credits</th>
        <th class="num">Spent</th>
        <th class="num">Ordered</th>
        ${mayChoose ? html`<th><span class="sr">Choose</span></th>` : NOTHING}
      </tr>
    </thead>
    <tbody data-rows>
      ${rows.map((row) => tableRow(row, now, mayChoose))}
    </tbody>
  </table>`;
}

function tableRow(row: Row, now: number, mayChoose: boolean): Html {
  const { sections } = row;
  const { report } = row.stored;
  const reason = reasonOf(report, sections, now);
  const done = progressPercent(report, sections);
  const tags = Object.entries(report.tags);
  const wasted = report.spend.wasted;
  return html`<tr id="row-${report.id}">
    <td>${status(report.status)}</td>
    <td>
      <a href="${reportLink(report.id)}">${report.type}</a>
      <span class="muted">for ${report.account}</span> <br /><small class="mono nowrap">${report.id}</small>
      ${tags.length === 0 ? NOTHING : html`<br /><small>${tags.map(([name, value]) => `${name}: ${value}`).join(", ")}</small>`}
    </td>
    <td class="why">
      ${reason.kind === null ? NOTHING : html`<strong>${reason.kind}</strong> `}${reason.text}
      ${report.deadlineMissedAt === null ? NOTHING : html`<span class="warn">late</span>`}
    </td>
    <td><progress max="100" value="${done}" aria-label="${done} percent done"></progress></td>
    <td class="num" data-label="Credits">${credits(report)}</td>
    <td class="num" data-label="Spent">
      ${usd(totalSpend(report.spend))}
      ${wasted === 0 ? NOTHING : html`<br /><small class="bad">${usd(wasted)} wasted</small>`}
    </td>
    <td class="num" data-label="Ordered">${ago(report.createdAt, now)}</td>
    ${mayChoose ? html`<td class="num">${mayBeCancelled(row) ? checkbox(report.id) : NOTHING}</td>` : NOTHING}
  </tr>`;
}

function checkbox(id: string): Html {
  return html`<input type="checkbox" name="id" value="${id}" form="${CHOSEN}" aria-label="Choose ${id}" />`;
}

function empty(counts: readonly StatusCount[], isUnfinished: boolean): Html {
  if (counts.every((one) => one.count === 0))
    return html`<p class="muted">
      No report was ordered yet. <code>report-fleet submit --help</code> says how, and so does the HTTP API.
    </p>`;
  return isUnfinished
    ? html`<p class="muted">None among the reports looked at so far.</p>`
    : html`<p class="muted">No report is like that.</p>`;
}

function more(asked: ReportQuery, next: Place | null, shown: number, lookedAt: number): Html {
  if (next === null) return NOTHING;
  const words = shown < ROWS ? `Search older ones (${count(lookedAt)} were looked at)` : "Older";
  return html`<p>
    <a class="button plain" href="${addressBehind(asked, next)}">${words}</a>
  </p>`;
}

export const reportListPages = [list];
