/** One case: what happened, an editor for what a person writes instead, and the decision with its price. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { problemOf, PROBLEMS } from "../../api/problems.ts";
import { actOnCase } from "../../desk/act-on-case.ts";
import { readCaseFile, readCaseTexts, type CaseFile, type CaseTexts } from "../../desk/case-file.ts";
import { requireCase } from "../../desk/decide-case.ts";
import { readEditedOutput, readEditedSource, type EditedText } from "../../desk/edited-text.ts";
import { previewAccepted, previewCorrection, type Preview } from "../../desk/preview.ts";
import { isRefused, priceActions, priceOf, type Choice } from "../../desk/price-actions.ts";
import { FleetError, isFleetError } from "../../domain/fleet-error.ts";
import { ACTIONS, PROMPTS, type ReviewCase } from "../../domain/review.ts";
import { claimCase, readClaims, releaseCase, type CaseClaim } from "../../store/case-claims.ts";
import { addNote, readNeighbours, type Note } from "../../store/cases.ts";
import { redisNow } from "../../store/redis.ts";
import { form } from "../form.ts";
import { ago, kindBadge, status } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Done, type Shown, type Visit } from "../page.ts";
import {
  choiceName,
  decideFields,
  decisionForm,
  editors,
  firstOutput,
  FORM_BYTES,
  mayTake,
  TAKES_ADMIN,
  titleOf,
  type Draft,
} from "./case-decision.ts";
import { whatHappened } from "./case-evidence.ts";
import { claimNext } from "./review.ts";
import { caseLink, groupLink, reportLink } from "../links.ts";

const aCase = z.object({ case: z.string().max(300) });

const show = page({
  path: "/review/:case",
  role: "viewer",
  params: aCase,
  show: async (visit) => casePage(visit, await requireCase(visit.desk, visit.params.case), null),
});

const READER_KEYS = [
  ["n  b", "next or previous case like this"],
  ["u", "up to the inbox"],
] as const;
const DECIDER_KEYS = [
  ["j  k", "next or previous choice"],
  ["Enter", "price the choice, with what is written"],
  ["Ctrl/⌘ Enter", "decide"],
  ["e", "edit (Esc leaves the text)"],
  ["v", "validate what is written"],
  ["c", "look at it, leave it or take it over"],
  ...READER_KEYS,
] as const;

/** What a form brought, and what is to be said of it. */
interface Returned {
  draft: Draft;
  operation: string;
  /** The choice whose price was asked for, with what was typed. */
  priced?: Choice | undefined;
  said?: { words: string; status: 409 | 422 } | undefined;
}

async function casePage(visit: Visit, found: ReviewCase, returned: Returned | null): Promise<Shown> {
  const { desk } = visit;
  const { store } = desk;
  const now = await redisNow(store);
  const file = await readCaseFile(store, found);
  const mayDecide = visit.may("reviewer");
  const [texts, claims, neighbours, choices] = await Promise.all([
    mayDecide ? readCaseTexts(store, file) : null,
    readClaims(store, now),
    readNeighbours(store, found),
    mayDecide ? priceActions(desk, found, file.actions) : [],
  ]);
  const claim = claims.get(found.id) ?? null;
  const isOpen = found.state.status === "open";
  return {
    title: found.failure.message,
    nav: "review",
    keys: mayDecide ? DECIDER_KEYS : READER_KEYS,
    ...(returned?.said === undefined ? {} : { status: returned.said.status }),
    body: html`${way(found, neighbours, mayDecide && isOpen ? claimForms(visit, found, claim) : NOTHING)}
      <h1>${found.failure.message}</h1>
      ${returned?.said === undefined ? NOTHING : html`<p class="banner bad" role="alert">${returned.said.words}</p>`}
      <div id="case" data-live="report:${found.report} reviews">${standing(file, claim, now)}</div>
      <div class="panes">
        ${whatHappened(file, texts, now)}
        ${texts === null || !isOpen ? leftOver(returned) : deciding(visit, file, texts, choices, returned)}
        ${notesOf(visit, found, file.notes, now)}
      </div>`,
  };
}

function deciding(
  visit: Visit,
  file: CaseFile,
  texts: CaseTexts,
  choices: readonly Choice[],
  returned: Returned | null,
): Html {
  const priced = choices.map((choice) => {
    const anew = returned?.priced;
    return anew !== undefined && choiceName(anew) === choiceName(choice) ? anew : choice;
  });
  const draft = returned?.draft ?? {
    choice: usualChoice(choices),
    why: "",
    output: firstOutput(texts),
    source: texts.source ?? "",
  };
  const decision = { file, texts, choices: priced, draft, operation: returned?.operation ?? randomUUID() };
  return html`${editors(visit, decision)} ${decisionForm(visit, decision)}`;
}

/** What most people want: the section written after all. Anything that leaves something out is chosen by a person. */
function usualChoice(choices: readonly Choice[]): string {
  const usual = choices.find((one) => ["revalidate", "resume"].includes(one.action) && !isRefused(one));
  return usual === undefined ? "" : choiceName(usual);
}

/** Somebody else has decided meanwhile: what was typed is still the person's own. */
function leftOver(returned: Returned | null): Html {
  if (returned === null) return NOTHING;
  const { why, output, source } = returned.draft;
  const texts = [
    ["The output you had edited", output],
    ["The data you had edited", source],
    ["Your reason", why],
  ] as const;
  return html`<section class="edit">
    <h2>What you had written</h2>
    ${texts.map(([title, text]) =>
      text === ""
        ? NOTHING
        : html`<h3>${title}</h3>
            <pre tabindex="0">${text}</pre>`,
    )}
  </section>`;
}

const decide = action({
  path: "/review/:case",
  role: "reviewer",
  params: aCase,
  form: decideFields,
  maxBytes: FORM_BYTES,
  async act(visit, fields): Promise<Done> {
    const { desk } = visit;
    const found = await requireCase(desk, visit.params.case);
    const { choice, why, output, source, operation } = fields;
    const returned: Returned = { draft: { choice, why, output, source }, operation };
    const again = async (more: Partial<Returned> = {}): Promise<Done> => ({
      shown: await casePage(visit, await requireCase(desk, found.id), { ...returned, ...more }),
    });
    if (fields.do === "validate") return again();
    try {
      if (fields.do === "price")
        return await again({ priced: await priceAsked(visit, found, returned.draft) });
      const { action: chosen, prompt } = chosenIn(choice);
      if (!mayTake(visit, chosen)) throw new FleetError("not_allowed", `${titleOf(chosen)}: ${TAKES_ADMIN}`);
      if (why === "") throw new FleetError("usage", "A decision needs a reason. Nothing was changed.");
      const value = await typed(visit, found, returned.draft);
      await actOnCase(desk, found, { action: chosen, prompt: prompt ?? "current", value }, fields, {
        by: visit.by,
        why,
        operation: `${found.id}/${operation}`,
      });
      const said = `${titleOf(chosen)}: decided.`;
      if (fields.do === "decide") return { to: caseLink(found.id), said };
      const next =
        (await claimNext(visit, groupOfCase(found))) ?? (await claimNext(visit, { order: "oldest" }));
      return next === null
        ? { to: "/console/review", said: `${said} Nothing else waits that nobody looks at.` }
        : { to: caseLink(next), said };
    } catch (error) {
      if (!isFleetError(error) || error.code === "redis_unreachable") throw error;
      const isStale = PROBLEMS[problemOf(error).code].status !== 422;
      return again({ said: { words: error.message, status: isStale ? 409 : 422 } });
    }
  },
});

/** The next case of the same trouble comes first. */
function groupOfCase({ type, section, failure }: ReviewCase) {
  return { order: "oldest", kind: failure.kind, type, section: section ?? undefined } as const;
}

function chosenIn(choice: string): Pick<Choice, "action" | "prompt"> {
  const [name, words] = choice.split(":");
  const chosen = ACTIONS.find((one) => one === name);
  if (chosen === undefined) throw new FleetError("usage", "Choose what to do. Nothing was changed.");
  return { action: chosen, prompt: PROMPTS.find((one) => one === words) ?? null };
}

async function priceAsked(visit: Visit, found: ReviewCase, draft: Draft): Promise<Choice> {
  const chosen = chosenIn(draft.choice);
  const { desk } = visit;
  if (chosen.action !== "accept_edited" && chosen.action !== "correct_source")
    return { ...chosen, price: await priceOf(desk, found, chosen) };
  const value = await typed(visit, found, draft);
  const preview: Preview =
    chosen.action === "accept_edited"
      ? await previewAccepted(desk, found.id, value)
      : await previewCorrection(desk, found.report, value);
  return { ...chosen, price: { priced: "yes", preview } };
}

/** What was written for the chosen action, read; undefined where it needs nothing. */
async function typed({ desk }: Visit, found: ReviewCase, draft: Draft): Promise<unknown> {
  const { action: chosen } = chosenIn(draft.choice);
  if (chosen !== "accept_edited" && chosen !== "correct_source") return undefined;
  const { stored } = await readCaseFile(desk.store, found);
  const read: EditedText =
    chosen === "accept_edited"
      ? readEditedOutput(desk, stored, found, draft.output)
      : readEditedSource(desk, stored, draft.source);
  if (read.ok) return read.value;
  throw new FleetError("usage", "What you have written does not fit yet; see below it. Nothing was changed.");
}

function way(
  found: ReviewCase,
  { previous, next }: { previous: string | null; next: string | null },
  claiming: Html,
): Html {
  return html`<div class="row small way">
    <nav aria-label="Where this is">
      <a href="/console/review" data-key="u">Review</a> <span aria-hidden="true">›</span>
      <a href="${groupLink(found.group)}">Cases like this</a>
    </nav>
    <span class="grow"></span>
    <span id="claiming" data-live="reviews">${claiming}</span>
    <nav aria-label="Cases like this">
      ${previous === null ? NOTHING : html`<a href="${caseLink(previous)}" data-key="b">Previous</a>`}
      ${next === null ? html`<span class="muted">No further one</span>` : html`<a href="${caseLink(next)}" data-key="n">Next</a>`}
    </nav>
  </div>`;
}

function standing({ found, stored }: CaseFile, claim: CaseClaim | null, now: number): Html {
  const { state, section } = found;
  const { report } = stored;
  return html`<p class="row">
      ${kindBadge(found.failure.kind)}
      <span
        >${found.type} version
        ${found.typeVersion}${section === null ? "" : html` · <strong>${section}</strong>`}</span
      >
      <span>
        report <a href="${reportLink(report.id)}" class="mono" data-id="${found.id}">${report.id}</a> of
        ${report.account}
      </span>
      ${status(report.status)}
      <span class="muted">opened ${ago(found.openedAt, now)}</span>
    </p>
    ${
      state.status === "resolved"
        ? html`<p class="banner">
            <strong>Decided: ${state.action.replaceAll("_", " ")}</strong> by ${state.by},
            ${ago(state.at, now)}: ${state.why}
          </p>`
        : claim === null
          ? NOTHING
          : html`<p class="banner warn">${claim.by} is looking at it, until ${ago(claim.until, now)}.</p>`
    }`;
}

function claimForms(visit: Visit, found: ReviewCase, claim: CaseClaim | null): Html {
  const to = `/review/${encodeURIComponent(found.id)}/claim`;
  if (claim === null)
    return form(visit, to, html`<button class="plain" data-key="c">I look at it</button>`, "inline");
  if (claim.by === visit.person.name)
    return form(
      visit,
      to,
      html`<input type="hidden" name="release" value="yes" /><button class="plain" data-key="c">
          Leave it to others
        </button>`,
      "inline",
    );
  return form(
    visit,
    to,
    html`<input type="hidden" name="over" value="yes" /><button class="plain" data-key="c">
        Take it over
      </button>`,
    "inline",
  );
}

function notesOf(visit: Visit, found: ReviewCase, notes: readonly Note[], now: number): Html {
  return html`<section class="notes" aria-labelledby="notes">
    <h2 id="notes">Notes</h2>
    ${notes.map(
      ({ by, at, text }) =>
        html`<p><strong>${by}</strong> <span class="muted">${ago(at, now)}</span><br />${text}</p>`,
    )}
    ${
      visit.may("reviewer")
        ? form(
            visit,
            `/review/${encodeURIComponent(found.id)}/notes`,
            html`<label for="note">For the next person</label>
              <input id="note" name="text" required maxlength="2000" autocomplete="off" data-draft />
              <button class="plain">Leave the note</button>`,
          )
        : NOTHING
    }
  </section>`;
}

const claim = action({
  path: "/review/:case/claim",
  role: "reviewer",
  params: aCase,
  form: z.object({ over: z.literal("yes").optional(), release: z.literal("yes").optional() }),
  async act({ desk, params, person }, { over, release }) {
    const found = await requireCase(desk, params.case);
    const to = caseLink(found.id);
    if (release === "yes") {
      await releaseCase(desk.store, found.id, person.name);
      return { to };
    }
    const claimed = await claimCase(desk.store, [found.id], {
      by: person.name,
      forMs: desk.durations.caseClaimMs,
      takeOver: over === "yes",
    });
    return claimed.outcome === "claimed"
      ? { to }
      : { to, said: `${claimed.by} looks at it since a moment ago; it stays theirs.` };
  },
});

const note = action({
  path: "/review/:case/notes",
  role: "reviewer",
  params: aCase,
  form: z.object({ text: z.string().trim().min(1, "a note has some words").max(2_000) }),
  async act({ desk, params, by }, { text }) {
    const found = await requireCase(desk, params.case);
    const left = await addNote(desk.store, found.id, { by, text });
    const to = caseLink(found.id);
    return left === "noted" ? { to } : { to, said: "The case has as many notes as it may." };
  },
});

/** The raw answer as it came, for a person with an editor of their own. */
const rawAnswer = page({
  path: "/review/:case/answer",
  role: "reviewer",
  params: aCase,
  async show({ desk, params }) {
    const file = await readCaseFile(desk.store, await requireCase(desk, params.case));
    const { takes } = await readCaseTexts(desk.store, file);
    return {
      text: takes[0]?.answer.text ?? "",
      contentType: "text/plain; charset=utf-8",
      fileName: `${file.found.id}.txt`,
      policy: { defaultSrc: ["'none'"], sandbox: [] },
    };
  },
});

export const reviewCasePages = [show, decide, claim, note, rawAnswer];
