/** The inbox: what waits for a person, the same trouble in one row, with the money that waits with it. */
import { z } from "zod";
import { FAILURE_KINDS } from "../../domain/failure.ts";
import type { ReviewCase } from "../../domain/review.ts";
import { claimCase, readClaims, type CaseClaim } from "../../store/case-claims.ts";
import { GROUP_ORDERS, listGroups, type CaseGroup, type GroupFilter } from "../../store/case-groups.ts";
import { listDecidedCases, oldestCasesOf, readCases } from "../../store/cases.ts";
import { listOperations, type OperationHead } from "../../store/operations.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { form } from "../form.ts";
import { ago, count, kindBadge, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Visit } from "../page.ts";
import { caseLink, groupLink } from "../links.ts";
import { tabTo } from "../tab.ts";
import { titleOf } from "./case-decision.ts";

const STATES = ["open", "mine", "claimed", "decided"] as const;
type State = (typeof STATES)[number];

const ROWS = 25;
/** Shown below a group without asking for more. */
const SAMPLES = 3;
const MOST_DECIDED = 50;
/** "Claim the next" looks at so many groups, and at so many cases of each, before it says that all are taken. */
const MOST_TRIED = { groups: 50, cases: 200 };

const blank = (text: unknown) => (text === "" ? undefined : text);
const word = z.preprocess(blank, z.string().max(100).optional()).catch(undefined);
const filters = {
  kind: z.preprocess(blank, z.enum(FAILURE_KINDS).optional()).catch(undefined),
  type: word,
  section: word,
  order: z.enum(GROUP_ORDERS).catch("oldest"),
};

const Query = z.object({
  ...filters,
  state: z.enum(STATES).catch("open"),
  from: z.coerce.number().int().min(0).max(100_000).catch(0),
});
type Query = z.output<typeof Query>;

const inbox = page({
  path: "/review",
  role: "viewer",
  query: Query,
  async show(visit) {
    const { query } = visit;
    const { store, types } = visit.desk;
    const now = await redisNow(store);
    const claims = await readClaims(store, now);
    const shown =
      query.state === "open"
        ? await groupsShown(store, query, claims, now)
        : await casesShown(store, query.state, visit.person.name, claims, now);
    return {
      title: "Review",
      nav: "review",
      body: html`<div class="row head">
          <h1>Review</h1>
          <span class="grow"></span>
          ${query.state === "open" && visit.may("reviewer") ? claimNextForm(visit, query) : NOTHING}
        </div>
        ${tabs(query, claims, visit.person.name)}
        ${
          query.state === "open"
            ? filterForm(
                query,
                types.all().map(({ type }) => type),
              )
            : NOTHING
        }
        <div id="inbox" data-live="reviews">${shown}</div>`,
    };
  },
});

function tabs({ state }: Query, claims: ReadonlyMap<string, CaseClaim>, me: string): Html {
  const mine = [...claims.values()].filter(({ by }) => by === me).length;
  const names: Record<State, string> = {
    open: "Waiting",
    mine: `Mine (${mine})`,
    claimed: `Looked at (${claims.size})`,
    decided: "Decided",
  };
  return html`<nav class="tabs" aria-label="Cases" id="states" data-live="reviews">
    ${STATES.map((one) =>
      tabTo(`/console/review${one === "open" ? "" : `?state=${one}`}`, names[one], one === state),
    )}
  </nav>`;
}

function filterForm({ kind, type, section, order }: Query, types: readonly string[]): Html {
  const orders = {
    oldest: "waiting longest",
    credits: "most credits held",
    cases: "most cases",
    latest: "seen last",
  };
  return html`<form class="filters" method="get" action="/console/review" data-auto>
    ${select("kind", "Kind", [["", "every kind"], ...FAILURE_KINDS.map((one): Option => [one, one])], kind)}
    ${select("type", "Report type", [["", "every type"], ...types.map((one): Option => [one, one])], type)}
    <label
      >Section <input name="section" size="14" maxlength="100" value="${section ?? ""}" data-search
    /></label>
    ${select(
      "order",
      "First",
      GROUP_ORDERS.map((one): Option => [one, orders[one]]),
      order,
    )}
    <button class="plain">Show</button>
  </form>`;
}

type Option = readonly [value: string, label: string];

function select(name: string, label: string, options: readonly Option[], chosen: string | undefined): Html {
  return html`<label
    >${label}
    <select name="${name}">
      ${options.map(
        ([value, text]) =>
          html`<option value="${value}" ${value === (chosen ?? "") ? html`selected` : NOTHING}>
            ${text}
          </option>`,
      )}
    </select>
  </label>`;
}

function claimNextForm(visit: Visit, { kind, type, section, order }: Query): Html {
  const hidden = Object.entries({ kind, type, section, order }).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value ?? ""}" />`,
  );
  return form(
    visit,
    "/review/next",
    html`${hidden} <button data-key="c">Take the next case</button>`,
    "inline",
  );
}

async function groupsShown(
  store: Store,
  query: Query,
  claims: ReadonlyMap<string, CaseClaim>,
  now: number,
): Promise<Html> {
  const { kind, type, section, order, from } = query;
  const [groups, operations] = await Promise.all([
    listGroups(store, { kind, type, section, order, offset: from, limit: ROWS + 1 }),
    listOperations(store, "running"),
  ]);
  const samples = await oldestCasesOf(
    store,
    groups.map(({ group }) => group),
    SAMPLES,
  );
  const isFiltered = kind !== undefined || type !== undefined || section !== undefined;
  const underWay = operations.map((one) => operationLine(one, now));
  if (groups.length === 0)
    return html`${underWay}
      <p class="banner good">
        ${isFiltered ? "Nothing waits for a person that looks like this." : "Nothing waits for a person."}
      </p>`;
  return html`${underWay}
    <table class="cards inbox">
      <thead>
        <tr>
          <th>Failure</th>
          <th class="num">Waiting</th>
          <th class="num">Credits held</th>
          <th class="num">Spent</th>
          <th class="num">Wasted</th>
          <th>Oldest</th>
          <th>Last seen</th>
        </tr>
      </thead>
      <tbody data-rows>
        ${groups.slice(0, ROWS).map((group) => row(group, samples.get(group.group) ?? [], claims, now))}
      </tbody>
    </table>
    ${pager(query, groups.length > ROWS)}`;
}

function operationLine({ group, action: what, by, progress, startedAt }: OperationHead, now: number): Html {
  const { waiting, underWay, through, parkedAgain, refused } = progress;
  const all = waiting + underWay + through + parkedAgain + refused;
  return html`<p class="banner">
    <a href="${groupLink(group)}">${titleOf(what)}</a>: ${count(all - waiting)} of ${count(all)} decided, by
    ${by}, ${ago(startedAt, now)}
  </p>`;
}

function row(
  group: CaseGroup,
  samples: readonly ReviewCase[],
  claims: ReadonlyMap<string, CaseClaim>,
  now: number,
): Html {
  const { failure, type, section, open, seen } = group;
  const [first] = samples;
  const to = open === 1 && first !== undefined ? caseLink(first.id) : groupLink(group.group);
  return html`<tr id="${group.group}">
    <td>
      <a class="sentence" href="${to}">${failure.message}</a>
      <p class="row small">
        ${kindBadge(failure.kind)}
        <span>${type}${section === null ? "" : ` · ${section}`}</span>
        <span class="muted">${failure.code}</span>
      </p>
      <details id="cases-${group.group}">
        <summary class="small muted">${open === 1 ? "1 case" : `${count(open)} cases`}</summary>
        <ul class="plain">
          ${samples.map((one) => html`<li>${caseLine(one, claims, now)}</li>`)}
          ${open > samples.length ? html`<li><a href="${groupLink(group.group)}">All ${count(open)}</a></li>` : NOTHING}
        </ul>
      </details>
    </td>
    <td class="num" data-label="Waiting">
      ${count(open)} ${seen > open ? html`<small>of ${count(seen)}</small>` : NOTHING}
    </td>
    <td class="num" data-label="Credits held">${count(group.creditsHeld)}</td>
    <td class="num" data-label="Spent">${usd(group.spentMicros)}</td>
    <td class="num" data-label="Wasted">${usd(group.wastedMicros)}</td>
    <td class="nowrap" data-label="Oldest">
      ${group.waitingSince === null ? "" : ago(group.waitingSince, now)}
    </td>
    <td class="nowrap" data-label="Seen">${ago(group.lastSeen, now)}</td>
  </tr>`;
}

/** One case where its failure is said already. */
function caseLine(one: ReviewCase, claims: ReadonlyMap<string, CaseClaim>, now: number): Html {
  const claim = claims.get(one.id);
  return html`<a href="${caseLink(one.id)}" class="mono">${one.report}</a> ${one.account},
    ${ago(one.openedAt, now)}
    ${claim === undefined ? NOTHING : html`<span class="busy">· ${claim.by} is looking at it</span>`}`;
}

function pager(query: Query, hasMore: boolean): Html {
  const to = (from: number) => {
    const address = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...query, from }))
      if (value !== undefined && value !== 0) address.set(name, String(value));
    return `/console/review?${address.toString()}`;
  };
  if (query.from === 0 && !hasMore) return NOTHING;
  return html`<nav class="row" aria-label="Pages of the list">
    ${query.from > 0 ? html`<a href="${to(Math.max(0, query.from - ROWS))}">Earlier rows</a>` : NOTHING}
    ${hasMore ? html`<a href="${to(query.from + ROWS)}">Further rows</a>` : NOTHING}
  </nav>`;
}

async function casesShown(
  store: Store,
  state: Exclude<State, "open">,
  me: string,
  claims: ReadonlyMap<string, CaseClaim>,
  now: number,
): Promise<Html> {
  const wanted = [...claims].filter(([, { by }]) => state === "claimed" || by === me).map(([id]) => id);
  const cases =
    state === "decided" ? await listDecidedCases(store, MOST_DECIDED) : await readCases(store, wanted);
  if (cases.length === 0)
    return html`<p class="muted">
      ${state === "decided" ? "Nothing was decided of late." : "Nobody is looking at a case."}
    </p>`;
  return html`<table class="cards inbox">
    <thead>
      <tr>
        <th>Case</th>
        <th>${state === "decided" ? "Decided" : "Looked at by"}</th>
        <th class="num">Credits held</th>
        <th class="num">Spent</th>
        <th>Opened</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${cases.map(
        (one) =>
          html`<tr id="${one.id}">
            <td>
              <a class="sentence" href="${caseLink(one.id)}">${one.failure.message}</a>
              <p class="row small">
                ${kindBadge(one.failure.kind)}
                <span>${one.type}${one.section === null ? "" : ` · ${one.section}`}</span>
                <span class="muted mono">${one.report}</span>
              </p>
            </td>
            <td>
              ${one.state.status === "open" ? (claims.get(one.id)?.by ?? "") : decidedLine(one.state, now)}
            </td>
            <td class="num" data-label="Held">
              ${one.state.status === "open" ? count(one.creditsHeld) : ""}
            </td>
            <td class="num" data-label="Spent">${usd(one.spentMicros)}</td>
            <td class="nowrap" data-label="Opened">${ago(one.openedAt, now)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function decidedLine(state: Extract<ReviewCase["state"], { status: "resolved" }>, now: number): Html {
  const { action: what, by, why, at } = state;
  return html`<strong>${what.replaceAll("_", " ")}</strong> by ${by}, ${ago(at, now)}
    <p class="why small">${why}</p>`;
}

const next = action({
  path: "/review/next",
  role: "reviewer",
  form: z.object(filters),
  async act(visit, filter) {
    const id = await claimNext(visit, filter);
    if (id === null) return { to: "/console/review", said: "Nothing waits that nobody looks at." };
    return { to: caseLink(id) };
  },
});

/** The oldest case of the first group that has one nobody looks at, in the order of the inbox. */
export async function claimNext(
  { desk: { store, durations }, person }: Visit,
  filter: Omit<GroupFilter, "limit" | "offset">,
): Promise<string | null> {
  const groups = await listGroups(store, { ...filter, limit: MOST_TRIED.groups });
  for (const { group } of groups) {
    const cases = await store.redis.zrange(store.keys.groupCases(group), 0, String(MOST_TRIED.cases - 1));
    if (cases.length === 0) continue;
    const claimed = await claimCase(store, cases, { by: person.name, forMs: durations.caseClaimMs });
    if (claimed.outcome === "claimed") return claimed.case;
  }
  return null;
}

export const reviewPages = [inbox, next];
