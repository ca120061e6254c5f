/**
 * Text of other people (titles a model chose, messages of a provider) on its way to a terminal: a control character in
 * it could move the cursor, recolour the screen or rewrite what was said before.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
}

/** As wide as a column; what is cut off is marked. */
export function fitted(text: string, width: number): string {
  const clean = printable(text);
  return clean.length <= width ? clean.padEnd(width) : `${clean.slice(0, width - 1)}…`;
}
