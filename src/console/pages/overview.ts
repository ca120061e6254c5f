/**
 * The first look: what needs a person now, how much waits, and whether the fleet earns or burns money. Everything on it is
 * read from sums and indexes, so it costs the same with ten reports and with ten thousand.
 */
import { z } from "zod";
import { openingReason } from "../../domain/breaker.ts";
import { dayName, readSpendSums } from "../../store/books.ts";
import { listBreakers, readBreaker, type BreakerRecord } from "../../store/read-breakers.ts";
import { listGroups, type CaseGroup } from "../../store/case-groups.ts";
import { readCreditTotals } from "../../store/credits.ts";
import { countByStatus, type StatusCount } from "../../store/find-reports.ts";
import { listProcesses, type ProcessRecord } from "../../store/processes.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { readNewestEvents } from "../../store/read-events.ts";
import { listRoutes, type RouteView } from "../../store/routes.ts";
import { readSpendingStop, startSpending, stopSpending } from "../../store/spending.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, kindBadge, percent, shortWait, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { groupLink } from "../links.ts";
import { action, page, type Visit } from "../page.ts";
import { sayNews } from "../say-event.ts";
import { spendBars, spendWords } from "../spend-chart.ts";
import { tile } from "../tile.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const MOST_GROUPS = 5;
const DAYS = 14;
/** Among so many of the newest events the news is looked for. */
const EVENTS = 400;
const MOST_NEWS = 12;

const overview = page({
  path: "/",
  role: "viewer",
  async show(visit) {
    const { store } = visit.desk;
    const [state, stopped] = await Promise.all([readState(store), readSpendingStop(store)]);
    // A busy fleet has more events an hour than are looked at; then the title says how far back they reach.
    const reach = state.newsMs < HOUR_MS ? shortWait(state.newsMs) : "hour";
    const news = html`<h2>The last ${reach}</h2>
      ${lately(state)}`;
    return {
      title: "Overview",
      nav: "overview",
      body: html`<h1>Overview</h1>
        <div id="overview" data-live="reports reviews types routes spending credits webhooks">
          ${needed(state)} ${tiles(state, visit)}
          <div class="beside">
            <div>${news}</div>
            <aside aria-label="Spend of two weeks">${twoWeeks(state)}</aside>
          </div>
        </div>
        <section id="spending">
          <h2>Stop everything</h2>
          ${
            visit.may("admin")
              ? spendingSwitch(visit, stopped !== null)
              : html`<p class="muted">An admin can stop all spending here.</p>`
          }
        </section>`,
    };
  },
});

interface State {
  now: number;
  groups: CaseGroup[];
  openCases: number;
  counts: ReadonlyMap<StatusCount["status"], StatusCount>;
  breakers: (BreakerRecord & { type: string })[];
  routes: RouteView[];
  days: Awaited<ReturnType<typeof readSpendSums>>;
  held: number;
  processes: ProcessRecord[];
  /** How far back the news is looked for. */
  newsMs: number;
  news: News[];
}

interface News {
  /** The newest of them. */
  at: number;
  words: string;
  to: string | null;
  times: number;
}

async function readState(store: Store): Promise<State> {
  const now = await redisNow(store);
  const today = Math.floor(now / DAY_MS);
  const [groups, openCases, counts, types, routes, days, { held }, processes, events] = await Promise.all([
    listGroups(store, { limit: MOST_GROUPS, order: "credits" }),
    store.redis.zcard(store.keys.cases),
    countByStatus(store),
    listBreakers(store),
    listRoutes(store),
    readSpendSums(store, dayName(today - DAYS + 1), dayName(today)),
    readCreditTotals(store),
    listProcesses(store),
    readNewestEvents(store, EVENTS),
  ]);
  const breakers = await Promise.all(
    types.map(async (type) => ({ type, ...(await readBreaker(store, type)) })),
  );
  const news = events.flatMap(({ at, event }) => {
    const said = at < now - HOUR_MS ? null : sayNews(event);
    return said === null ? [] : [{ at, ...said }];
  });
  return {
    now,
    groups,
    openCases,
    counts: new Map(counts.map((one) => [one.status, one])),
    breakers,
    routes,
    days,
    held,
    processes,
    newsMs: events.length < EVENTS ? HOUR_MS : now - (events.at(-1)?.at ?? now),
    news: gathered(news).slice(0, MOST_NEWS),
  };
}

/** The same thing many times is one line. */
function gathered(all: readonly Omit<News, "times">[]): News[] {
  const byWords = new Map<string, News>();
  for (const one of all) {
    const known = byWords.get(one.words);
    if (known === undefined) byWords.set(one.words, { ...one, times: 1 });
    else known.times += 1;
  }
  return [...byWords.values()];
}

function needed({ groups, openCases, breakers, routes, processes, now }: State): Html {
  const stopped = breakers.filter(({ breaker }) => breaker.state === "open");
  const onTrial = breakers.filter(({ breaker }) => breaker.state === "half_open");
  const closed = routes.filter((route) => route.closed !== null);
  const noWorker = !processes.some(({ roles }) => roles.includes("worker"));
  if (openCases + stopped.length + onTrial.length + closed.length === 0 && !noWorker)
    return html`<p class="banner good">Nothing needs a person now.</p>`;
  const shown = groups.reduce((sum, { open }) => sum + open, 0);
  return html`<section class="needed" aria-labelledby="needed">
    <h2 id="needed">Needs a person now</h2>
    <ul class="plain" data-rows>
      ${
        noWorker
          ? line(
              bad("No worker"),
              html`<a href="/console/workers">No section is written</a>: no process with the role worker is
                registered.`,
            )
          : NOTHING
      }
      ${stopped.map((one) => line(bad("Stopped"), stoppedType(one), html`${count(one.waiting)} reports wait`))}
      ${onTrial.map(({ type }) => line(html`<span class="badge warn">On trial</span>`, typeLink(type)))}
      ${closed.map((one) =>
        line(bad("Closed"), html`<a href="/console/routes" class="mono">${one.route}</a> ${one.closed}`),
      )}
      ${groups.map((group) => groupLine(group, now))}
    </ul>
    ${shown < openCases ? html`<p><a href="/console/review">All ${count(openCases)} cases</a></p>` : NOTHING}
  </section>`;
}

function line(badge: Html, what: Html, money: Html = NOTHING): Html {
  return html`<li><span>${badge}</span> <span>${what}</span> <span class="muted">${money}</span></li>`;
}

function bad(word: string): Html {
  return html`<span class="badge bad">${word}</span>`;
}

function typeLink(type: string): Html {
  return html`<a href="/console/types/${encodeURIComponent(type)}">${type}</a>`;
}

function stoppedType({ type, breaker }: State["breakers"][number]): Html {
  return breaker.state === "open"
    ? html`${typeLink(type)} ${openingReason(breaker.opening)}`
    : typeLink(type);
}

function groupLine(group: CaseGroup, now: number): Html {
  const { failure, type, section, open, creditsHeld, spentMicros, waitingSince } = group;
  const where = `${type}${section === null ? "" : ` · ${section}`}`;
  return line(
    kindBadge(failure.kind),
    html`<a href="${groupLink(group.group)}">${open === 1 ? "" : `${count(open)} × `}${where}</a>
      ${failure.message}`,
    html`${count(creditsHeld)} credits held, ${usd(spentMicros)}
    spent${waitingSince === null ? "" : html`, ${ago(waitingSince, now)}`}`,
  );
}

function tiles({ counts, days, held, processes, now }: State, { desk }: Visit): Html {
  const of = (...statuses: StatusCount["status"][]) => statuses.flatMap((status) => counts.get(status) ?? []);
  const waiting = of("pending", "waiting_for_retry");
  const oldest = Math.min(...waiting.flatMap(({ oldestAt }) => oldestAt ?? []));
  const today = days.at(-1);
  const total = today?.totalMicros ?? 0;
  const cap = desk.caps.fleetPerDay;
  const lost = (today?.spend.wasted ?? 0) + (today?.spend.unknown ?? 0);
  const workers = processes.filter(({ roles }) => roles.includes("worker")).length;
  const versions = [...new Set(processes.map(({ version }) => version))];
  return html`<div class="tiles">
    ${tile(
      "Waiting",
      html`<a href="/console/reports?status=pending">${count(sumOf(waiting))}</a>`,
      sumOf(waiting) === 0 ? "Nothing waits for its turn." : `the oldest for ${shortWait(now - oldest)}`,
    )}
    ${tile(
      "Being written",
      html`<a href="/console/reports?status=running">${count(sumOf(of("running")))}</a>`,
      `${count(sumOf(of("completed")))} delivered, ${count(sumOf(of("failed", "cancelled")))} ended without`,
    )}
    ${tile(
      "Spent today (UTC)",
      html`<a href="/console/spend">${usd(total)}</a>`,
      cap === null
        ? "No daily cap is set."
        : html`${percent(total, cap)} of the cap ${usd(cap)}
            <meter
              min="0"
              max="${cap}"
              high="${Math.round(cap * 0.8)}"
              value="${Math.min(total, cap)}"
              aria-label="Of the daily cap"
            ></meter>`,
    )}
    ${tile("Wasted today", html`<a href="/console/spend?by=kind">${percent(lost, total)}</a>`, `${usd(lost)} brought nothing`)}
    ${tile("Credits held", html`<a href="/console/accounts">${count(held)}</a>`, "for reports that are not over")}
    ${tile(
      "Workers",
      html`<a href="/console/workers">${count(workers)}</a>`,
      versions.length === 0 ? "none registered" : `version ${versions.join(" and ")}`,
    )}
  </div>`;
}

function sumOf(all: readonly StatusCount[]): number {
  return all.reduce((sum, one) => sum + one.count, 0);
}

function lately({ news, now }: State): Html {
  if (news.length === 0) return html`<p class="muted">Nothing out of the ordinary.</p>`;
  return html`<ol class="events">
    ${news.map(
      ({ at, words, to, times }) =>
        html`<li>
          ${ago(at, now)}
          <span
            >${to === null ? words : html`<a href="${to}">${words}</a>`}${times === 1 ? NOTHING : html` <small>${times} times</small>`}</span
          >
        </li>`,
    )}
  </ol>`;
}

function twoWeeks({ days }: State): Html {
  return html`<h2>Two weeks</h2>
    <p>${spendWords(days)}</p>
    ${spendBars(
      `Spend of the last ${DAYS} days`,
      days.map(({ day, spend }) => ({ label: day.slice(8), title: day, spend })),
    )}`;
}

function spendingSwitch(visit: Visit, isStopped: boolean): Html {
  return isStopped
    ? form(
        visit,
        "/spending/start",
        html`${whyField("why-start", "the bill was checked")} <button>Let calls begin again</button>`,
      )
    : form(
        visit,
        "/spending/stop",
        html`<p>
            No call begins anywhere within two seconds. Calls in flight end and are booked; reports wait.
          </p>
          ${whyField("why-stop", "the bill looks wrong")} <button class="danger">Stop all spending</button>`,
      );
}

const stop = action({
  path: "/spending/stop",
  role: "admin",
  form: z.object({ why }),
  async act({ desk, by }, form_) {
    const outcome = await stopSpending(desk.store, form_.why, by);
    return {
      said: outcome === "stopped" ? "Spending is stopped." : "Spending was stopped before; that stop stays.",
    };
  },
});

const start = action({
  path: "/spending/start",
  role: "admin",
  form: z.object({ why }),
  async act({ desk, by }, form_) {
    await startSpending(desk.store, by, form_.why);
    return { said: "Calls may begin again; waiting reports go on within seconds." };
  },
});

export const overviewPages = [overview, stop, start];
