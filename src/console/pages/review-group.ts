/**
 * The same trouble many times over: its cases, and one decision for all of them, which is priced first, sends canaries
 * ahead, spends no more than its cap, and can be stopped while it goes on.
 */
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { decideGroup } from "../../desk/group-operation.ts";
import { previewGroup, type GroupPreview } from "../../desk/preview-group.ts";
import { FleetError, isFleetError } from "../../domain/fleet-error.ts";
import type { ReviewCase } from "../../domain/review.ts";
import { readClaims, type CaseClaim } from "../../store/case-claims.ts";
import { readGroup, type CaseGroup } from "../../store/case-groups.ts";
import { listCases } from "../../store/cases.ts";
import { listOperations } from "../../store/operations.ts";
import { redisNow } from "../../store/redis.ts";
import { ago, count, kindBadge, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Done, type Shown, type Visit } from "../page.ts";
import { caseLink, groupLink } from "../links.ts";
import { tile } from "../tile.ts";
import {
  CONFIRMED_ABOVE,
  decideFields,
  decisionForm,
  microsOf,
  orderOf,
  type Fields,
} from "./group-decision.ts";
import { progress } from "./group-progress.ts";
import { mayTake, titleOf, TAKES_ADMIN } from "./case-decision.ts";

const aGroup = z.object({ group: z.string().max(300) });

const ROWS = 50;

const KEYS = [
  ["d", "dry run: price the decision"],
  ["Ctrl/⌘ Enter", "decide, once it is priced"],
] as const;

const show = page({
  path: "/groups/:group",
  role: "viewer",
  params: aGroup,
  query: z.object({ from: z.coerce.number().int().min(0).max(1_000_000).catch(0) }),
  show: (visit) => groupPage(visit, visit.params.group, { from: visit.query.from }),
});

/** What a form brought back, and what is to be said of it. */
interface Returned {
  fields?: Fields;
  preview?: GroupPreview;
  said?: { words: string; status: 409 | 422 };
  from?: number;
}

async function groupPage(visit: Visit, name: string, returned: Returned): Promise<Shown> {
  const { store } = visit.desk;
  const { from = 0, said } = returned;
  const group = await readGroup(store, name);
  if (group === null) throw new Problem("not_found", "There is no such group of cases.");
  const now = await redisNow(store);
  const [cases, operations, claims] = await Promise.all([
    listCases(store, { group: name, limit: ROWS + 1, offset: from }),
    listOperations(store, { group: name }),
    readClaims(store, now),
  ]);
  const mayDecide = visit.may("reviewer") && group.open > 0;
  return {
    title: group.failure.message,
    nav: "review",
    keys: [...(mayDecide ? KEYS : []), ["u", "up to the inbox"]],
    ...(said === undefined ? {} : { status: said.status }),
    body: html`<nav class="row small way" aria-label="Where this is">
        <a href="/console/review" data-key="u">Review</a>
      </nav>
      <h1>${group.failure.message}</h1>
      ${said === undefined ? NOTHING : html`<p class="banner bad" role="alert">${said.words}</p>`}
      <div id="group" data-live="reviews">
        ${standing(group, now)} ${operations.map((one) => progress(visit, one, now))}
      </div>
      <div class="panes">
        <section class="what" aria-labelledby="cases">
          <h2 id="cases">Cases</h2>
          <div id="case-list" data-live="reviews">${caseTable(cases.slice(0, ROWS), claims, now)}</div>
          ${pager(name, from, cases.length > ROWS)}
        </section>
        ${mayDecide ? decisionForm(visit, group, returned) : NOTHING}
      </div>`,
  };
}

function standing({ failure, type, section, open, seen, ...group }: CaseGroup, now: number): Html {
  return html`<p class="row">
      ${kindBadge(failure.kind)}
      <span>${type}${section === null ? "" : html` · <strong>${section}</strong>`}</span>
      <span class="muted">${failure.code}, rule ${failure.rule}</span>
    </p>
    <div class="tiles">
      ${tile("Waiting", count(open), html`of ${count(seen)}, the first ${ago(group.firstSeen, now)}`)}
      ${tile("Credits held", count(group.creditsHeld), "for the reports that wait")}
      ${tile("Spent", usd(group.spentMicros), `${usd(group.wastedMicros)} of it wasted`)}
      ${tile("Oldest", group.waitingSince === null ? "–" : ago(group.waitingSince, now), html`last seen ${ago(group.lastSeen, now)}`)}
    </div>`;
}

function caseTable(cases: readonly ReviewCase[], claims: ReadonlyMap<string, CaseClaim>, now: number): Html {
  if (cases.length === 0) return html`<p class="muted">No case of it waits any more.</p>`;
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Report</th>
        <th>Account</th>
        <th class="num">Credits</th>
        <th class="num">Spent</th>
        <th>Opened</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${cases.map((one) => {
        const claim = claims.get(one.id);
        return html`<tr id="${one.id}">
          <td>
            <a href="${caseLink(one.id)}" class="mono">${one.report}</a>
            ${claim === undefined ? NOTHING : html`<br /><small class="busy">${claim.by} is looking at it</small>`}
          </td>
          <td data-label="Account">${one.account}</td>
          <td class="num" data-label="Credits">${count(one.creditsHeld)}</td>
          <td class="num" data-label="Spent">${usd(one.spentMicros)}</td>
          <td class="nowrap" data-label="Opened">${ago(one.openedAt, now)}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

function pager(name: string, from: number, hasMore: boolean): Html {
  if (from === 0 && !hasMore) return NOTHING;
  const to = (start: number) => `${groupLink(name)}?from=${Math.max(0, start)}`;
  return html`<nav class="row" aria-label="Pages of the list">
    ${from > 0 ? html`<a href="${to(from - ROWS)}">Earlier rows</a>` : NOTHING}
    ${hasMore ? html`<a href="${to(from + ROWS)}">Further rows</a>` : NOTHING}
  </nav>`;
}

const decide = action({
  path: "/groups/:group",
  role: "reviewer",
  params: aGroup,
  form: decideFields,
  async act(visit, fields): Promise<Done> {
    const { desk, by } = visit;
    const { group } = visit.params;
    const again = async (returned: Returned): Promise<Done> => ({
      shown: await groupPage(visit, group, { fields, ...returned }),
    });
    try {
      if (!mayTake(visit, fields.action))
        throw new FleetError("not_allowed", `${titleOf(fields.action)}: ${TAKES_ADMIN}`);
      const order = {
        group,
        action: fields.action,
        prompt: fields.prompt,
        canary: fields.canary,
        maxMicros: microsOf(fields),
      };
      const notYet = fields.do === "price" ? null : await whyNotYet(visit, fields);
      if (fields.do === "price" || notYet !== null) {
        const preview = await previewGroup(desk, order);
        return await again(notYet === null ? { preview } : { preview, said: { words: notYet, status: 422 } });
      }
      const { perSweep, operation: id } = fields;
      const operation = await decideGroup(desk, { ...order, perSweep, id, by, why: fields.why });
      return {
        to: groupLink(group),
        said: `${titleOf(operation.action)}: begun for ${count(operation.cases.length)} cases.`,
      };
    } catch (error) {
      if (!isFleetError(error) || error.code === "redis_unreachable") throw error;
      return again({ said: { words: error.message, status: 409 } });
    }
  },
});

/** Why a decision is shown with its price once more instead of being begun; null where it may begin. */
async function whyNotYet({ desk, params }: Visit<{ group: string }>, fields: Fields): Promise<string | null> {
  if (fields.priced !== orderOf(fields)) return "Look at the price first: nothing was begun.";
  if (fields.why === "") return "A decision needs a reason. Nothing was begun.";
  const open = (await readGroup(desk.store, params.group))?.open ?? 0;
  if (open <= CONFIRMED_ABOVE || fields.confirm === String(open)) return null;
  return `${count(open)} cases wait by now; type ${open} to decide them all. Nothing was begun.`;
}

export const reviewGroupPages = [show, decide];
