/** What the demo says, in lines of at most 80 columns. Talk goes to stderr, one line a report goes to stdout. */
import { relative } from "node:path";
import type { Config } from "../../src/config.ts";
import { totalSpend } from "../../src/domain/failure.ts";
import { formatUsd } from "../../src/domain/ids.ts";
import { table, type Output } from "../../src/cli/output.ts";
import { sentenceOf, type Snapshot } from "../../src/producer/report-view.ts";

const WIDTH = 80;

/** Names on the left, what there is on the right. */
export function sayTable(output: Output, rows: readonly (readonly [name: string, text: string])[]): void {
  for (const [name, text] of rows) {
    const [first = "", ...rest] = wrapped(text, WIDTH - 14);
    output.talk(`  ${output.paint("dim", name.padEnd(10))}  ${first}`);
    for (const line of rest) output.talk(`${" ".repeat(14)}${line}`);
  }
}

export function sayParagraph(output: Output, text: string): void {
  for (const line of wrapped(text, WIDTH)) output.talk(line);
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

export interface Receipt {
  snapshot: Snapshot;
  /** Null where nothing was delivered. */
  path: string | null;
}

/** One line a report: id, type, status, spend, charge, path. On a terminal the path gets a line of its own. */
export function receiptLines(receipts: readonly Receipt[], onTerminal: boolean): string[] {
  const [, ...lines] = table(receipts, [
    { title: "id", value: ({ snapshot }) => snapshot.stored.report.id },
    { title: "type", value: ({ snapshot }) => snapshot.stored.report.type },
    { title: "status", value: ({ snapshot }) => snapshot.stored.report.status },
    {
      title: "",
      value: ({ snapshot }) => formatUsd(totalSpend(snapshot.stored.report.spend)),
      align: "right",
    },
    { title: "", value: chargeOf, align: "right" },
    ...(onTerminal ? [] : [{ title: "", value: pathOf }]),
  ]);
  if (!onTerminal) return lines;
  return lines.flatMap((line, at) => [line, `  ${pathOf(receipts[at])}`]);
}

function chargeOf({ snapshot }: Receipt): string {
  const { hold, credits } = snapshot.stored.report;
  return `${hold === "committed" ? credits : 0} credits`;
}

function pathOf(receipt: Receipt | undefined): string {
  return typeof receipt?.path === "string" ? shownPath(receipt.path) : "no document";
}

export function reasonLine(snapshot: Snapshot): string {
  const { report } = snapshot.stored;
  const why = report.status === "needs_review" ? ` ${report.failure.message}` : "";
  return `${report.id}: ${sentenceOf(snapshot)}${why}`;
}

export function shownPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith("..") ? path : near;
}

/** The variables a second terminal needs so that the command line finds this fleet. */
export function environmentFor(config: Config, fleet: string, redisUrl: string): string[] {
  // In the default place the command line finds the private Redis by itself.
  const found = config.redisUrl === null && shownPath(config.dataDir) === ".data";
  return [...(found ? [] : [`REDIS_URL=${redisUrl}`]), ...(fleet === "fleet" ? [] : [`FLEET=${fleet}`])];
}
