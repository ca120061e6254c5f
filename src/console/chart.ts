/** Bars drawn by the server: sizes are SVG attributes, since the policy allows no inline style. A table says the same. */
import { html, NOTHING, type Html } from "./html.ts";

export interface Bar {
  /** Below the bar, where there is room. */
  label: string;
  /** From the bottom up; each with the look that `console.css` gives it, `part-<look>`. */
  parts: readonly { look: string; value: number; title: string }[];
}

const HEIGHT = 120;
const WIDTH = 14;
const GAP = 3;
const MOST_LABELS = 8;

export function bars(what: string, all: readonly Bar[]): Html {
  const most = Math.max(...all.map(({ parts }) => sum(parts)), 0);
  if (most === 0) return NOTHING;
  const width = all.length * (WIDTH + GAP);
  const every = Math.ceil(all.length / MOST_LABELS);
  return html`<svg
    class="chart"
    role="img"
    aria-label="${what}"
    viewBox="0 0 ${width} ${HEIGHT + 16}"
    preserveAspectRatio="xMinYMid meet"
  >
    <line class="axis" x1="0" x2="${width}" y1="${HEIGHT}" y2="${HEIGHT}" />
    ${all.map((bar, nth) => oneBar(bar, nth * (WIDTH + GAP), most, nth % every === 0))}
  </svg>`;
}

function oneBar({ label, parts }: Bar, x: number, most: number, labelled: boolean): Html {
  let top = HEIGHT;
  const rects = parts.map(({ look, value, title }) => {
    const height = (value / most) * HEIGHT;
    top -= height;
    if (height === 0) return NOTHING;
    return html`<rect
      class="part-${look}"
      x="${x}"
      y="${top.toFixed(2)}"
      width="${WIDTH}"
      height="${height.toFixed(2)}"
    >
      <title>${title}</title>
    </rect>`;
  });
  return html`${rects}${labelled ? html`<text x="${x}" y="${HEIGHT + 13}">${label}</text>` : NOTHING}`;
}

/** A share of the largest in a list, beside its number. */
export function share(value: number, most: number): Html {
  const width = most === 0 ? 0 : Math.max(value === 0 ? 0 : 1, Math.round((100 * value) / most));
  return html`<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    <rect width="${width}" height="8" />
  </svg>`;
}

function sum(parts: Bar["parts"]): number {
  return parts.reduce((all, { value }) => all + value, 0);
}
