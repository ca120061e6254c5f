/** Markdown from values that were not written as Markdown: package names, customers' words, figures. */

/** Shows `text` as it is: no sign in it means anything to Markdown, and it stays on one line. */
export function escapeMarkdown(text: string): string {
  return text
    .replaceAll(/\s+/g, " ")
    .replaceAll(/[\\`*_{}[\]<>|~#!&$]/g, String.raw`\$&`)
    .trim();
}

/** A table whose columns of figures stand on the right; an empty table is a sentence, not a header over nothing. */
export function tableMarkdown(
  headers: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  if (rows.length === 0) return "None.";
  const rule = headers.map((_, column) => (rows.every((row) => isFigure(row[column])) ? "---:" : "---"));
  return [
    line(headers),
    line(rule, String),
    ...rows.map((row) => line(headers.map((_, at) => row[at] ?? ""))),
  ].join("\n");
}

function line(
  cells: readonly (string | number)[],
  cell: (value: string | number) => string = escaped,
): string {
  return `| ${cells.map(cell).join(" | ")} |`;
}

function escaped(value: string | number): string {
  return typeof value === "number" ? String(value) : escapeMarkdown(value);
}

/** A number or a share; a version (`1.2`) is a name and stays on the left. */
function isFigure(cell: string | number | undefined): boolean {
  return typeof cell === "number" || (cell !== undefined && /^\d+(?:\.\d+)? ?%$/.test(cell));
}
