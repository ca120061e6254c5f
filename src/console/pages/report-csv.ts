/** The list as a file: every report that the filters leave, and not only a page of them. */
import type { EpochMs } from "../../domain/ids.ts";
import { totalSpend } from "../../domain/failure.ts";
import { progressPercent } from "../../domain/report.ts";
import { findReports, type Place } from "../../store/find-reports.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { csv } from "../csv.ts";
import { page } from "../page.ts";
import { reasonOf } from "../reason.ts";
import { reportQuery, soughtBy, type ReportQuery } from "../report-query.ts";
import { withSections, type Row } from "./report-list.ts";

/** What a spreadsheet opens well; a walk looks at a thousand reports, so a search is bounded as well. */
const MOST_ROWS = 5_000;
const MOST_WALKS = 50;
const AT_ONCE = 500;

const HEAD = [
  "report",
  "type",
  "account",
  "status",
  "kind",
  "reason",
  "done_percent",
  "credits",
  "hold",
  "charged",
  "spent_micro_usd",
  "wasted_micro_usd",
  "ordered_at",
  "changed_at",
  "tags",
] as const;

const file = page({
  path: "/reports.csv",
  role: "viewer",
  query: reportQuery,
  async show({ desk: { store }, query }) {
    const now = await redisNow(store);
    const { rows, isWhole } = await everyRow(store, query);
    const day = new Date(now).toISOString().slice(0, 10);
    return {
      text: csv(
        HEAD,
        rows.map((row) => cells(row, now)),
      ),
      contentType: "text/csv; charset=utf-8",
      // Whoever counts its lines must know that there were more.
      fileName: isWhole ? `reports-${day}.csv` : `reports-${day}-newest-${rows.length}.csv`,
    };
  },
});

async function everyRow(store: Store, query: ReportQuery): Promise<{ rows: Row[]; isWhole: boolean }> {
  const rows: Row[] = [];
  const sought = soughtBy(query);
  let after: Place | undefined;
  for (let walks = 0; walks < MOST_WALKS && rows.length < MOST_ROWS; walks++) {
    const limit = Math.min(AT_ONCE, MOST_ROWS - rows.length);
    const found = await findReports(store, sought, { limit, after });
    rows.push(...(await withSections(store, found.reports)));
    if (found.next === null) return { rows, isWhole: true };
    after = found.next;
  }
  return { rows, isWhole: false };
}

function cells({ stored: { report }, sections }: Row, now: EpochMs): (string | number)[] {
  const reason = reasonOf(report, sections, now);
  return [
    report.id,
    report.type,
    report.account,
    report.status,
    reason.kind ?? "",
    reason.text,
    progressPercent(report, sections),
    report.credits,
    report.hold,
    report.charged,
    totalSpend(report.spend),
    report.spend.wasted,
    new Date(report.createdAt).toISOString(),
    new Date(report.updatedAt).toISOString(),
    Object.entries(report.tags)
      .map(([name, value]) => `${name}: ${value}`)
      .join(", "),
  ];
}

export const reportCsvPages = [file];
