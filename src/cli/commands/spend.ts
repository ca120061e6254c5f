/** What the providers billed, by whatever one wants to know it by; or one report's receipt. */
import { Command, InvalidArgumentError, Option } from "commander";
import { loadConfig } from "../../config.ts";
import { FleetError } from "../../domain/fleet-error.ts";
import { formatUsd, type ReportId } from "../../domain/ids.ts";
import { SPEND_DIMENSIONS, sumSpend, type SpendDimension } from "../../producer/sum-spend.ts";
import type { ReceiptLine } from "../../store/receipt.ts";
import type { Terminal } from "../command.ts";
import { reportId } from "../options.ts";
import { table } from "../output.ts";
import { printable } from "../printable.ts";

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
/** Each day is a read of its own. */
const MOST_DAYS = 1_100;

interface SpendOptions {
  by: SpendDimension;
  from?: string;
  to?: string;
  report?: ReportId;
}

export function spendCommand(terminal: Terminal): Command {
  return new Command("spend")
    .summary("show what was spent, and what for")
    .description(
      "Sums what the providers billed, in micro-USD with --json. A request belongs to the UTC day it left on. `kind` is what wasted or unknown spend was lost to.",
    )
    .addOption(new Option("--by <what>", "one line for each").choices(SPEND_DIMENSIONS).default("outcome"))
    .addOption(
      new Option("--from <day>", "first day, such as 2026-01-31 (default: 30 days ago)").argParser(day),
    )
    .addOption(new Option("--to <day>", "last day (default: today)").argParser(day))
    .addOption(
      new Option("--report <id>", "the receipt of one report instead")
        .argParser(reportId)
        .conflicts(["from", "to"]),
    )
    .option("--json", "print as JSON", false)
    .action((options: SpendOptions) =>
      options.report === undefined ? printSums(terminal, options) : printReceipt(terminal, options.report),
    );
}

async function printSums({ output }: Terminal, { by, from, to }: SpendOptions): Promise<void> {
  const { withStore } = await import("../configured.ts");
  const { dayName, dayNumber, readSpend } = await import("../../store/books.ts");
  const rows = await withStore(loadConfig(), async (store) => {
    const [seconds] = await store.redis.time();
    const last = to === undefined ? Math.floor((Number(seconds) * 1_000) / DAY_MS) : dayNumber(to);
    const first = from === undefined ? last - DEFAULT_DAYS + 1 : dayNumber(from);
    if (first > last)
      throw new FleetError("usage", `--from ${dayName(first)} is after --to ${dayName(last)}.`);
    if (last - first >= MOST_DAYS)
      throw new FleetError("usage", `At most ${MOST_DAYS} days are summed at once.`);
    return sumSpend(by, await readSpend(store, dayName(first), dayName(last)));
  });
  output.list(rows, [
    { title: by, value: (row) => printable(row.key) },
    { title: "calls", value: (row) => String(row.calls), align: "right" },
    { title: "spent", value: (row) => formatUsd(row.micros), align: "right" },
    { title: "of it wasted", value: (row) => formatUsd(row.wastedMicros), align: "right" },
    { title: "unknown", value: (row) => formatUsd(row.unknownMicros), align: "right" },
  ]);
}

async function printReceipt({ output }: Terminal, id: ReportId): Promise<void> {
  const { withStore } = await import("../configured.ts");
  const { editsOf, readSnapshot } = await import("../../producer/report-view.ts");
  const { readReceipt } = await import("../../store/receipt.ts");
  await withStore(loadConfig(), async (store) => {
    const { stored, sections } = await readSnapshot(store, id);
    const { report } = stored;
    const receipt = await readReceipt(store, id);
    const credits = { price: report.credits, hold: report.hold, charged: report.charged };
    const artefactHash = stored.delivered?.artefactHash ?? null;
    const edits = editsOf(sections);
    output.data({ id, status: report.status, credits, artefactHash, edits, ...receipt }, () => [
      ...table(receipt.calls, RECEIPT_COLUMNS),
      "",
      ...edits.map(({ section, by, why }) => printable(`${section} was written by ${by}: ${why}`)),
      `Spent ${formatUsd(receipt.calls.reduce((sum, { micros }) => sum + micros, 0))} in ${receipt.calls.length} requests${receipt.reused.length === 0 ? "" : `, and reused ${receipt.reused.length} answers`}.`,
    ]);
  });
}

const RECEIPT_COLUMNS = [
  { title: "call", value: (row: ReceiptLine) => `${row.section}/${row.call}` },
  { title: "take", value: (row: ReceiptLine) => String(row.take), align: "right" as const },
  { title: "model", value: (row: ReceiptLine) => printable(row.model) },
  { title: "prompt", value: (row: ReceiptLine) => printable(row.promptVersion) },
  {
    title: "tokens in/out",
    value: (row: ReceiptLine) =>
      row.tokens === null ? "-" : `${row.tokens.inputTokens}/${row.tokens.outputTokens}`,
    align: "right" as const,
  },
  {
    title: "spent",
    value: (row: ReceiptLine) => `${row.exact ? "" : "at most "}${formatUsd(row.micros)}`,
    align: "right" as const,
  },
  {
    title: "outcome",
    value: (row: ReceiptLine) => (row.lostTo === null ? row.outcome : `${row.outcome} (${row.lostTo})`),
  },
];

function day(text: string): string {
  const parsed = Date.parse(`${text}T00:00:00Z`);
  // A date that does not exist, such as February 30th, parses into another one.
  if (
    !/^\d{4}-\d\d-\d\d$/.test(text) ||
    Number.isNaN(parsed) ||
    new Date(parsed).toISOString().slice(0, 10) !== text
  )
    throw new InvalidArgumentError("Expected a day such as 2026-01-31.");
  return text;
}
