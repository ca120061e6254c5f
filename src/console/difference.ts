/** Two texts as one: what only the older says is struck out, what only the newer says is marked. */
import { diffLines, diffWordsWithSpace, type ChangeObject } from "diff";
import { html, type Html } from "./html.ts";

/** Word by word is what a person reads, and what takes longest. */
const MOST_WORDWISE_CHARS = 20_000;
const MOST_MS = 200;

export function differenceOf(before: string, after: string): Html {
  const isShort = before.length + after.length <= MOST_WORDWISE_CHARS;
  const changes: ChangeObject<string>[] | undefined =
    (isShort ? diffWordsWithSpace(before, after, { timeout: MOST_MS }) : undefined) ??
    diffLines(before, after, { timeout: MOST_MS });
  if (changes === undefined) return html`They differ too much to be compared here.`;
  if (changes.every(({ added, removed }) => !added && !removed)) return html`Nothing; they are the same.`;
  return html`${changes.map(({ added, removed, value }) =>
    added ? html`<ins>${value}</ins>` : removed ? html`<del>${value}</del>` : html`${value}`,
  )}`;
}
