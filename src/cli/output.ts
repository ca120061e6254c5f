/**
 * Data goes to stdout, talk goes to stderr, so that a pipe never swallows a sentence meant for a person, and never
 * feeds one to a program. Colour and live lines are for terminals only; `styleText` also minds NO_COLOR.
 */
import { styleText } from "node:util";

export type Colour = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";

export interface Column<Row> {
  title: string;
  value: (row: Row) => string;
  align?: "left" | "right";
}

export interface Output {
  json: boolean;
  /** A person is looking at stderr. */
  interactive: boolean;
  /** One result: as JSON, or as the given lines. */
  data(value: unknown, lines: () => readonly string[]): void;
  /** Many results: `{"data": […]}`, or a table. */
  list<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void;
  talk(line: string): void;
  paint(colour: Colour, text: string): string;
}

type Stream = Pick<NodeJS.WriteStream, "write"> & { isTTY?: boolean | undefined };

export function openOutput(
  options: { json: boolean },
  streams: { stdout: Stream; stderr: Stream } = process,
): Output {
  const { stdout, stderr } = streams;
  const put = (line: string): void => {
    stdout.write(`${line}\n`);
  };
  return {
    json: options.json,
    interactive: stderr.isTTY === true && !options.json,
    data(value, lines) {
      if (options.json) put(JSON.stringify(value));
      else for (const line of lines()) put(line);
    },
    list(rows, columns) {
      if (options.json) put(JSON.stringify({ data: rows }));
      else for (const line of table(rows, columns)) put(line);
    },
    talk(line) {
      stderr.write(`${line}\n`);
    },
    paint(colour, text) {
      return stderr.isTTY === true
        ? styleText(colour, text, { stream: stderr as NodeJS.WriteStream, validateStream: true })
        : text;
    },
  };
}

/** Columns as wide as their widest cell, two spaces apart; nothing is cut, so that it can be copied and grepped. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[] {
  const cells = [
    columns.map(({ title }) => title.toUpperCase()),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => (line[index] ?? "").length)));
  return cells.map((line) =>
    line
      .map((cell, index) => {
        const width = widths[index] ?? 0;
        return columns[index]?.align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
