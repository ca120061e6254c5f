/** The form that decides a whole group, and its price in words; what was changed after its price is priced again. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { GroupPreview } from "../../desk/preview-group.ts";
import type { MicroUsd } from "../../domain/ids.ts";
import { PROMPTS, REMEDIES, type Action } from "../../domain/review.ts";
import type { CaseGroup } from "../../store/case-groups.ts";
import { GROUP_ACTIONS } from "../../store/operations.ts";
import { form } from "../form.ts";
import { count, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import type { Visit } from "../page.ts";
import { caseLink } from "../links.ts";
import { mayTake, titleOf } from "./case-decision.ts";

/** A decision about more cases than this is confirmed by typing how many they are. */
export const CONFIRMED_ABOVE = 20;
const SHOWN_REASONS = 10;

const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
export const decideFields = z.object({
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
export type Fields = z.output<typeof decideFields>;

export function decisionForm(
  visit: Visit,
  group: CaseGroup,
  { fields, preview }: { fields?: Fields; preview?: GroupPreview },
): Html {
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

/** What was priced: everything that the price depends on. */
export function orderOf({ action: what, prompt, canary, perSweep, maxUsd }: Fields): string {
  return [what, prompt, canary, perSweep, maxUsd ?? "no cap"].join(" ");
}

export function microsOf({ maxUsd }: Fields): MicroUsd | null {
  return maxUsd === undefined ? null : Math.round(maxUsd * 1_000_000);
}
