/** Spend as bars: what it brought, what may still bring something, and what is lost, in the same colours everywhere. */
import { totalSpend, type Spend } from "../domain/failure.ts";
import { bars } from "./chart.ts";
import { percent, usd } from "./format.ts";
import { html, type Html } from "./html.ts";

const PARTS = [
  ["useful", "useful"],
  ["repaired", "repaired"],
  ["pending", "not settled yet"],
  ["unknown", "unknown"],
  ["wasted", "wasted"],
] as const;

export interface SpendBar {
  /** Below the bar, where there is room. */
  label: string;
  /** The whole time it stands for. */
  title: string;
  spend: Spend;
}

export const OVERS = ["minutes", "hours", "days"] as const;
export type Over = (typeof OVERS)[number];
export type SpendViews = Record<Over, readonly SpendBar[]>;

/** The widest view that compares anything: a fleet of today has one day, and one bar tells nobody when it went wrong. */
export function worthSeeing(views: SpendViews): Over {
  const barsOf = (over: Over) => views[over].filter(({ spend: of }) => totalSpend(of) > 0).length;
  const compares = (["days", "hours"] as const).find((over) => barsOf(over) > 1);
  return compares ?? (barsOf("minutes") > 0 ? "minutes" : "days");
}

export function spendBars(what: string, all: readonly SpendBar[]): Html {
  return bars(
    what,
    all.map(({ label, title, spend }) => ({
      label,
      parts: PARTS.map(([look, words]) => ({
        look,
        value: spend[look],
        title: `${title}: ${usd(spend[look])} ${words}`,
      })),
    })),
    usd,
  );
}

export function spendLegend(): Html {
  return html`<p class="legend">
    ${PARTS.map(([look, words]) => html`<span><i class="part-${look}"></i> ${words}</span>`)}
  </p>`;
}

/** "$0.047 spent, 7 % wasted." */
export function spendWords(all: readonly { spend: Spend }[]): string {
  const total = all.reduce((sum, { spend }) => sum + totalSpend(spend), 0);
  const wasted = all.reduce((sum, { spend }) => sum + spend.wasted, 0);
  return total === 0 ? "Nothing was spent." : `${usd(total)} spent, ${percent(wasted, total)} wasted.`;
}
