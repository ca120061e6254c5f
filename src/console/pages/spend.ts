/** What the providers billed: day by day by what became of it, and by whatever one wants to know it by. */
import { z } from "zod";
import type { Spend } from "../../domain/failure.ts";
import type { MicroUsd } from "../../domain/ids.ts";
import { SPEND_DIMENSIONS, sumSpend, type SpendDimension, type SpendSum } from "../../producer/sum-spend.ts";
import { dayName, dayNumber, readSpend, readSpendSums } from "../../store/books.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { bars, share } from "../chart.ts";
import { csv } from "../csv.ts";
import { count, percent, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { page } from "../page.ts";

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
/** Every day's lines are read, so a longer time is asked for in parts. */
const MOST_DAYS = 92;
const MOST_ROWS = 200;

const query = z.object({
  by: z.enum(SPEND_DIMENSIONS).catch("type").default("type"),
  from: z.iso.date().optional().catch(undefined),
  to: z.iso.date().optional().catch(undefined),
});

/** How spend is drawn: what it brought, what may still bring something, and what is lost. */
const LOOKS = [
  ["useful", "useful", (spend: Spend) => spend.useful],
  ["repaired", "repaired", (spend: Spend) => spend.repaired],
  ["pending", "not settled yet", (spend: Spend) => spend.pending],
  ["unknown", "unknown", (spend: Spend) => spend.unknown],
  ["wasted", "wasted", (spend: Spend) => spend.wasted],
] as const;

const spend = page({
  path: "/spend",
  role: "viewer",
  query,
  async show({ desk, query: asked }) {
    const days = await daysOf(desk.store, asked);
    const [sums, lines] = await Promise.all([
      readSpendSums(desk.store, days.from, days.to),
      readSpend(desk.store, days.from, days.to),
    ]);
    const total = sums.reduce((all, { totalMicros }) => all + totalMicros, 0);
    const lost = (of: "wasted" | "unknown") => sums.reduce((all, day) => all + day.spend[of], 0);
    const today = sums.at(-1);
    const cap = desk.caps.fleetPerDay;
    const rows = sumSpend(asked.by, lines);
    return {
      title: "Spend",
      nav: "spend",
      body: html`<h1>Spend</h1>
        ${period(asked.by, days)}
        <div id="spend" data-live="reports">
          <div class="tiles">
            ${tile("Billed", usd(total), `${days.from} to ${days.to}, UTC`)}
            ${tile("Wasted", usd(lost("wasted")), `${percent(lost("wasted"), total)} of it`)}
            ${tile("Unknown", usd(lost("unknown")), "No answer came; booked at its upper estimate.")}
            ${tile(`On ${days.to}`, usd(today?.totalMicros ?? 0), cap === null ? "No daily cap is set." : `${percent(today?.totalMicros ?? 0, cap)} of the cap ${usd(cap)}`)}
          </div>
          <h2>Day by day</h2>
          ${total === 0 ? html`<p class="muted">Nothing was billed in these days.</p>` : perDay(sums)}
          <h2>By ${asked.by}</h2>
          ${dimensions(asked.by, days)} ${table(asked.by, rows)}
        </div>`,
    };
  },
});

function perDay(sums: readonly { day: string; spend: Spend }[]): Html {
  return html`${bars(
      "Spend of each day by what became of it; the table below has the numbers",
      sums.map(({ day, spend: of }) => ({
        label: day.slice(5),
        parts: LOOKS.map(([look, words, read]) => ({
          look,
          value: read(of),
          title: `${day}: ${usd(read(of))} ${words}`,
        })),
      })),
    )}
    <p class="legend">
      ${LOOKS.map(([look, words]) => html`<span><i class="part-${look}"></i> ${words}</span>`)}
    </p>`;
}

function tile(title: string, big: string, small: string): Html {
  return html`<div class="tile">
    <h2>${title}</h2>
    <p class="big">${big}</p>
    <p class="muted">${small}</p>
  </div>`;
}

function period(by: SpendDimension, { from, to }: Days): Html {
  return html`<form class="filters" action="/console/spend" data-auto>
    <input type="hidden" name="by" value="${by}" />
    <label for="from">From</label> <input id="from" type="date" name="from" value="${from}" />
    <label for="to">to</label> <input id="to" type="date" name="to" value="${to}" />
    <button>Show</button>
  </form>`;
}

function dimensions(by: SpendDimension, days: Days): Html {
  return html`<nav class="tabs" aria-label="Sum by">
    ${SPEND_DIMENSIONS.map(
      (one) =>
        html`<a
          href="${address("/console/spend", one, days)}"
          ${one === by ? html`aria-current="page"` : NOTHING}
          >${one}</a
        >`,
    )}
    <span class="grow"></span>
    <a href="${address("/console/spend.csv", by, days)}" download>CSV</a>
  </nav>`;
}

function table(by: SpendDimension, rows: readonly SpendSum[]): Html {
  if (rows.length === 0) return NOTHING;
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
    const days = await daysOf(desk.store, asked);
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

/** An impossible time is the nearest possible one: a page of figures has no use for an error. */
async function daysOf(
  store: Store,
  { from, to }: { from?: string | undefined; to?: string | undefined },
): Promise<Days> {
  const today = Math.floor((await redisNow(store)) / DAY_MS);
  const last = to === undefined ? today : Math.min(dayNumber(to), today);
  const first = from === undefined ? last - DEFAULT_DAYS + 1 : Math.min(dayNumber(from), last);
  return { from: dayName(Math.max(first, last - MOST_DAYS + 1)), to: dayName(last) };
}

function address(path: string, by: SpendDimension, { from, to }: Days): string {
  return `${path}?${new URLSearchParams({ by, from, to }).toString()}`;
}

export const spendPages = [spend, spendCsv];
