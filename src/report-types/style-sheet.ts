/**
 * The looks of a delivered report, inline in each document. System fonts only, since nothing may be loaded; a serif for
 * reading at length, a sans for what is looked up (tables, labels). Paper gets its own rules: a short table stays whole
 * and a long one repeats its head, no row is torn, a heading stays with what it heads, and links show where they lead.
 */
export const STYLE_SHEET = `
:root {
  --paper: #fdfdfb; --ink: #1c1f24; --soft: #5d6470; --line: #dfe1e0; --shade: #f3f4f1; --accent: #1f5a7a;
  --notice: #fbf3dc; --notice-line: #c99a2e;
  --serif: Charter, "Bitstream Charter", "Source Serif 4", "Iowan Old Style", Cambria, Georgia, "DejaVu Serif", serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181c; --ink: #e4e5e3; --soft: #9ca3ad; --line: #32373e; --shade: #1d2126; --accent: #86bfdd;
    --notice: #2c2613; --notice-line: #a8873a;
  }
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  max-width: 46rem; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4.5rem) clamp(1.1rem, 4vw, 2rem) 4rem;
  font: 1.0625rem/1.65 var(--serif); overflow-wrap: break-word; font-kerning: normal; hanging-punctuation: first;
}
header { border-bottom: 2px solid var(--ink); padding-bottom: 1.4rem; margin-bottom: 2rem; }
.kicker {
  margin: 0 0 .6rem; color: var(--accent); font: 600 .78rem/1.3 var(--sans);
  letter-spacing: .09em; text-transform: uppercase;
}
h1, h2, h3, h4, h5, h6 { font-family: var(--sans); line-height: 1.25; text-wrap: balance; }
h1 { font-size: clamp(1.75rem, 1.2rem + 2.6vw, 2.6rem); font-weight: 700; letter-spacing: -.018em; margin: 0; text-wrap: pretty; }
h2 { font-size: 1.42rem; letter-spacing: -.01em; margin: 3rem 0 .8rem; }
h3 { font-size: 1.12rem; margin: 2.1rem 0 .5rem; }
h4, h5, h6 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
main > :first-child { margin-top: 0; }
.byline {
  display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: 1rem 0 0; color: var(--soft); font: .85rem/1.5 var(--sans);
}
.byline .id { font-family: var(--mono); font-size: .8rem; }
p, ul, ol, blockquote, pre, .table { margin: 0 0 1.1rem; }
p { text-wrap: pretty; }
ul, ol { padding-left: 1.35rem; }
li { margin-bottom: .35rem; }
li::marker { color: var(--soft); }
a { color: var(--accent); text-decoration-thickness: .06em; text-underline-offset: .18em; }
blockquote { margin-inline: 0; padding: .1rem 0 .1rem 1.1rem; border-left: 3px solid var(--line); color: var(--soft); }
hr { border: 0; border-top: 1px solid var(--line); margin: 2.5rem 0; }
code { font: .87em var(--mono); background: var(--shade); padding: .1em .3em; border-radius: 3px; }
pre {
  font: .84rem/1.55 var(--mono); background: var(--shade); border: 1px solid var(--line); border-radius: 6px;
  padding: .9rem 1.1rem; overflow-x: auto;
}
pre code { font: inherit; background: none; padding: 0; }
.table { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font: .88rem/1.45 var(--sans); font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .8rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th {
  border-bottom: 1.5px solid var(--ink); color: var(--soft); font-size: .78rem; font-weight: 600; white-space: nowrap;
}
tbody tr:last-child td { border-bottom-color: var(--ink); }
.notice {
  background: var(--notice); border-left: 3px solid var(--notice-line); padding: .7rem 1rem; font: .92rem/1.5 var(--sans);
}
nav { margin: 0 0 2.6rem; padding-bottom: 1.4rem; border-bottom: 1px solid var(--line); font: .92rem/1.5 var(--sans); }
nav ol { margin: 0; padding-left: 1.5rem; columns: 2 15rem; column-gap: 2.5rem; }
nav li { break-inside: avoid; margin-bottom: .25rem; }
nav a { color: inherit; text-decoration: none; }
nav a:hover { color: var(--accent); text-decoration: underline; }
footer { margin-top: 4rem; padding-top: 1.2rem; border-top: 1px solid var(--line); color: var(--soft); font: .82rem/1.5 var(--sans); }
footer h2 { font-size: .82rem; letter-spacing: 0; margin: 0 0 .6rem; color: var(--ink); }
dl { margin: 0; display: grid; gap: .25rem; }
dl div { display: grid; grid-template-columns: minmax(7rem, 11rem) 1fr; gap: .9rem; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  body { font-size: 1rem; line-height: 1.6; }
  h2 { margin-top: 2.4rem; }
  table { font-size: .82rem; }
  th, td { padding: .45rem .55rem; }
  nav ol { columns: 1; }
}
@media print {
  @page { size: A4; margin: 20mm 18mm 22mm; @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; color: #666; } }
  :root {
    --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --shade: #f4f4f4; --accent: #000;
    --notice: #fff; --notice-line: #000; color-scheme: light;
  }
  body { max-width: none; padding: 0; font-size: 10.5pt; line-height: 1.5; orphans: 3; widows: 3; }
  h1 { font-size: 22pt; } h2 { font-size: 14pt; } h3 { font-size: 11.5pt; }
  h1, h2, h3, h4, h5, h6 { break-after: avoid; break-inside: avoid; }
  table { font-size: 8.5pt; }
  thead { display: table-header-group; }
  table:not(:has(tr:nth-child(15))) { break-inside: avoid; }
  tbody tr:nth-child(-n+2) { break-after: avoid; } tbody tr:nth-last-child(-n+2) { break-before: avoid; }
  tr, pre, blockquote, .notice, dl div { break-inside: avoid; }
  .table, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  main a[href^="http"]::after { content: " (" attr(href) ")"; color: #444; font-size: .85em; overflow-wrap: anywhere; }
  footer { break-inside: avoid; }
}
`;
