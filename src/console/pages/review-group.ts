/**
 * The same trouble many times over: its cases, and one decision for all of them, which is priced first, sends canaries
 * ahead, spends no more than its cap, and can be stopped while it goes on.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { Problem } from "../../api/problems.ts";
import { decideGroup, stopOperation } from "../../desk/group-operation.ts";
import { previewGroup, type GroupPreview } from "../../desk/preview-group.ts";
import { FleetError, isFleetError } from "../../domain/fleet-error.ts";
import type { MicroUsd } from "../../domain/ids.ts";
import { PROMPTS, REMEDIES, type Action, type ReviewCase } from "../../domain/review.ts";
import { readClaims, type CaseClaim } from "../../store/case-claims.ts";
import { readGroup, type CaseGroup } from "../../store/case-groups.ts";
import { listCases } from "../../store/cases.ts";
import { GROUP_ACTIONS, listOperations, type OperationHead } from "../../store/operations.ts";
import { redisNow } from "../../store/redis.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, kindBadge, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Done, type Shown, type Visit } from "../page.ts";
import { caseLink, groupLink } from "../links.ts";
import { tile } from "../tile.ts";
import { mayTake, titleOf, TAKES_ADMIN } from "./case-decision.ts";

const aGroup = z.object({ group: z.string().max(300) });

const ROWS = 50;
/** A decision about more cases than this is confirmed by typing how many they are. */
const CONFIRMED_ABOVE = 20;
const SHOWN_REASONS = 10;

const KEYS = [
  ["d", "dry run: price the decision"],
  ["Ctrl/⌘ Enter", "decide, once it is priced"],
] as const;

const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const decideFields = z.object({
  do: z.enum(["price", "decide"]),
  action: z.enum(GROUP_ACTIONS),
  prompt: z.enum(PROMPTS).default("current"),
  canary: whole(0, 100).default(1),
  perSweep: whole(1, 1_000).default(10),
  maxUsd: z.preprocess(
    (typed) => (typed === "" ? undefined : typed),
    z.coerce.number().min(0).max(100_000).optional(),
  ),
  why: z.string().trim().max(500, "a reason has at most 500 characters").default(""),
  operation: z.uuid(),
  /** What was priced last; a decision that was changed since is priced again first. */
  priced: z.string().max(200).default(""),
  confirm: z.string().trim().max(20).default(""),
});
type Fields = z.output<typeof decideFields>;

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

/** How far a decision is, in words and as a bar of its cases. */
function progress(visit: Visit, operation: OperationHead, now: number): Html {
  const { progress: far, status, action: what, by, because } = operation;
  const parts = [
    ["through", far.through, "good"],
    ["under way", far.underWay, "busy"],
    ["parked again", far.parkedAgain, "bad"],
    ["refused", far.refused, "warn"],
    ["waiting", far.waiting, "quiet"],
  ] as const;
  const all = parts.reduce((sum, [, many]) => sum + many, 0);
  let from = 0;
  const bars = parts.map(([, many, look]) => {
    const x = from;
    from += (100 * many) / Math.max(1, all);
    return html`<rect
      class="${look}"
      x="${x}"
      y="0"
      width="${(100 * many) / Math.max(1, all)}"
      height="4"
    />`;
  });
  const look = status === "running" ? "" : status === "done" ? "good" : "bad";
  return html`<div class="banner ${look}" id="operation-${operation.id}">
    <p>
      <strong>${titleOf(what)}: ${status === "running" ? "under way" : status}</strong>, by ${by},
      ${ago(operation.startedAt, now)}:
      ${operation.why}${because === "" ? "" : html`. <strong>Because ${because}.</strong>`}
    </p>
    <svg class="progress" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">${bars}</svg>
    <p>
      ${parts
        .filter(([, many]) => many > 0)
        .map(([word, many]) => `${count(many)} ${word}`)
        .join(", ")}
      · ${usd(far.spentMicros)} spent
      since${operation.maxMicros === null ? "" : ` of at most ${usd(operation.maxMicros)}`} ·
      ${operation.canary === 0 ? "no canary" : `${count(operation.canary)} first`}, then
      ${count(operation.perSweep)} at a time
    </p>
    ${status === "running" && visit.may("reviewer") ? stopForm(visit, operation) : NOTHING}
  </div>`;
}

function stopForm(visit: Visit, operation: OperationHead): Html {
  return form(
    visit,
    `/operations/${operation.id}/stop`,
    html`<details class="action" id="stop-${operation.id}">
      <summary>Stop this decision</summary>
      <p class="small">No further case is decided; what was decided stays decided.</p>
      ${whyField(`why-stop-${operation.id}`)} <button class="danger">Stop it</button>
    </details>`,
  );
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

function decisionForm(visit: Visit, group: CaseGroup, { fields, preview }: Returned): Html {
  const remedies: readonly Action[] = REMEDIES[group.failure.kind];
  const offered = GROUP_ACTIONS.filter(
    (one) => remedies.includes(one) && (one !== "skip_section" || group.section !== null),
  );
  const chosen = fields?.action ?? remedies.find((one) => offered.some((other) => other === one));
  const content = html`<input type="hidden" name="operation" value="${fields?.operation ?? randomUUID()}" />
    <input
      type="hidden"
      name="priced"
      value="${preview === undefined || fields === undefined ? "" : orderOf(fields)}"
    />
    <ul class="choices">
      ${offered.map((one) => {
        const isTheirs = mayTake(visit, one);
        return html`<li>
          <label>
            <input
              type="radio"
              name="action"
              value="${one}"
              ${one === chosen ? html`checked` : NOTHING}
              ${isTheirs ? NOTHING : html`disabled`}
            />
            <span>${titleOf(one)}</span>
          </label>
          ${isTheirs ? NOTHING : html`<p class="small">takes the role admin</p>`}
          ${
            one === "resume"
              ? html`<div class="more small">
                  ${PROMPTS.toReversed().map(
                    (prompt) =>
                      html`<label
                        ><input
                          type="radio"
                          name="prompt"
                          value="${prompt}"
                          ${prompt === (fields?.prompt ?? "current") ? html`checked` : NOTHING}
                        />
                        ${prompt === "current" ? "with today's prompt" : "word for word as it was asked"}</label
                      >`,
                  )}
                </div>`
              : NOTHING
          }
        </li>`;
      })}
    </ul>
    <div class="row numbers">
      ${number("canary", "Canaries first", fields?.canary ?? 1, "0", "100")}
      ${number("perSweep", "Then at a time", fields?.perSweep ?? 10, "1", "1000")}
      ${number("maxUsd", "Cap, $", fields?.maxUsd ?? "", "0", "100000", "0.01")}
    </div>
    ${preview === undefined ? NOTHING : priced(preview)}
    <label for="why">Why</label>
    <input
      id="why"
      name="why"
      required
      maxlength="500"
      autocomplete="off"
      value="${fields?.why ?? ""}"
      data-draft
    />
    ${preview !== undefined && preview.cases > CONFIRMED_ABOVE ? confirmField(preview.cases) : NOTHING}
    <div class="row">
      <button
        name="do"
        value="price"
        class="${preview === undefined ? "" : "plain"}"
        formnovalidate
        data-key="Enter"
      >
        Price it
      </button>
      ${
        preview === undefined || (preview.eligible === 0 && preview.action !== "resume")
          ? NOTHING
          : html`<button name="do" value="decide" data-key="Mod+Enter">
              Decide ${count(preview.cases)} ${preview.cases === 1 ? "case" : "cases"}
            </button>`
      }
    </div>`;
  return html`<section class="decide" aria-labelledby="decision">
    <h2 id="decision">Decide them all</h2>
    ${form(visit, `/groups/${encodeURIComponent(group.group)}`, content)}
  </section>`;
}

function number(
  name: string,
  label: string,
  value: number | string,
  min: string,
  max: string,
  step = "1",
): Html {
  return html`<label
    >${label}
    <input type="number" name="${name}" value="${value}" min="${min}" max="${max}" step="${step}" />
  </label>`;
}

function confirmField(cases: number): Html {
  return html`<label for="confirm">These are ${count(cases)} cases; type ${cases}</label>
    <input id="confirm" name="confirm" required inputmode="numeric" autocomplete="off" maxlength="20" />`;
}

/** The dry run in the words of a price tag, refusals by reason. */
function priced(preview: GroupPreview): Html {
  const { eligible, cases, beyond, notEligible, cap, estimateMicros } = preview;
  const reasons = [...Map.groupBy(notEligible, ({ because }) => because)].slice(0, SHOWN_REASONS);
  return html`<div class="priced" role="status">
    <p>
      <strong>${count(eligible)} of ${count(cases)}</strong> would go
      on${beyond > 0 ? `; ${count(beyond)} more are open and wait for a further decision` : ""}. Nothing was
      changed.
    </p>
    ${
      reasons.length === 0
        ? NOTHING
        : html`<ul class="plain small">
            ${reasons.map(
              ([because, some]) =>
                html`<li>
                  <span class="bad">${count(some.length)} not,</span> such as
                  <a href="${caseLink(some[0]?.id ?? "")}">${some[0]?.id}</a>: ${because}
                </li>`,
            )}
          </ul>`
    }
    <dl class="facts small">
      <dt>Estimate</dt>
      <dd>
        <strong>${estimateMicros === null ? "not known before it is asked" : usd(estimateMicros)}</strong>, at
        most ${usd(preview.atMostMicros)}
      </dd>
      ${
        cap === null
          ? NOTHING
          : html`<dt>Cap</dt>
              <dd class="${cap.fits ? "good" : "bad"}">
                ${usd(cap.maxMicros)}:
                ${cap.fits ? "the estimate is within it" : "the estimate is above it; it would stop on the way"}
              </dd>`
      }
      <dt>Calls</dt>
      <dd>
        ${count(preview.reusedCalls)} reused, ${count(preview.revalidatedCalls)} validated again,
        ${count(preview.paidCalls)} paid
      </dd>
      <dt>Sections</dt>
      <dd>
        ${count(preview.keptSections)} kept, ${count(preview.openSections)} still open,
        ${count(preview.skippedSections)} left out
      </dd>
      <dt>Credits</dt>
      <dd>${preview.creditEffect}</dd>
      <dt>First</dt>
      <dd>
        ${preview.canaries.length === 0 ? "no canary" : preview.canaries.map((id) => html`<a href="${caseLink(id)}">${id}</a> `)}
      </dd>
    </dl>
  </div>`;
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

/** What was priced: everything that the price depends on. */
function orderOf({ action: what, prompt, canary, perSweep, maxUsd }: Fields): string {
  return [what, prompt, canary, perSweep, maxUsd ?? "no cap"].join(" ");
}

function microsOf({ maxUsd }: Fields): MicroUsd | null {
  return maxUsd === undefined ? null : Math.round(maxUsd * 1_000_000);
}

const stop = action({
  path: "/operations/:operation/stop",
  role: "reviewer",
  params: z.object({ operation: z.string().max(100) }),
  form: z.object({ why }),
  async act({ desk, params, by }, given) {
    const operation = await stopOperation(desk, params.operation, { by, why: given.why });
    return {
      to: groupLink(operation.group),
      said: operation.status === "stopped" ? "It is stopped." : "It was over before.",
    };
  },
});

export const reviewGroupPages = [show, decide, stop];
