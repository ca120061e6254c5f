/**
 * What may be done about a case, each with its price, and an editor for what a person writes instead. One form carries
 * all of it: nothing has to be chosen, priced or checked before it can be sent, and whatever was typed comes back with
 * whatever is answered.
 */
import { z } from "zod";
import type { CaseFile, CaseTexts } from "../../desk/case-file.ts";
import {
  expectedOutput,
  type Expected,
  readEditedOutput,
  readEditedSource,
  type EditedText,
  type PlacedProblem,
} from "../../desk/edited-text.ts";
import type { Preview } from "../../desk/preview.ts";
import type { Choice, Price } from "../../desk/price-actions.ts";
import type { Action } from "../../domain/review.ts";
import { form } from "../form.ts";
import { count, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import type { Visit } from "../page.ts";

/** Credits are charged or go back at once, so whoever may move money decides it. */
const MOVES_CREDITS: readonly Action[] = ["deliver_partial", "reject", "cancel"];

export const TAKES_ADMIN = "Credits are charged or go back at once, which takes the role admin.";

export function mayTake(visit: Visit, action: Action): boolean {
  return visit.may(MOVES_CREDITS.includes(action) ? "admin" : "reviewer");
}

/** What the form brings back, as it was typed. */
export interface Draft {
  choice: string;
  why: string;
  output: string;
  source: string;
}

export interface Decision {
  file: CaseFile;
  texts: CaseTexts;
  choices: readonly Choice[];
  draft: Draft;
  /** The same form sent twice is one decision. */
  operation: string;
}

const TITLES: Record<Action, { title: string; what: string }> = {
  resume: { title: "Ask the model again", what: "Only this call is paid; what is finished stays." },
  revalidate: {
    title: "Judge the stored answer again",
    what: "By today's parser and schema, without a token.",
  },
  accept_edited: {
    title: "Take the edited output",
    what: "The delivered report says that a person wrote it.",
  },
  correct_source: {
    title: "Correct the order's data",
    what: "Only calls whose question changes are paid again.",
  },
  skip_section: { title: "Go on without this section", what: "And without those that cannot do without it." },
  deliver_partial: { title: "Deliver what is written", what: "The buyer pays for the part." },
  reject: { title: "Reject the report", what: "It will not be written." },
  cancel: { title: "Cancel the order", what: "Calls in flight are aborted." },
};

export function titleOf(action: Action): string {
  return TITLES[action].title;
}

export function choiceName({ action, prompt }: Pick<Choice, "action" | "prompt">): string {
  return prompt === null ? action : `${action}:${prompt}`;
}

/** The text a person begins with: the answer that failed, laid out where it can be. */
export function firstOutput({ takes }: CaseTexts): string {
  const text = takes[0]?.answer.text ?? "";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

export function editors(visit: Visit, { file, texts, draft }: Decision): Html {
  const { actions, found, stored } = file;
  const [first] = actions;
  const expected = expectedOutput(visit.desk, stored, found);
  const output =
    expected !== null && actions.includes("accept_edited")
      ? editor({
          name: "output",
          title: "The section's output",
          text: draft.output,
          checked: draft.output === "" ? null : readEditedOutput(visit.desk, stored, found, draft.output),
          isOpen: first !== "correct_source",
          hint: expectation(expected),
        })
      : NOTHING;
  const isNew = draft.source !== texts.source && visit.desk.types.get(stored.report.type) !== undefined;
  const source =
    actions.includes("correct_source") && texts.source !== null
      ? editor({
          name: "source",
          title: "The order's data",
          text: draft.source,
          checked: isNew ? readEditedSource(visit.desk, stored, draft.source) : null,
          isOpen: first === "correct_source" || isNew,
          hint: html`<p class="small muted">The whole of it, as a new snapshot of the same report.</p>`,
        })
      : NOTHING;
  return html`<section class="edit" aria-labelledby="edit">
    <div class="row head">
      <h2 id="edit">Edit</h2>
      <button form="decide" name="do" value="validate" class="plain" formnovalidate data-key="v" data-check>
        Validate
      </button>
    </div>
    ${first === "correct_source" ? html`${source} ${output}` : html`${output} ${source}`}
  </section>`;
}

interface Editing {
  name: "output" | "source";
  title: string;
  text: string;
  /** Null where there is nothing to say yet. */
  checked: EditedText | null;
  isOpen: boolean;
  hint: Html;
}

function editor({ name, title, text, checked, isOpen, hint }: Editing): Html {
  const rows = Math.min(30, Math.max(8, text.split("\n").length + 1));
  return html`<details id="edit-${name}" ${isOpen ? html`open` : NOTHING}>
    <summary>${title}</summary>
    <label for="${name}" class="sr">${title}</label>
    <textarea
      id="${name}"
      name="${name}"
      form="decide"
      rows="${rows}"
      spellcheck="false"
      data-draft
      ${isOpen ? html`data-key="e"` : NOTHING}
    >
${text}</textarea>
    <div id="checks-${name}" data-fresh role="status">${checks(checked)}</div>
    ${hint}
  </details>`;
}

function checks(checked: EditedText | null): Html {
  if (checked === null) return NOTHING;
  if (checked.ok) return html`<p class="good">✓ It fits.</p>`;
  const { problems } = checked;
  return html`<p class="bad">
      ✕ ${problems.length === 1 ? "This does not fit:" : `${problems.length} things do not fit:`}
    </p>
    <ul class="plain small">
      ${problems.map((problem) => html`<li>${problemLine(problem)}</li>`)}
    </ul>`;
}

function problemLine({ path, message, place }: PlacedProblem): Html {
  const where =
    place === null
      ? NOTHING
      : html`<button type="button" class="plain" data-select="${place.start},${place.end}">
          line ${place.line}
        </button>`;
  return html`${where} ${path === "" ? NOTHING : html`<code>${path}</code>`} ${message}`;
}

function expectation(expected: Expected): Html {
  if (expected.kind === "text")
    return html`<p class="small muted">A plain text of at least ${count(expected.minChars)} characters.</p>`;
  return html`<details id="schema">
    <summary class="small">What it must be</summary>
    <pre tabindex="0">${JSON.stringify(expected.schema, null, 2)}</pre>
  </details>`;
}

export function decisionForm(visit: Visit, { file, choices, draft, operation }: Decision): Html {
  const { found, stored } = file;
  const fields = html`<input type="hidden" name="version" value="${found.version}" />
    <input type="hidden" name="decisions" value="${stored.decisions}" />
    <input type="hidden" name="operation" value="${operation}" />
    <ul class="choices" data-rows>
      ${choices.map((choice) => option(visit, choice, draft.choice))}
    </ul>
    <label for="why">Why</label>
    <input id="why" name="why" required maxlength="500" autocomplete="off" value="${draft.why}" data-draft />
    <div class="row">
      <button name="do" value="decide" data-key="Mod+Enter" title="Ctrl or ⌘ and Enter">Decide</button>
      <button name="do" value="next" class="plain">Decide and take the next</button>
      <button name="do" value="price" class="plain" formnovalidate data-key="Enter">Price it</button>
    </div>`;
  return html`<section class="decide" aria-labelledby="decision">
    <h2 id="decision">Decide</h2>
    ${form(visit, `/review/${encodeURIComponent(found.id)}`, fields, "", "decide")}
  </section>`;
}

function option(visit: Visit, choice: Choice, chosen: string): Html {
  const { action, prompt, price } = choice;
  const { title, what } = TITLES[action];
  const name = choiceName(choice);
  const isTheirs = mayTake(visit, action);
  const words =
    prompt === null
      ? title
      : `${title}, ${prompt === "current" ? "with today's prompt" : "word for word as it was asked"}`;
  return html`<li id="choice-${name.replace(":", "-")}">
    <label>
      <input
        type="radio"
        name="choice"
        value="${name}"
        ${name === chosen ? html`checked` : NOTHING}
        ${isTheirs ? NOTHING : html`disabled`}
      />
      <span>${words}</span>
    </label>
    <p class="small price">${isTheirs ? priceLine(price) : "takes the role admin"}</p>
    <div class="more" id="price-${name.replace(":", "-")}" data-fresh>
      <p class="small muted">${what}</p>
      ${price.priced === "yes" ? priceTable(price.preview) : NOTHING}
    </div>
  </li>`;
}

/** A few words beside a choice: what it costs, at most, and what becomes of the credits. */
function priceLine(price: Price): Html {
  switch (price.priced) {
    case "refused":
      return html`<span class="muted"><span class="bad">Not possible.</span> ${price.because}</span>`;
    case "later":
      return html`<span class="muted">priced once it is edited and fits</span>`;
    case "slow":
      return html`<span class="muted">not known yet; choose it and press Price it</span>`;
    case "yes": {
      const { preview } = price;
      if (!preview.possible)
        return html`<span class="muted"><span class="bad">Not possible.</span> ${preview.because}</span>`;
      return html`<strong>${estimateWords(preview)}</strong
        >${preview.atMostMicros > 0 ? html`, at most ${usd(preview.atMostMicros)}` : NOTHING} ·
        ${creditWords(preview)}`;
    }
  }
}

function estimateWords({ paidCalls, estimateMicros }: Preview): string {
  if (paidCalls.length === 0) return "$0";
  const calls = `${count(paidCalls.length)} ${paidCalls.length === 1 ? "call" : "calls"}`;
  return estimateMicros === null ? `${calls}, never asked before` : `${calls}, ≈ ${usd(estimateMicros)}`;
}

function creditWords({ credits: { held, charged, returned } }: Preview): string {
  const all = held + charged + returned;
  if (all === 0) return "no credits";
  if (all === held) return `${count(all)} credits stay held`;
  if (all === returned) return `${count(all)} credits go back`;
  return `${count(charged)} of ${count(all)} credits charged`;
}

function priceTable(preview: Preview): Html {
  const facts: readonly (readonly [string, readonly string[]])[] = [
    ["Sections kept", preview.keptSections],
    ["Still open", preview.openSections],
    ["Left out", preview.skippedSections],
    ["Calls reused", preview.reusedCalls],
    ["Validated again", preview.revalidatedCalls],
    ["Paid", preview.paidCalls.map(({ call }) => call)],
    ["Credits", [preview.creditEffect]],
  ];
  return html`<dl class="facts small">
    ${facts
      .filter(([, names]) => names.length > 0)
      .map(
        ([name, names]) =>
          html`<dt>${name}</dt>
            <dd>${names.join(", ")}</dd>`,
      )}
  </dl>`;
}

const text = (most: number) =>
  z
    .string()
    .max(most, `longer than ${count(most)} characters`)
    .default("")
    // Forms send line ends as the wire wants them.
    .transform((typed) => typed.replaceAll("\r\n", "\n"));

/** Far beyond what a section may hold, and within what a form may send. */
const MOST_TYPED_CHARS = 1_000_000;
export const FORM_BYTES = 6_291_456;

export const decideFields = z.object({
  do: z.enum(["validate", "price", "decide", "next"]),
  choice: z.string().max(40).default(""),
  why: z.string().trim().max(500, "a reason has at most 500 characters").default(""),
  version: z.coerce.number().int(),
  decisions: z.coerce.number().int(),
  operation: z.uuid(),
  output: text(MOST_TYPED_CHARS),
  source: text(MOST_TYPED_CHARS),
});
