/** The report types: which are stopped, on what evidence, and what happened to each before. */
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import {
  BREAKER_CAUSE_WORDS,
  BREAKER_WORDS,
  openingReason,
  type CastVote,
  type Opening,
} from "../../domain/breaker.ts";
import { formatWait, type MicroUsd } from "../../domain/ids.ts";
import { promptVersionsOf } from "../../report-types/prompt-versions.ts";
import { turnBreaker } from "../../store/breakers.ts";
import {
  listBreakers,
  listPostponed,
  readBreaker,
  readBreakerHistory,
  spentInVain,
  type BreakerRecord,
  type BreakerTurn,
} from "../../store/read-breakers.ts";
import { redisNow } from "../../store/redis.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, status, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type ConsoleDesk, type Visit } from "../page.ts";

const HISTORY_ROWS = 50;
const WAITING_ROWS = 20;
const aType = z.object({ type: z.string().max(100) });

const list = page({
  path: "/types",
  role: "viewer",
  async show({ desk }) {
    const { store } = desk;
    const now = await redisNow(store);
    const rows = await Promise.all(
      (await listBreakers(store)).map(async (type) => ({ type, record: await readBreaker(store, type) })),
    );
    return {
      title: "Types",
      nav: "types",
      body: html`<h1>Report types</h1>
        <div id="types" data-live="types">
          ${
            rows.length === 0
              ? html`<p class="muted">
                  No process has announced a report type yet. Start one with a worker's role.
                </p>`
              : table(desk, rows, now)
          }
        </div>`,
    };
  },
});

function table(
  desk: ConsoleDesk,
  rows: readonly { type: string; record: BreakerRecord }[],
  now: number,
): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Type</th>
        <th>State</th>
        <th>Why</th>
        <th class="num">Version</th>
        <th class="num">Price</th>
        <th class="num">Votes</th>
        <th class="num">Waiting</th>
        <th class="num">Since</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${rows.map(({ type, record }) => {
        const { breaker, since, settings, waiting } = record;
        const opening = openingIn(record);
        const known = desk.types.get(type);
        return html`<tr>
          <td>
            <a href="/console/types/${type}">${type}</a
            >${known === undefined ? NOTHING : html`<br /><small>${known.title}</small>`}
          </td>
          <td>${status(breaker.state, BREAKER_WORDS[breaker.state])}</td>
          <td class="why">${opening === null ? NOTHING : openingReason(opening)}</td>
          <td class="num" data-label="Version">${breaker.version}</td>
          <td class="num" data-label="Price">
            ${known === undefined ? "–" : html`${count(known.credits)} <small>credits</small>`}
          </td>
          <td class="num" data-label="Votes">
            ${votesIn(record).length} <small>of ${settings.threshold}</small>
          </td>
          <td class="num" data-label="Waiting">${count(waiting)}</td>
          <td class="num" data-label="Since">${since === null ? "–" : ago(since, now)}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

const show = page({
  path: "/types/:type",
  role: "viewer",
  params: aType,
  async show(visit) {
    const { desk, params } = visit;
    const { store } = desk;
    const { type } = params;
    if (!(await listBreakers(store)).includes(type))
      throw new Problem("not_found", "No process of this fleet has announced such a report type.");
    const [record, history, waiting, now] = await Promise.all([
      readBreaker(store, type),
      readBreakerHistory(store, type, HISTORY_ROWS),
      listPostponed(store, type, WAITING_ROWS),
      redisNow(store),
    ]);
    const votes = votesIn(record);
    const burnt = await spentInVain(
      store,
      votes.map(({ report }) => report),
    );
    return {
      title: type,
      nav: "types",
      body: html`<h1>${type}</h1>
        <div id="breaker" data-live="types">
          ${standing(record, burnt, now)} ${evidence(votes, now)} ${waitingFor(record, waiting)}
        </div>
        ${visit.may("admin") ? decisions(visit, type, record) : html`<p class="muted">An admin can stop and start it here.</p>`}
        ${definition(desk, type)}
        <h2>What happened before</h2>
        ${history.length === 0 ? html`<p class="muted">It was never stopped.</p>` : past(history, now)}`,
    };
  },
});

function openingIn({ breaker }: BreakerRecord): Opening | null {
  return breaker.state === "closed" ? null : breaker.opening;
}

function votesIn({ breaker }: BreakerRecord): readonly CastVote[] {
  return breaker.state === "closed" ? breaker.votes : (breaker.opening?.votes ?? []);
}

function standing(record: BreakerRecord, burnt: MicroUsd, now: number): Html {
  const { breaker, since, settings } = record;
  const opening = openingIn(record);
  const unless = settings.successResets ? ", unless the same section succeeds meanwhile" : "";
  return html`<dl class="facts">
    <dt>State</dt>
    <dd>
      ${status(breaker.state, BREAKER_WORDS[breaker.state])}${since === null ? NOTHING : html`, ${ago(since, now)}`},
      newest version ${breaker.version}
    </dd>
    ${
      opening === null
        ? NOTHING
        : html`<dt>Why</dt>
            <dd>${openingReason(opening)}</dd>
            <dt>By</dt>
            <dd>${opening.by ?? "its own failures"}</dd>`
    }
    ${
      breaker.state === "half_open"
        ? html`<dt>Canaries</dt>
            <dd>
              ${breaker.probes.length === 0 ? "none under way" : breaker.probes.map(({ report }) => html`<a class="mono" href="/console/reports/${report}">${report}</a> `)};
              ${breaker.delivered} of ${settings.probes} delivered
            </dd>`
        : NOTHING
    }
    <dt>Burnt</dt>
    <dd>${usd(burnt)} by the reports that voted, without a result</dd>
    <dt>Rule</dt>
    <dd>
      stops at ${settings.threshold} failed sections within ${formatWait(settings.windowMs)}${unless}; then
      orders are ${settings.whenOpen === "hold" ? "held" : "refused"}
    </dd>
  </dl>`;
}

function evidence(votes: readonly CastVote[], now: number): Html {
  if (votes.length === 0) return NOTHING;
  return html`<h2>Evidence</h2>
    <table class="cards">
      <thead>
        <tr>
          <th>Failed</th>
          <th>Report</th>
          <th>Section</th>
          <th>Failure</th>
          <th class="num">Version</th>
        </tr>
      </thead>
      <tbody data-rows>
        ${votes.map(
          ({ at, report, section, failure, version }) =>
            html`<tr>
              <td class="nowrap">${ago(at, now)}</td>
              <td><a class="mono small" href="/console/reports/${report}">${report}</a></td>
              <td>${section}</td>
              <td class="why"><strong>${failure.kind}</strong> ${failure.message}</td>
              <td class="num" data-label="Version">${version}</td>
            </tr>`,
        )}
      </tbody>
    </table>`;
}

function waitingFor({ waiting }: BreakerRecord, reports: readonly string[]): Html {
  if (waiting === 0) return NOTHING;
  return html`<h2>${count(waiting)} ${waiting === 1 ? "report waits" : "reports wait"} for it</h2>
    <p class="muted">They keep what they have, and go on by themselves, a few at a time.</p>
    <ul>
      ${reports.map((report) => html`<li><a class="mono" href="/console/reports/${report}">${report}</a></li>`)}
      ${waiting > reports.length ? html`<li class="muted">and ${count(waiting - reports.length)} more</li>` : NOTHING}
    </ul>`;
}

function decisions(visit: Visit, type: string, { breaker }: BreakerRecord): Html {
  const stop = html`<details class="action">
    <summary>Stop it</summary>
    ${form(
      visit,
      `/types/${type}/stop`,
      html`<p>
          No call of it begins anywhere. Reports wait with what they have; no deploy starts it again, only a
          person.
        </p>
        ${whyField("why-stop", "its prompt is wrong")} <button class="danger">Stop ${type}</button>`,
    )}
  </details>`;
  const begin = html`<details class="action">
    <summary>Start it again</summary>
    ${form(
      visit,
      `/types/${type}/start`,
      html`<label
          ><input type="radio" name="how" value="trial" checked /> with a canary first: its delivery starts
          the rest</label
        >
        <label><input type="radio" name="how" value="all" /> at once, for all that wait</label>
        ${whyField("why-start", "the parser is mended")} <button>Start ${type}</button>`,
    )}
  </details>`;
  return html`<h2>Decide</h2>
    <div class="row">
      ${breaker.state === "closed" ? NOTHING : begin} ${breaker.state === "open" ? NOTHING : stop}
    </div>`;
}

function definition(desk: ConsoleDesk, name: string): Html {
  const type = desk.types.get(name);
  if (type === undefined)
    return html`<p class="muted">
      This process does not load the type, so its definition cannot be shown here.
    </p>`;
  const versions = promptVersionsOf(type);
  const sections = "templates" in type.sections ? type.sections.templates : type.sections;
  return html`<h2>Definition</h2>
    <dl class="facts">
      <dt>Title</dt>
      <dd>${type.title}, version ${type.version}</dd>
      <dt>Price</dt>
      <dd>${count(type.credits)} credits</dd>
      <dt>Budget</dt>
      <dd>
        ${usd(Math.round(type.budget.usd * 1_000_000))} a report; a call that would exceed it does not begin
      </dd>
      <dt>Sections</dt>
      <dd>
        ${sections.map(({ key, title }) => {
          const of = versions.filter(({ section }) => section === key).map(({ version }) => version);
          return html`<div>
            ${key}: ${title}${of.length === 0 ? NOTHING : html` <small>prompt ${of.join(", ")}</small>`}
          </div>`;
        })}
      </dd>
      <dt>Source</dt>
      <dd>
        <details>
          <summary>JSON Schema</summary>
          <pre>
${JSON.stringify(z.toJSONSchema(type.source, { io: "input", unrepresentable: "any" }), null, 2)}</pre>
        </details>
      </dd>
    </dl>`;
}

function past(history: readonly BreakerTurn[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>When</th>
        <th>From</th>
        <th>To</th>
        <th class="num">Version</th>
        <th>By</th>
        <th>Why</th>
        <th class="num">Votes</th>
        <th class="num">Burnt</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${history.map(
        (turn) =>
          html`<tr>
            <td class="nowrap">${ago(turn.at, now)}</td>
            <td data-label="From">${BREAKER_WORDS[turn.from]}</td>
            <td>${status(turn.to, BREAKER_WORDS[turn.to])}</td>
            <td class="num" data-label="Version">${turn.version}</td>
            <td data-label="By">${turn.by ?? "the fleet"}</td>
            <td class="why">${turn.reason ?? BREAKER_CAUSE_WORDS[turn.cause]}</td>
            <td class="num" data-label="Votes">${turn.votes.length}</td>
            <td class="num" data-label="Burnt">${usd(turn.burntMicros)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

const stop = action({
  path: "/types/:type/stop",
  role: "admin",
  params: aType,
  form: z.object({ why }),
  async act({ desk, by, params: { type } }, form_) {
    await requireKnown(desk, type);
    const outcome = await turnBreaker(desk.store, type, { to: "open", by, reason: form_.why });
    return {
      said: outcome === "turned" ? `${type} is stopped.` : `${type} was stopped by a person before.`,
    };
  },
});

const start = action({
  path: "/types/:type/start",
  role: "admin",
  params: aType,
  form: z.object({ why, how: z.enum(["trial", "all"]).catch("trial") }),
  async act({ desk, by, params: { type } }, form_) {
    await requireKnown(desk, type);
    const to = form_.how === "trial" ? "half_open" : "closed";
    const outcome = await turnBreaker(desk.store, type, { to, by, reason: form_.why });
    const words = { half_open: "is on trial: its first reports go alone", closed: "runs again" } as const;
    return { said: outcome === "turned" ? `${type} ${words[to]}.` : `${type} is so already.` };
  },
});

/** A slip must not stop a type that nobody has, and leave the other one running. */
async function requireKnown({ store }: ConsoleDesk, type: string): Promise<void> {
  if (!(await listBreakers(store)).includes(type))
    throw new Problem("not_found", "No process of this fleet has announced such a report type.");
}

export const typePages = [list, show, stop, start];
