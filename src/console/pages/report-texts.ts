/**
 * What was asked and what was answered, take by take, with the difference between one take and the one before. These are
 * a customer's texts: for reviewers and above, and only here and in the review desk.
 */
import type { FailureSummary } from "../../domain/report.ts";
import { listCases, readQuestion, type AskedQuestion } from "../../store/cases.ts";
import { readReceipt, type ReceiptLine } from "../../store/receipt.ts";
import { readHistory, type TimedEvent } from "../../store/read-events.ts";
import { readSource } from "../../store/reports.ts";
import { readCheckpoints, type StoredTake } from "../../store/takes.ts";
import { exportReport } from "../../desk/bundle.ts";
import { renderQuestions } from "../../desk/questions.ts";
import { differenceOf } from "../difference.ts";
import { count, took, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { caseLink } from "../links.ts";
import { page, type ConsoleDesk } from "../page.ts";
import { anId, reportShown, seeReport, type Seen } from "./report-frame.ts";

/** A longer text is read from the export. */
const MOST_SHOWN_CHARS = 60_000;
const MOST_CASES = 50;

const texts = page({
  path: "/reports/:id/texts",
  role: "reviewer",
  params: anId,
  async show(visit) {
    const { store } = visit.desk;
    const seen = await seeReport(store, visit.params.id);
    const { report } = seen.stored;
    const [{ takes, steps }, receipt, events, source, questions] = await Promise.all([
      readCheckpoints(store, report.id),
      readReceipt(store, report.id),
      readHistory(store, report.id),
      readSource(store, report.account, report.sourceHash),
      readQuestions(visit.desk, seen),
    ]);
    const bySection = Object.groupBy(takes, ({ callKey }) => callKey.split("/")[0] ?? "");
    // As planned; what is in no plan any more comes last.
    const planned = seen.sections.map(({ key }) => key).filter((key) => key in bySection);
    const order = [...new Set([...planned, ...Object.keys(bySection)])];
    return reportShown(
      visit,
      seen,
      "texts",
      html`<details class="action" id="source">
          <summary>The source</summary>
          <pre tabindex="0">${source.ok ? shown(pretty(source.canonical)) : source.because}</pre>
        </details>
        ${
          takes.length === 0
            ? html`<p class="muted">Nothing was answered yet, or the texts were removed by age.</p>`
            : NOTHING
        }
        ${order.map((section) =>
          sectionTexts(seen, section, bySection[section] ?? [], { lines: receipt.calls, events, questions }),
        )}
        ${stepResults(steps)}`,
    );
  },
});

/** Kept with the cases of calls that failed; of all others, what today's code renders under the very same key. */
async function readQuestions(desk: ConsoleDesk, { stored }: Seen): Promise<Map<string, Asked>> {
  const found = new Map<string, Asked>();
  for (const [callKey, rendered] of await renderQuestions(desk, stored))
    found.set(callKey, { id: null, question: rendered });
  const cases = await listCases(desk.store, { report: stored.report.id, limit: MOST_CASES });
  for (const { id, evidence } of cases) {
    const kept = evidence.callKey === null ? null : await readQuestion(desk.store, id);
    if (kept !== null) found.set(kept.callKey, { id, question: kept });
  }
  return found;
}

interface Asked {
  /** The case it is kept with. */
  id: string | null;
  question: AskedQuestion;
}

interface Around {
  lines: readonly ReceiptLine[];
  events: readonly TimedEvent[];
  questions: ReadonlyMap<string, Asked>;
}

function sectionTexts(
  { sections }: Seen,
  section: string,
  takes: readonly StoredTake[],
  around: Around,
): Html {
  const title = sections.find(({ key }) => key === section)?.title ?? section;
  const calls = Object.entries(Object.groupBy(takes, ({ callKey }) => callKey));
  return html`<h2>${title} <small class="mono">${section}</small></h2>
    ${calls.map(([callKey, ofCall = []]) => callTexts(callKey, ofCall, around))}`;
}

function callTexts(callKey: string, takes: readonly StoredTake[], around: Around): Html {
  const [section = "", call = "", hash = ""] = callKey.split("/");
  const asked = around.questions.get(callKey);
  return html`<section class="call">
    <h3>${call} <small class="mono">${hash}</small></h3>
    ${
      asked === undefined
        ? html`<p class="muted small">
            Today's version asks another question; this one had prompt version
            ${around.lines.find((line) => line.section === section && line.call === call)?.promptVersion ?? "unknown"}.
          </p>`
        : question(asked)
    }
    ${takes.map((take, at) => takeText(take, takes[at - 1] ?? null, { section, call }, around))}
  </section>`;
}

function question({ id, question: { callKey, messages, promptVersion, model } }: Asked): Html {
  return html`<details class="action" id="question-${callKey}">
    <summary>
      What was asked: prompt version ${promptVersion}, ${model.model}, at most ${count(model.maxOutputTokens)}
      tokens
    </summary>
    ${messages.map(
      ({ role, content }) =>
        html`<p class="small muted">${role}</p>
          <pre tabindex="0">${shown(content)}</pre>`,
    )}
    ${id === null ? NOTHING : html`<p class="small"><a href="${caseLink(id)}">Its case</a></p>`}
  </details>`;
}

function takeText(
  { take, state, answer }: StoredTake,
  before: StoredTake | null,
  { section, call }: { section: string; call: string },
  { lines, events }: Around,
): Html {
  const line = lines.find((one) => one.section === section && one.call === call && one.take === take);
  const failure = rejectionOf(events, { section, call, take });
  const facts = [
    answer.model,
    answer.tokens === null
      ? "no usage sent"
      : `${count(answer.tokens.inputTokens)} tokens in, ${count(answer.tokens.outputTokens)} out`,
    `${usd(answer.micros)}${answer.exact ? "" : " estimated"}`,
    took(answer.elapsedMs),
    `finished: ${answer.finishReason ?? "not said"}`,
    ...(line === undefined ? [] : [`booked ${line.outcome.replaceAll("_", " ")}`]),
  ];
  return html`<div class="take">
    <p class="row">
      <strong>Take ${take}</strong>
      <span class="${state === "accepted" ? "good" : state === "rejected" ? "bad" : "quiet"}">${state}</span>
      <span class="small muted">${facts.join(" · ")}</span>
    </p>
    ${failure === null ? NOTHING : html`<p class="bad small">${failure.code}: ${failure.message}</p>`}
    ${answer.refusal === null ? NOTHING : html`<p class="small">The model declined: ${shown(answer.refusal)}</p>`}
    <pre tabindex="0">${answer.text === "" ? "(empty)" : shown(answer.text)}</pre>
    ${
      before === null
        ? NOTHING
        : html`<details class="action" id="difference-${section}-${call}-${take}">
            <summary>What differs from take ${before.take}</summary>
            <pre tabindex="0">${differenceOf(before.answer.text, answer.text)}</pre>
          </details>`
    }
  </div>`;
}

function rejectionOf(
  events: readonly TimedEvent[],
  { section, call, take }: { section: string; call: string; take: number },
): FailureSummary | null {
  for (const { event } of events.toReversed()) {
    if (event.event !== "call.rejected") continue;
    if (event.section === section && event.call === call && event.take === take) return event.failure;
  }
  return null;
}

function stepResults(steps: Record<string, unknown>): Html {
  const entries = Object.entries(steps);
  if (entries.length === 0) return NOTHING;
  return html`<h2>Steps</h2>
    ${entries.map(
      ([key, value], at) =>
        html`<details class="action" id="step-${at}">
          <summary class="mono">${key}</summary>
          <pre tabindex="0">${shown(JSON.stringify(value, null, 2))}</pre>
        </details>`,
    )}`;
}

function shown(text: string): string {
  if (text.length <= MOST_SHOWN_CHARS) return text;
  return `${text.slice(0, MOST_SHOWN_CHARS)}\n… and ${count(text.length - MOST_SHOWN_CHARS)} more characters; the export has them all.`;
}

function pretty(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2);
}

const download = page({
  path: "/reports/:id/export",
  role: "reviewer",
  params: anId,
  async show({ desk, params }) {
    const { stored } = await seeReport(desk.store, params.id);
    const { id } = stored.report;
    return {
      text: `${JSON.stringify(await exportReport(desk.store, id), null, 2)}\n`,
      contentType: "application/json; charset=utf-8",
      fileName: `${id}.json`,
    };
  },
});

export const reportTextPages = [texts, download];
