/** What happened, the failing place first: an operator should know within a minute why a case is here. */
import { FAILURE_CODES, isFailureCode } from "../../classifier/failure-codes.ts";
import type { CaseFile, CaseTexts } from "../../desk/case-file.ts";
import type { FailingPlace } from "../../desk/failing-place.ts";
import { totalSpend, type Attempts } from "../../domain/failure.ts";
import type { ReviewCase } from "../../domain/review.ts";
import type { ReceiptLine } from "../../store/receipt.ts";
import { ago, count, credits, shortWait, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { caseLink } from "../links.ts";

/** What is shown around the failing place before anybody asks for the whole. */
const AROUND_CHARS = 700;
/** A longer answer is read from its file. */
const MOST_SHOWN_CHARS = 60_000;

/** `texts` is null for who may not see them. */
export function whatHappened(file: CaseFile, texts: CaseTexts | null, now: number): Html {
  return html`<section class="what" aria-labelledby="what">
    <h2 id="what">What happened</h2>
    ${facts(file)}
    ${texts === null ? html`<p class="muted">Prompts and answers are shown to reviewers.</p>` : answer(file, texts)}
    ${requests(file.asked, now)} ${others(file.others, now)}
  </section>`;
}

function facts({ found, stored, sections }: CaseFile): Html {
  const { failure, evidence } = found;
  const { report } = stored;
  const { spend } = report;
  const kept = sections.filter(({ status }) => status === "completed").length;
  return html`<dl class="facts">
    <dt>Failure</dt>
    <dd>
      ${failure.code}
      <p class="small muted">
        ${isFailureCode(failure.code) ? FAILURE_CODES[failure.code].means : ""} Rule ${failure.rule}.
      </p>
    </dd>
    ${
      evidence.path === null
        ? NOTHING
        : html`<dt>Path</dt>
            <dd><code>${evidence.path}</code></dd>`
    }
    ${
      evidence.call === null
        ? NOTHING
        : html`<dt>Call</dt>
            <dd>
              ${evidence.call}${evidence.take === null ? "" : `, take ${evidence.take}`} · prompt version
              ${evidence.promptVersion ?? "–"} · ${evidence.model ?? "–"}
            </dd>`
    }
    <dt>Attempts</dt>
    <dd>${attemptWords(found.attempts)}</dd>
    <dt>Money</dt>
    <dd>
      <strong>${usd(totalSpend(spend) + stored.inFlightMicros)}</strong> spent on the report:
      ${usd(spend.useful + spend.repaired)} useful, ${usd(spend.pending + stored.inFlightMicros)} not settled,
      <span class="${spend.wasted > 0 ? "bad" : ""}">${usd(spend.wasted)} wasted</span
      >${spend.unknown > 0 ? `, ${usd(spend.unknown)} unknown` : ""}. Budget ${usd(report.budgetMicros)}.
    </dd>
    <dt>Credits</dt>
    <dd>${credits(report)}</dd>
    <dt>Sections</dt>
    <dd>${count(kept)} of ${count(sections.length)} finished; what is finished is never paid again</dd>
  </dl>`;
}

function attemptWords({ transient, repair, crash }: Attempts): string {
  const words = [
    transient > 0 ? `${transient} after a transient failure` : "",
    repair > 0 ? `${repair} repair` : "",
    crash > 0 ? `${crash} after a crash` : "",
  ].filter((one) => one !== "");
  return words.length === 0 ? "none beyond the first" : words.join(", ");
}

function answer({ found }: CaseFile, { takes, question, place }: CaseTexts): Html {
  const [failed, ...earlier] = takes;
  if (failed === undefined)
    return html`<h3>The answer</h3>
      <p class="muted">No answer came, or it is not kept any more.</p>
      ${prompt(question)}`;
  const { text, refusal, finishReason } = failed.answer;
  const words = text === "" ? (refusal ?? "") : text;
  return html`<h3>The answer${place === null ? "" : `: ${place.says}`}</h3>
    ${words === "" ? html`<p class="muted">It is empty.</p>` : NOTHING}
    ${refusal === null ? NOTHING : html`<p class="muted">The model declined.</p>`}
    ${place === null ? NOTHING : html`<pre id="failing" tabindex="0">${excerpt(text, place)}</pre>`}
    ${
      words === ""
        ? NOTHING
        : html`<details id="whole-answer" ${place === null ? html`open` : NOTHING}>
            <summary>
              The whole answer
              <small>${count(words.length)} characters, ended with ${finishReason ?? "nothing"}</small>
            </summary>
            <pre tabindex="0">${place === null ? shortened(words) : marked(shortened(words), place)}</pre>
            <p class="small"><a href="${caseLink(found.id)}/answer">As a file</a></p>
          </details>`
    }
    ${prompt(question)}
    ${earlier.map(
      ({ take, answer: one }) =>
        html`<details id="take-${take}">
          <summary>Take ${take}, rejected <small>${usd(one.micros)}</small></summary>
          <pre tabindex="0">${shortened(one.text)}</pre>
        </details>`,
    )}`;
}

function prompt(question: CaseTexts["question"]): Html {
  if (question === null) return NOTHING;
  return html`<details id="prompt">
    <summary>The prompt as it was asked <small>version ${question.promptVersion}</small></summary>
    ${question.messages.map(
      ({ role, content }) =>
        html`<h4>${role}</h4>
          <pre tabindex="0">${shortened(content)}</pre>`,
    )}
  </details>`;
}

/** The failing place with what stands around it, cut at line ends where there are any near. */
function excerpt(text: string, { start, end, says }: FailingPlace): Html {
  const from = lineStart(text, Math.max(0, start - AROUND_CHARS));
  const shownEnd = Math.min(end, start + AROUND_CHARS);
  const to = Math.min(text.length, shownEnd + AROUND_CHARS / 2);
  const before = from === 0 ? "" : `… ${count(from)} characters before\n`;
  const after = to === text.length ? "" : `\n… ${count(text.length - to)} characters after`;
  return html`<span class="muted">${before}</span
    >${text.slice(from, start)}${mark(text.slice(start, shownEnd), says)}${text.slice(shownEnd, to)}<span
      class="muted"
      >${after}</span
    >`;
}

function marked(text: string, { start, end, says }: FailingPlace): Html {
  if (start > text.length) return html`${text}`;
  return html`${text.slice(0, start)}${mark(text.slice(start, end), says)}${text.slice(end)}`;
}

function mark(text: string, says: string): Html {
  return text === "" ? html`<mark class="gap">▲ ${says}</mark>` : html`<mark>${text}</mark>`;
}

function lineStart(text: string, at: number): number {
  const line = text.lastIndexOf("\n", at) + 1;
  return at - line < AROUND_CHARS / 2 ? line : at;
}

function shortened(text: string): string {
  return text.length <= MOST_SHOWN_CHARS
    ? text
    : `${text.slice(0, MOST_SHOWN_CHARS)}\n… ${count(text.length - MOST_SHOWN_CHARS)} further characters; the file has them all`;
}

function requests(asked: readonly ReceiptLine[], now: number): Html {
  if (asked.length === 0) return NOTHING;
  return html`<details id="requests">
    <summary>
      Every request
      <small>${count(asked.length)}, ${usd(asked.reduce((sum, { micros }) => sum + micros, 0))}</small>
    </summary>
    <table class="cards">
      <thead>
        <tr>
          <th>Call</th>
          <th>Outcome</th>
          <th class="num">Tokens in, out</th>
          <th class="num">Cost</th>
          <th class="num">Took</th>
          <th>Asked</th>
        </tr>
      </thead>
      <tbody>
        ${asked.map(
          (line) =>
            html`<tr>
              <td>
                ${line.call} <small>take ${line.take} · prompt ${line.promptVersion} · ${line.model}</small>
              </td>
              <td>${line.outcome.replaceAll("_", " ")}</td>
              <td class="num" data-label="Tokens">
                ${line.tokens === null ? "" : `${count(line.tokens.inputTokens)}, ${count(line.tokens.outputTokens)}`}
              </td>
              <td class="num" data-label="Cost">${line.exact ? "" : "≤ "}${usd(line.micros)}</td>
              <td class="num" data-label="Took">
                ${line.elapsedMs === null ? "" : shortWait(line.elapsedMs)}
              </td>
              <td class="nowrap" data-label="Asked">${ago(line.askedAt, now)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </details>`;
}

function others(cases: readonly ReviewCase[], now: number): Html {
  if (cases.length === 0) return NOTHING;
  return html`<details id="others" open>
    <summary>Other cases of this report <small>${count(cases.length)}</small></summary>
    <ul class="plain">
      ${cases.map(
        (one) =>
          html`<li>
            <a href="${caseLink(one.id)}">${one.section ?? "the report itself"}: ${one.failure.message}</a>
            <span class="muted">
              ${
                one.state.status === "open"
                  ? html`opened ${ago(one.openedAt, now)}`
                  : html`${one.state.action.replaceAll("_", " ")} by ${one.state.by},
                    ${ago(one.state.at, now)}: ${one.state.why}`
              }
            </span>
          </li>`,
      )}
    </ul>
  </details>`;
}
