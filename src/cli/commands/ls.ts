import { Command, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { formatUsd, formatWait } from "../../domain/ids.ts";
import type { ReportStatus } from "../../domain/report.ts";
import type { Terminal } from "../command.ts";
import { account, reportStatus, wholeNumber } from "../options.ts";

interface LsOptions {
  account?: string;
  type?: string;
  status?: ReportStatus;
  limit: number;
}

export function lsCommand({ output }: Terminal): Command {
  return new Command("ls")
    .summary("list reports, newest first")
    .description("Lists reports, the newest first.")
    .addOption(new Option("--account <account>", "only this account's").argParser(account))
    .option("--type <type>", "only of this report type")
    .addOption(new Option("--status <status>", "only in this status").argParser(reportStatus))
    .addOption(new Option("--limit <n>", "at most this many").default(50).argParser(wholeNumber(1, 10_000)))
    .option("--json", 'print {"data": […]}', false)
    .action(async ({ account: accountName, type, status, limit }: LsOptions) => {
      const { withStore } = await import("../configured.ts");
      const { listReports } = await import("../../store/reports.ts");
      const { reportRow, snapshotOf } = await import("../../producer/report-view.ts");
      const found = await withStore(loadConfig(), async (store) => {
        const stored = await listReports(store, { account: accountName, type, status, limit });
        // One after the other: each is a pipeline of its own, and a list is not in a hurry.
        const snapshots = [];
        for (const one of stored) snapshots.push(await snapshotOf(store, one));
        return snapshots;
      });
      const rows = found.map((snapshot) => ({
        ...reportRow(snapshot),
        ageMs: snapshot.now - snapshot.stored.report.createdAt,
      }));
      output.list(rows, [
        { title: "id", value: (row) => row.id },
        { title: "type", value: (row) => row.type },
        { title: "account", value: (row) => row.account },
        { title: "status", value: (row) => row.status },
        { title: "progress", value: (row) => `${row.progress.percent} %`, align: "right" },
        { title: "spend", value: (row) => formatUsd(row.spend.totalMicros), align: "right" },
        {
          title: "credits",
          value: (row) => `${row.credits.amount} ${CREDIT_WORD[row.credits.state]}`,
          align: "right",
        },
        { title: "age", value: (row) => formatWait(Math.max(0, row.ageMs)), align: "right" },
      ]);
      if (rows.length === 0 && !output.json) output.talk("No reports.");
      else if (rows.length === limit) output.talk(`The newest ${limit}; more with --limit.`);
    });
}

const CREDIT_WORD = {
  requested: "asked",
  reserved: "held",
  committed: "charged",
  reversed: "returned",
} as const;
