/** What stands around every page of one report: what it is, why it is there, what it costs, and the way to the rest. */
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { isReportId, type EpochMs, type ReportId } from "../../domain/ids.ts";
import { totalSpend } from "../../domain/failure.ts";
import type { Section } from "../../domain/report.ts";
import type { ReviewCase } from "../../domain/review.ts";
import { listCases } from "../../store/cases.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { readReport, readSections, type StoredReport } from "../../store/reports.ts";
import { ago, count, HOLD_WORDS, status, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { caseLink, reportLink } from "../links.ts";
import { page, type Page, type Shown, type Visit } from "../page.ts";
import { reasonOf } from "../reason.ts";
import { tabTo } from "../tab.ts";

export const anId = z.object({ id: z.string().max(200) });

const CASES = 200;

/** Name of the tab, its words, and what the title of its page says. */
const TABS = [
  ["", "Overview"],
  ["texts", "Prompts and answers"],
  ["document", "Document"],
  ["receipt", "Receipt"],
  ["history", "History"],
] as const;
type Tab = (typeof TABS)[number][0];

export interface Seen {
  stored: StoredReport;
  sections: Section[];
  /** Those of this report, resolved ones too. */
  cases: ReviewCase[];
  now: EpochMs;
}

export async function seeReport(store: Store, id: string): Promise<Seen> {
  const stored = isReportId(id) ? await readReport(store, id) : null;
  if (stored === null) throw new Problem("not_found", await whyMissing(store, id));
  const [sections, cases, now] = await Promise.all([
    readSections(store, stored.report.id, stored.plan ?? []),
    listCases(store, { report: stored.report.id, limit: CASES }),
    redisNow(store),
  ]);
  return { stored, sections, cases, now };
}

async function whyMissing({ redis, keys }: Store, id: string): Promise<string> {
  const wasThere = isReportId(id) && (await redis.exists(keys.tombstone(id))) === 1;
  return wasThere
    ? "This report was erased, or its time was over. Its rows in the ledger stay."
    : "There is no report of this id in the fleet.";
}

/** A tab of one report that shows what is read of it; live, since whatever it shows goes on with the report. */
export function reportTab<Query extends z.ZodType>(
  tab: Exclude<Tab, "">,
  query: Query,
  body: (visit: Visit<{ id: string }, z.output<Query>>, seen: Seen) => Promise<Html>,
): Page {
  return page({
    path: `/reports/:id/${tab}`,
    role: "viewer",
    params: anId,
    query,
    async show(visit) {
      const seen = await seeReport(visit.desk.store, visit.params.id);
      const shown = await body(visit, seen);
      const topic = `report:${seen.stored.report.id}`;
      return reportShown(visit, seen, tab, html`<div id="${tab}" data-live="${topic}">${shown}</div>`);
    },
  });
}

export function reportShown(
  visit: Visit<{ id: string }>,
  seen: Seen,
  tab: Tab,
  body: Html,
  more: { frames?: true } = {},
): Shown {
  const { report } = seen.stored;
  const words = TABS.find(([name]) => name === tab)?.[1] ?? "";
  return {
    title: `${report.type} ${shortId(report.id)}${tab === "" ? "" : `, ${words.toLowerCase()}`}`,
    nav: "reports",
    ...more,
    body: html`${head(seen)} ${tabs(report.id, tab)} ${body}`,
  };
}

function head(seen: Seen): Html {
  const { stored, sections, now } = seen;
  const { report } = stored;
  const reason = reasonOf(report, sections, now);
  const open = seen.cases.filter(({ state }) => state.status === "open");
  const tags = Object.entries(report.tags);
  return html`<div id="report-head" data-live="report:${report.id}">
    <h1>${report.type} <span class="muted">for ${report.account}</span></h1>
    <p class="row">
      ${status(report.status)}
      <span data-id="${report.id}" class="mono">${report.id}</span>
      <span>ordered ${ago(report.createdAt, now)}</span>
      <span><strong>${usd(totalSpend(report.spend) + stored.inFlightMicros)}</strong> spent</span>
      <span>${count(report.credits)} credits ${HOLD_WORDS[report.hold]}</span>
      ${report.deadlineMissedAt === null ? NOTHING : html`<span class="warn">later than wanted</span>`}
      ${tags.map(([name, value]) => html`<span class="muted">${name}: ${value}</span>`)}
    </p>
    ${
      reason.text === ""
        ? NOTHING
        : html`<p class="banner ${toneOf(stored)}">
            ${reason.kind === null ? NOTHING : html`<strong>${reason.kind}</strong> `}${reason.text}
            ${open.map(
              ({ id, section }) =>
                html` <a href="${caseLink(id)}"
                  >Decide${open.length > 1 ? ` about ${section ?? "the report"}` : ""}</a
                >`,
            )}
          </p>`
    }
  </div>`;
}

function toneOf({ report }: StoredReport): string {
  if (report.status === "needs_review") return "warn";
  return report.status === "failed" ? "bad" : "";
}

function tabs(id: ReportId, current: Tab): Html {
  return html`<nav class="tabs" aria-label="About this report">
    ${TABS.map(([name, words]) => tabTo(reportLink(id, name), words, name === current))}
  </nav>`;
}

/** Enough to tell two apart in a title. */
function shortId(id: ReportId): string {
  return id.slice(0, 9);
}
