/**
 * Moves the headings of a model's text below the heading it will stand under: the highest becomes level `top`, the
 * others keep their distance. Models start at whatever level they like, and a document has one title.
 */
export function nestHeadings(markdown: string, top: number): string {
  const lines = markdown.split("\n");
  const headings = headingLines(lines);
  if (headings.length === 0) return markdown;
  // Not `Math.min` of a list: a model may write more headings than a call takes arguments.
  const highest = headings.reduce((least, { level }) => Math.min(least, level), 6);
  const shift = top - highest;
  if (shift === 0) return markdown;
  for (const { at, level, rest } of headings) {
    lines[at] = `${"#".repeat(Math.min(6, level + shift))}${rest}`;
  }
  return lines.join("\n");
}

/** `#` headings outside code blocks, where `#` is a comment. */
function headingLines(lines: readonly string[]): { at: number; level: number; rest: string }[] {
  const found: { at: number; level: number; rest: string }[] = [];
  let fence: string | undefined;
  for (const [at, line] of lines.entries()) {
    const marks = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (marks !== undefined) {
      if (fence === undefined) fence = marks;
      else if (marks[0] === fence[0] && marks.length >= fence.length) fence = undefined;
      continue;
    }
    const heading = fence === undefined ? /^(#{1,6})(\s.*)$/.exec(line) : null;
    if (heading) found.push({ at, level: heading[1]?.length ?? 1, rest: heading[2] ?? "" });
  }
  return found;
}
