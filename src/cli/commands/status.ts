import { Command } from "commander";
import { loadConfig } from "../../config.ts";
import { SPEND_OUTCOMES } from "../../domain/failure.ts";
import { formatUsd, formatWait } from "../../domain/ids.ts";
import type { Terminal } from "../command.ts";
import { reportId } from "../options.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";
import type { SectionView } from "../../producer/report-view.ts";

export function statusCommand({ output }: Terminal): Command {
  return new Command("status")
    .summary("show one report: how far it is, what it cost, and why it waits")
    .description(
      "Shows one report with its sections, its failures, what was spent on it and what became of the credits.",
    )
    .argument("<id>", "the report's id")
    .option("--json", "print all of it as JSON", false)
    .action(async (given: string) => {
      const id = reportId(given);
      const { withStore } = await import("../configured.ts");
      const { readSnapshot, reportView } = await import("../../producer/report-view.ts");
      const snapshot = await withStore(loadConfig(), (store) => readSnapshot(store, id));
      const view = reportView(snapshot);
      output.data(view, () => [
        `${view.id}  ${view.type} v${view.typeVersion}  account ${view.account}${view.run > 1 ? `  run ${view.run}` : ""}`,
        printable(view.statusText),
        ...(view.eta === null
          ? []
          : [
              `Ready in ${formatWait(view.eta.lowMs)} to ${formatWait(view.eta.highMs)}, as the last runs went.`,
            ]),
        `Order again? ${view.mayRetry ? "Yes" : "No"}. ${view.why}`,
        ...(view.failure === null ? [] : [`Reason: ${printable(reasonOf(view.failure))}`]),
        "",
        ...(view.sections.length === 0 ? [] : [...table(view.sections, columnsAt(snapshot.now)), ""]),
        `Spent ${formatUsd(view.spend.totalMicros)} of at most ${formatUsd(view.budgetMicros)}${outcomesOf(view.spend)}`,
        `Credits ${view.credits.amount} ${view.credits.state}`,
      ]);
    });
}

function reasonOf(failure: { message: string } | { kind: string; code: string; message: string }): string {
  return "kind" in failure ? `${failure.message} (${failure.kind}: ${failure.code})` : failure.message;
}

function columnsAt(now: number) {
  return [
    { title: "section", value: (row: SectionView) => printable(row.title) },
    { title: "key", value: (row: SectionView) => row.key },
    { title: "status", value: (row: SectionView) => row.status },
    { title: "attempts", value: attemptsOf },
    { title: "note", value: (row: SectionView) => printable(noteOf(row, now)) },
  ];
}

/** Only attempts that failed for a cause are counted; a section that went well at once has none. */
function attemptsOf({ attempts }: SectionView): string {
  const counted = Object.entries(attempts).filter(([, count]) => count > 0);
  return counted.length === 0 ? "-" : counted.map(([cause, count]) => `${count} ${cause}`).join(", ");
}

function noteOf(row: SectionView, now: number): string {
  if (row.retryAt !== null)
    return `again in ${formatWait(Math.max(0, row.retryAt - now))}: ${row.because ?? ""}`;
  if (row.failure !== null) return row.failure.message;
  if (row.edited !== null) return `edited by ${row.edited.by}: ${row.edited.why}`;
  if (row.unreviewed !== null) return `unreviewed: ${row.unreviewed}`;
  return row.because ?? "";
}

function outcomesOf(spend: Record<string, number>): string {
  const named = SPEND_OUTCOMES.filter((outcome) => (spend[outcome] ?? 0) > 0);
  if (named.length === 0) return "";
  return `: ${named.map((outcome) => `${outcome} ${formatUsd(spend[outcome] ?? 0)}`).join(", ")}`;
}
