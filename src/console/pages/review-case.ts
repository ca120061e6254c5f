/** One case: what happened, an editor for what a person writes instead, and the decision with its price. */
import { z } from "zod";
import { readCaseFile, readCaseTexts, type CaseFile } from "../../desk/case-file.ts";
import { requireCase } from "../../desk/decide-case.ts";
import type { ReviewCase } from "../../domain/review.ts";
import { claimCase, readClaims, releaseCase, type CaseClaim } from "../../store/case-claims.ts";
import { addNote, readNeighbours, type Note } from "../../store/cases.ts";
import { redisNow } from "../../store/redis.ts";
import { form } from "../form.ts";
import { ago, kindBadge, status } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Visit } from "../page.ts";
import { whatHappened } from "./case-evidence.ts";
import { caseLink, groupLink, reportLink } from "./review-links.ts";

const aCase = z.object({ case: z.string().max(300) });
type CaseVisit = Visit<z.output<typeof aCase>>;

const show = page({
  path: "/review/:case",
  role: "viewer",
  params: aCase,
  async show(visit) {
    const found = await requireCase(visit.desk, visit.params.case);
    return casePage(visit, found);
  },
});

async function casePage(visit: CaseVisit, found: ReviewCase) {
  const { store } = visit.desk;
  const now = await redisNow(store);
  const file = await readCaseFile(store, found);
  const [texts, claims, neighbours] = await Promise.all([
    visit.may("reviewer") ? readCaseTexts(store, file) : null,
    readClaims(store, now),
    readNeighbours(store, found),
  ]);
  const claim = claims.get(found.id) ?? null;
  return {
    title: found.failure.message,
    nav: "review",
    body: html`${way(found, neighbours)}
      <h1>${found.failure.message}</h1>
      <div id="case" data-live="report:${found.report} reviews">${standing(file, claim, now)}</div>
      ${visit.may("reviewer") && found.state.status === "open" ? claimForms(visit, found, claim) : NOTHING}
      <div class="panes">${whatHappened(file, texts, now)} ${notesOf(visit, found, file.notes, now)}</div>`,
  };
}

function way(found: ReviewCase, { previous, next }: { previous: string | null; next: string | null }): Html {
  return html`<nav class="row small" aria-label="Where this is">
    <a href="/console/review" data-key="u">Review</a> <span aria-hidden="true">›</span>
    <a href="${groupLink(found.group)}">Cases like this</a>
    <span class="grow"></span>
    ${previous === null ? NOTHING : html`<a href="${caseLink(previous)}" data-key="[">Previous</a>`}
    ${next === null ? html`<span class="muted">No further case like this</span>` : html`<a href="${caseLink(next)}" data-key="n">Next</a>`}
  </nav>`;
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

export const reviewCasePages = [show, claim, note, rawAnswer];
