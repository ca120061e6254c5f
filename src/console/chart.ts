/** Bars drawn by the server: sizes are SVG attributes, since the policy allows no inline style. A table says the same. */
import { html, NOTHING, type Html } from "./html.ts";

export interface Bar {
  /** Below the bar, where there is room. */
  label: string;
  /** From the bottom up; each with the look that `console.css` gives it, `part-<look>`. */
  parts: readonly { look: string; value: number; title: string }[];
}

const HEIGHT = 120;
/** Room above the highest bar for what it stands for, and below for the labels. */
const ABOVE = 14;
const BELOW = 18;
const MOST_LABELS = 8;

/** Across it is as wide as there is room: only shares of the width are said. `scale` words the highest bar. */
export function bars(what: string, all: readonly Bar[], scale: (most: number) => string): Html {
  const most = Math.max(...all.map(({ parts }) => sum(parts)), 0);
  if (most === 0) return NOTHING;
  const slot = 100 / all.length;
  const every = Math.ceil(all.length / MOST_LABELS);
  return html`<svg class="chart" role="img" aria-label="${what}" height="${ABOVE + HEIGHT + BELOW}">
    <text x="0" y="${ABOVE - 4}">${scale(most)}</text>
    <line class="axis most" x1="0" x2="100%" y1="${ABOVE}" y2="${ABOVE}" />
    ${all.map((bar, nth) => oneBar(bar, nth * slot, slot, most))}
    <line class="axis" x1="0" x2="100%" y1="${ABOVE + HEIGHT}" y2="${ABOVE + HEIGHT}" />
    ${all.map(({ label }, nth) =>
      (all.length - 1 - nth) % every === 0
        ? html`<text class="label" x="${ofWidth((nth + 0.5) * slot)}" y="${ABOVE + HEIGHT + 13}"
            >${label}</text
          >`
        : NOTHING,
    )}
  </svg>`;
}

function oneBar({ parts }: Bar, left: number, slot: number, most: number): Html {
  let top = ABOVE + HEIGHT;
  return html`${parts.map(({ look, value, title }) => {
    if (value === 0) return NOTHING;
    const height = (value / most) * HEIGHT;
    top -= height;
    return html`<rect
      class="part-${look}"
      x="${ofWidth(left + 0.1 * slot)}"
      y="${top.toFixed(2)}"
      width="${ofWidth(0.8 * slot)}"
      height="${height.toFixed(2)}"
    >
      <title>${title}</title>
    </rect>`;
  })}`;
}

function ofWidth(percent: number): string {
  return `${percent.toFixed(2)}%`;
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
