/**
 * The document a customer opens: one HTML file with nothing outside it, for the screen, the phone and the printer.
 *
 * The Markdown holds text of a model that has read a stranger's data, so nothing in it is trusted: raw HTML stays text,
 * images are not loaded (a picture's address is a way to call home), links lead to http, https or mail only, and a
 * content policy inside the file says so once more to the browser.
 */
import MarkdownParser from "markdown-it";
import type { MarkdownIt, Token } from "markdown-it";
import { STYLE_SHEET } from "./style-sheet.ts";

export interface RenderInput {
  title: string;
  /** Starts below the title: headings from level 2. */
  markdown: string;
  report: { id: string; type: string };
  /** As it is to be printed; time is the caller's. */
  date: string;
  /** What the reader may check the document against: versions, hashes, models, price. */
  provenance: readonly { label: string; value: string }[];
  /** Titles of sections that no critic reviewed; named above the text. */
  unreviewed?: readonly string[];
  /** Titles of sections a person wrote or changed. */
  edited?: readonly string[];
  /** What a partial delivery lacks; named above the text. */
  missing?: readonly string[];
}

/** A shorter document is read without a table of contents. */
const FEWEST_CONTENTS = 4;

export function renderHtml(input: RenderInput): string {
  const { body, contents } = renderMarkdown(input.markdown);
  const title = escapeHtml(input.title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${STYLE_SHEET}</style>
</head>
<body>
<header>
<p class="kicker">${escapeHtml(input.report.type.replaceAll("-", " "))}</p>
<h1>${title}</h1>
<p class="byline"><span>${escapeHtml(input.date)}</span> <span class="id">${escapeHtml(input.report.id)}</span></p>
</header>
${notices(input)}${contentsList(contents)}<main>
${body}</main>
<footer>
<h2>About this report</h2>
<dl>
${input.provenance.map(({ label, value }) => `<div><dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}</dd></div>\n`).join("")}</dl>
</footer>
</body>
</html>
`;
}

interface Heading {
  id: string;
  html: string;
}

function renderMarkdown(markdown: string): { body: string; contents: Heading[] } {
  const contents: Heading[] = [];
  const tokens = parser.parse(markdown, {});
  let number = 0;
  for (const [at, token] of tokens.entries()) {
    if (token.type !== "heading_open") continue;
    number += 1;
    const inline = tokens[at + 1];
    // A number, not the heading's words: unique, and nothing of a model's text becomes an address.
    token.attrSet("id", `s${number}`);
    if (token.tag === "h2" && inline)
      contents.push({ id: `s${number}`, html: escapeHtml(plainText(inline)) });
  }
  return { body: parser.renderer.render(tokens, parser.options, {}), contents };
}

const parser = createParser();

function createParser(): MarkdownIt {
  const markdown = new MarkdownParser({ html: false, linkify: false, typographer: false });
  markdown.validateLink = (url) => /^(?:https?:\/\/|mailto:)/i.test(url.trim());
  const { rules } = markdown.renderer;
  rules["image"] = (tokens, at) => {
    const token = tokens[at];
    const alternative = token ? plainText(token) : "";
    return alternative === "" ? "" : `<em>[image: ${escapeHtml(alternative)}]</em>`;
  };
  rules["link_open"] = (tokens, at, options, _environment, self) => {
    tokens[at]?.attrSet("rel", "noopener noreferrer");
    return self.renderToken(tokens, at, options);
  };
  // The table scrolls, not the page: a wide one must not make a phone's text tiny.
  rules["table_open"] = () => '<div class="table"><table>\n';
  rules["table_close"] = () => "</table></div>\n";
  return markdown;
}

function plainText(token: Token): string {
  return (token.children ?? [])
    .filter((child) => child.type === "text" || child.type === "code_inline" || child.type === "text_special")
    .map((child) => child.content)
    .join("");
}

function notices({ unreviewed = [], edited = [], missing = [] }: RenderInput): string {
  const sentences = [
    ...(missing.length > 0 ? [`This is a partial delivery. Not included: ${missing.join(", ")}.`] : []),
    ...(unreviewed.length > 0 ? [`Delivered without an editor's review: ${unreviewed.join(", ")}.`] : []),
    ...(edited.length > 0 ? [`Edited by hand: ${edited.join(", ")}.`] : []),
  ];
  return sentences.map((sentence) => `<p class="notice">${escapeHtml(sentence)}</p>\n`).join("");
}

function contentsList(contents: readonly Heading[]): string {
  if (contents.length < FEWEST_CONTENTS) return "";
  const items = contents.map(({ id, html }) => `<li><a href="#${id}">${html}</a></li>`).join("\n");
  return `<nav aria-label="Contents">\n<ol>\n${items}\n</ol>\n</nav>\n`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
