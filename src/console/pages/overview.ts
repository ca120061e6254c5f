/** What needs a person now, and whether the fleet earns or burns money. */
import { z } from "zod";
import { BREAKER_WORDS, openingReason } from "../../domain/breaker.ts";
import { dayName, readSpendSums } from "../../store/books.ts";
import { listBreakers, readBreaker, type BreakerRecord } from "../../store/breakers.ts";
import { listGroups, type CaseGroup } from "../../store/case-groups.ts";
import { readCreditTotals } from "../../store/credits.ts";
import { countByStatus } from "../../store/find-reports.ts";
import { listProcesses } from "../../store/processes.ts";
import { redisNow } from "../../store/redis.ts";
import { listRoutes } from "../../store/routes.ts";
import { readSpendingStop, startSpending, stopSpending } from "../../store/spending.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, percent, status, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type ConsoleDesk, type Visit } from "../page.ts";

const DAY_MS = 86_400_000;
const MOST_GROUPS = 5;

const overview = page({
  path: "/",
  role: "viewer",
  async show(visit) {
    const { store } = visit.desk;
    const now = await redisNow(store);
    const [tiles, stopped] = await Promise.all([readTiles(visit.desk, now), readSpendingStop(store)]);
    return {
      title: "Overview",
      nav: "overview",
      body: html`<h1>Overview</h1>
        <div id="overview" data-live="reports reviews types routes spending credits">${tiles}</div>
        <section id="spending">
          <h2>Stop everything</h2>
          ${visit.may("admin") ? spendingSwitch(visit, stopped !== null) : html`<p class="muted">An admin can stop all spending here.</p>`}
        </section>`,
    };
  },
});

async function readTiles({ store, caps }: ConsoleDesk, now: number): Promise<Html> {
  const today = dayName(Math.floor(now / DAY_MS));
  const [groups, parked, types, routes, [day], processes, counts, credits] = await Promise.all([
    listGroups(store, { limit: MOST_GROUPS, order: "credits" }),
    store.redis.zcard(store.keys.cases),
    listBreakers(store),
    listRoutes(store),
    readSpendSums(store, today, today),
    listProcesses(store),
    countByStatus(store),
    readCreditTotals(store),
  ]);
  const breakers = await Promise.all(
    types.map(async (type) => ({ type, record: await readBreaker(store, type) })),
  );
  const broken = breakers.filter(({ record }) => record.breaker.state !== "closed");
  const closed = routes.filter((route) => route.closed !== null || (route.closedUntil ?? 0) > now);
  const spent = day?.totalMicros ?? 0;
  const wasted = day?.spend.wasted ?? 0;
  const cap = caps.fleetPerDay;
  const waiting = counts.find(({ status: word }) => word === "pending");
  const writing = processes.filter(({ roles }) => roles.includes("worker")).length;
  const versions = [...new Set(processes.map(({ version }) => version))].sort();
  return html`<div class="tiles">
      ${tile("Waiting for a person", "/review", count(parked), html`${parked === 0 ? "Nothing is parked." : "Parked failures."}`)}
      ${tile("Stopped types", "/types", count(broken.length), html`of ${count(types.length)} report types`)}
      ${tile("Closed routes", "/routes", count(closed.length), html`of ${count(routes.length)} ways to a model`)}
      ${tile(
        "Not begun yet",
        "/reports?status=pending",
        count(waiting?.count ?? 0),
        waiting?.oldestAt == null
          ? html`Every order has begun.`
          : html`The oldest was ordered ${ago(waiting.oldestAt, now)}.`,
      )}
      ${tile("Spent today (UTC)", "/spend", usd(spent), html`${cap === null ? "No cap is set." : `${percent(spent, cap)} of the cap ${usd(cap)}`}`)}
      ${tile("Wasted today", "/spend?by=kind", percent(wasted, spent), html`${usd(wasted)} of what was spent`)}
      ${tile("Credits held", "/accounts", count(credits.held), html`of ${count(credits.deposits)} deposited`)}
      ${tile("Workers", "/workers", count(writing), html`of ${count(processes.length)} processes, version ${versions.join(", ")}`)}
    </div>
    ${groups.length === 0 ? NOTHING : groupTable(groups, now)}
    ${broken.length === 0 ? NOTHING : brokenList(broken)}`;
}

function groupTable(groups: readonly CaseGroup[], now: number): Html {
  return html`<h2>What waits for a person</h2>
    <table class="cards">
      <thead>
        <tr>
          <th>Failure</th>
          <th>Type</th>
          <th class="num">Open</th>
          <th class="num">Credits held</th>
          <th class="num">Spent</th>
          <th class="num">Last seen</th>
        </tr>
      </thead>
      <tbody data-rows>
        ${groups.map(
          (group) =>
            html`<tr>
              <td><a href="/console/groups/${group.group}">${group.failure.message}</a></td>
              <td>${group.type}${group.section === null ? "" : ` · ${group.section}`}</td>
              <td class="num" data-label="Open">${count(group.open)}</td>
              <td class="num" data-label="Held">${count(group.creditsHeld)}</td>
              <td class="num" data-label="Spent">${usd(group.spentMicros)}</td>
              <td class="num" data-label="Seen">${ago(group.lastSeen, now)}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function brokenList(broken: readonly { type: string; record: BreakerRecord }[]): Html {
  return html`<h2>Stopped report types</h2>
    <ul>
      ${broken.map(({ type, record: { breaker, waiting } }) => {
        const opening = breaker.state === "closed" ? null : breaker.opening;
        return html`<li>
          <a href="/console/types/${type}">${type}</a> ${status(breaker.state, BREAKER_WORDS[breaker.state])}
          ${opening === null ? NOTHING : html`<span class="why">${openingReason(opening)}.</span>`}
          ${waiting === 0 ? NOTHING : html`<small>${count(waiting)} wait for it</small>`}
        </li>`;
      })}
    </ul>`;
}

function tile(title: string, to: string, big: string, small: Html): Html {
  return html`<div class="tile">
    <h2>${title}</h2>
    <p class="big"><a href="/console${to}">${big}</a></p>
    <p class="muted">${small}</p>
  </div>`;
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
