/** What the providers billed: day by day by what became of it, and by whatever one wants to know it by. */
import { z } from "zod";
import type { EpochMs, MicroUsd } from "../../domain/ids.ts";
import { SPEND_DIMENSIONS, sumSpend, type SpendDimension, type SpendSum } from "../../producer/sum-spend.ts";
import {
  dayName,
  dayNumber,
  readSpend,
  readSpendOfHours,
  readSpendOfMinutes,
  readSpendSums,
} from "../../store/books.ts";
import { redisNow } from "../../store/redis.ts";
import { share } from "../chart.ts";
import { csv } from "../csv.ts";
import { count, percent, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { page } from "../page.ts";
import {
  spendBars,
  spendLegend,
  spendWords,
  worthSeeing,
  OVERS,
  type Over,
  type SpendViews,
} from "../spend-chart.ts";
import { tabTo } from "../tab.ts";
import { tile } from "../tile.ts";

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
/** Every day's lines are read, so a longer time is asked for in parts. */
const MOST_DAYS = 92;
const MOST_ROWS = 200;

const query = z.object({
  by: z.enum(SPEND_DIMENSIONS).catch("type").default("type"),
  over: z.enum(OVERS).optional().catch(undefined),
  from: z.iso.date().optional().catch(undefined),
  to: z.iso.date().optional().catch(undefined),
});

const spend = page({
  path: "/spend",
  role: "viewer",
  query,
  async show({ desk, query: asked }) {
    const { store, caps } = desk;
    const now = await redisNow(store);
    const days = daysOf(now, asked);
    const [sums, lines, hours, minutes] = await Promise.all([
      readSpendSums(store, days.from, days.to),
      readSpend(store, days.from, days.to),
      readSpendOfHours(store, now),
      readSpendOfMinutes(store, now),
    ]);
    const total = sums.reduce((all, { totalMicros }) => all + totalMicros, 0);
    const lost = (of: "wasted" | "unknown") => sums.reduce((all, day) => all + day.spend[of], 0);
    const last = sums.at(-1)?.totalMicros ?? 0;
    const cap = caps.fleetPerDay;
    const rows = sumSpend(asked.by, lines);
    const views: SpendViews = {
      days: sums.map(({ day, spend: of }) => ({ label: day.slice(5), title: day, spend: of })),
      hours: hours.map(({ at, spend: of }) => ({
        label: clockOf(at),
        title: `the hour of ${clockOf(at)}`,
        spend: of,
      })),
      minutes: minutes.map(({ at, spend: of }) => ({ label: clockOf(at), title: clockOf(at), spend: of })),
    };
    const over = asked.over ?? (asked.from === undefined ? worthSeeing(views) : "days");
    const shown = { ...days, by: asked.by, over };
    return {
      title: "Spend",
      nav: "spend",
      body: html`<h1>Spend</h1>
        ${period(shown)}
        <div id="spend" data-live="reports">
          <div class="tiles">
            ${tile("Billed", usd(total), `${days.from} to ${days.to}, UTC`)}
            ${tile("Wasted", usd(lost("wasted")), `${percent(lost("wasted"), total)} of it`)}
            ${tile("Unknown", usd(lost("unknown")), "No answer came; booked at its upper estimate.")}
            ${tile(`On ${days.to}`, usd(last), cap === null ? "No daily cap is set." : `${percent(last, cap)} of the cap ${usd(cap)}`)}
          </div>
          <h2>Over time</h2>
          ${overTabs(shown)}
          <p>${spendWords(views[over])} <small>${OVER[over].by}</small></p>
          ${spendBars(`Spend ${OVER[over].by}, by what became of it`, views[over])} ${spendLegend()}
          <h2>By ${asked.by}, ${days.from} to ${days.to}</h2>
          ${dimensions(shown)} ${table(asked.by, rows)}
        </div>`,
    };
  },
});

/** How far one looks back, and how closely. */
const OVER = {
  minutes: { tab: "last hour", by: "minute by minute, UTC" },
  hours: { tab: "last 24 hours", by: "hour by hour, UTC" },
  days: { tab: "days", by: "day by day, UTC" },
} as const satisfies Record<Over, unknown>;

function overTabs(shown: Shown): Html {
  return html`<nav class="tabs" aria-label="Over time">
    ${OVERS.map((over) => tabTo(address("/console/spend", { ...shown, over }), OVER[over].tab, over === shown.over))}
  </nav>`;
}

/** Whoever chooses days wants to see days. */
function period({ by, from, to }: Shown): Html {
  return html`<form class="filters" action="/console/spend" data-auto>
    <input type="hidden" name="by" value="${by}" />
    <label>From <input type="date" name="from" value="${from}" /></label>
    <label>To <input type="date" name="to" value="${to}" /></label>
    <button>Show</button>
  </form>`;
}

function dimensions(shown: Shown): Html {
  return html`<nav class="tabs" aria-label="Sum by">
    ${SPEND_DIMENSIONS.map((by) => tabTo(address("/console/spend", { ...shown, by }), by, by === shown.by))}
    <span class="grow"></span>
    <a href="${address("/console/spend.csv", shown)}" download>CSV</a>
  </nav>`;
}

function table(by: SpendDimension, rows: readonly SpendSum[]): Html {
  if (rows.length === 0) return html`<p class="muted">Nothing was billed in these days.</p>`;
  const most = Math.max(...rows.map(({ micros }) => micros));
  return html`<table class="cards">
      <thead>
        <tr>
          <th>${by}</th>
          <th class="num">Requests</th>
          <th class="num">Billed</th>
          <th><span class="sr">Compared</span></th>
          <th class="num">Wasted</th>
          <th class="num">Unknown</th>
        </tr>
      </thead>
      <tbody data-rows>
        ${rows.slice(0, MOST_ROWS).map(
          (row) =>
            html`<tr>
              <td>${row.key}</td>
              <td class="num" data-label="Requests">${count(row.calls)}</td>
              <td class="num" data-label="Billed">${usd(row.micros)}</td>
              <td>${share(row.micros, most)}</td>
              <td class="num" data-label="Wasted">${lostOf(row.wastedMicros, row.micros)}</td>
              <td class="num" data-label="Unknown">${lostOf(row.unknownMicros, row.micros)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${
      rows.length > MOST_ROWS
        ? html`<p class="muted">${count(rows.length - MOST_ROWS)} smaller ones are in the CSV.</p>`
        : NOTHING
    }`;
}

function lostOf(micros: MicroUsd, whole: MicroUsd): Html {
  return micros === 0
    ? html`<span class="muted">–</span>`
    : html`<span class="bad">${usd(micros)}</span> <small>${percent(micros, whole)}</small>`;
}

const spendCsv = page({
  path: "/spend.csv",
  role: "viewer",
  query,
  async show({ desk, query: asked }) {
    const days = daysOf(await redisNow(desk.store), asked);
    const rows = sumSpend(asked.by, await readSpend(desk.store, days.from, days.to));
    return {
      text: csv(
        [asked.by, "requests", "billed_micro_usd", "wasted_micro_usd", "unknown_micro_usd"],
        rows.map((row) => [row.key, row.calls, row.micros, row.wastedMicros, row.unknownMicros]),
      ),
      contentType: "text/csv; charset=utf-8",
      fileName: `spend-${asked.by}-${days.from}-${days.to}.csv`,
    };
  },
});

interface Days {
  from: string;
  to: string;
}

interface Shown extends Days {
  by: SpendDimension;
  over: Over;
}

/** An impossible time is the nearest possible one: a page of figures has no use for an error. */
function daysOf(now: EpochMs, { from, to }: { from?: string | undefined; to?: string | undefined }): Days {
  const today = Math.floor(now / DAY_MS);
  const last = to === undefined ? today : Math.min(dayNumber(to), today);
  const first = from === undefined ? last - DEFAULT_DAYS + 1 : Math.min(dayNumber(from), last);
  return { from: dayName(Math.max(first, last - MOST_DAYS + 1)), to: dayName(last) };
}

/** "14:05", UTC as the days are. */
function clockOf(at: EpochMs): string {
  return new Date(at).toISOString().slice(11, 16);
}

function address(path: string, { by, over, from, to }: Shown): string {
  return `${path}?${new URLSearchParams({ by, over, from, to }).toString()}`;
}

export const spendPages = [spend, spendCsv];
