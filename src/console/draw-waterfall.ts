/** Draws a waterfall: solid is work, hatched is waiting for its turn, dotted is cooling down, striped is a person's. */
import type { EpochMs } from "../domain/ids.ts";
import type { Section } from "../domain/report.ts";
import { status, took, usd } from "./format.ts";
import { html, NOTHING, type Html } from "./html.ts";
import {
  scaleOf,
  type CallTrack,
  type Scale,
  type SectionTrack,
  type Span,
  type Waterfall,
} from "./waterfall.ts";

const HEIGHT = 14;
const SPAN_WORDS = {
  waiting: "waiting for its turn",
  working: "being written",
  cooldown: "cooling down after a failure",
  person: "waiting for a person",
} as const satisfies Record<Span["kind"], string>;
const CALL_WORDS = {
  asking: "asked now",
  answered: "answered, not judged yet",
  accepted: "accepted",
  rejected: "rejected",
  unanswered: "no answer",
  duplicate: "a duplicate answer",
  reused: "reused, for nothing",
} as const satisfies Record<CallTrack["outcome"], string>;

export function drawWaterfall(fall: Waterfall, sections: readonly Section[], now: EpochMs): Html {
  if (fall.sections.length === 0) return html`<p class="muted">Nothing was begun yet.</p>`;
  const scale = scaleOf(fall);
  const byKey = new Map(sections.map((section) => [section.key, section]));
  return html`${patterns()}
    <table class="fall cards">
      <thead>
        <tr>
          <th>Section</th>
          <th class="wide">
            ${took(fall.to - fall.from)} in
            all${scale.breaks.length === 0 ? NOTHING : html`, idle time shortened`}
          </th>
          <th class="num">Worked</th>
          <th class="num">Spent</th>
        </tr>
      </thead>
      <tbody>
        ${fall.sections.map((track) => sectionRows(track, byKey.get(track.key), scale, now))}
      </tbody>
    </table>
    ${legend(fall)}`;
}

function sectionRows(track: SectionTrack, section: Section | undefined, scale: Scale, now: EpochMs): Html {
  const worked = track.spans
    .filter(({ kind }) => kind === "working")
    .reduce((sum, { from, to }) => sum + to - from, 0);
  const spent = track.calls.reduce((sum, { micros }) => sum + micros, 0);
  const tries =
    section === undefined ? 0 : Object.values(section.attempts).reduce((sum, number) => sum + number, 0);
  return html`<tr class="section">
      <td>
        <strong>${track.title}</strong>
        ${section === undefined ? NOTHING : status(section.status)}
        ${tries === 0 ? NOTHING : html`<small>${tries} further ${tries === 1 ? "try" : "tries"}</small>`}
      </td>
      <td class="wide">
        <svg class="bar" width="100%" height="${HEIGHT}" role="img" aria-label="${spoken(track)}">
          ${track.spans.map((span) => spanBar(span, scale))} ${scale.breaks.map(({ at }) => breakMark(at))}
        </svg>
        ${becauseOf(section, track)}
      </td>
      <td class="num" data-label="Worked">${worked === 0 ? NOTHING : took(worked)}</td>
      <td class="num" data-label="Spent">${spent === 0 ? NOTHING : usd(spent)}</td>
    </tr>
    ${track.calls.map((call) => callRow(call, scale, now))}
    ${track.steps.map(
      ({ step, from, to }) =>
        html`<tr class="part">
          <td>${step} <small>step</small></td>
          <td class="wide">
            <svg class="bar" width="100%" height="8" role="img" aria-label="computed in ${took(to - from)}">
              ${bar({ from, to }, scale, "step", 8, `computed in ${took(to - from)}`)}
            </svg>
          </td>
          <td class="num">${took(to - from)}</td>
          <td></td>
        </tr>`,
    )}`;
}

/** Not where the call says it already. */
function becauseOf(section: Section | undefined, { calls }: SectionTrack): Html {
  if (section === undefined) return NOTHING;
  if (
    "failure" in section &&
    section.failure !== null &&
    calls.some((call) => call.why === section.failure?.message)
  )
    return NOTHING;
  if ("failure" in section && section.failure !== null)
    return html`<span class="why">${section.failure.message}</span>`;
  if (section.status === "completed" && section.edited !== null)
    return html`<span class="why">written by ${section.edited.by}: ${section.edited.why}</span>`;
  if (section.status === "completed" && section.unreviewed !== null)
    return html`<span class="why">unreviewed: ${section.unreviewed}</span>`;
  return "because" in section && section.because !== ""
    ? html`<span class="why">${section.because}</span>`
    : NOTHING;
}

function callRow(call: CallTrack, scale: Scale, now: EpochMs): Html {
  const to = call.to ?? now;
  const words = CALL_WORDS[call.outcome];
  return html`<tr class="part">
    <td>
      ${call.call}${call.take > 1 ? html` <small>take ${call.take}</small>` : NOTHING}
      <small class="${call.outcome}">${words}</small>
    </td>
    <td class="wide">
      <svg
        class="bar"
        width="100%"
        height="8"
        role="img"
        aria-label="${words}, after ${took(to - call.from)}"
      >
        ${bar({ from: call.from, to }, scale, `call ${call.outcome}`, 8, call.why ?? words)}
        ${call.readAgain.map(
          (at) =>
            html`<circle class="checkpoint" cx="${scale.at(at)}%" cy="4" r="4">
              <title>read from its checkpoint, ${usd(call.micros)} not paid again</title>
            </circle>`,
        )}
      </svg>
      ${call.why === null || call.outcome === "reused" ? NOTHING : html`<span class="why">${call.why}</span>`}
    </td>
    <td class="num" data-label="Took">${took(to - call.from)}</td>
    <td class="num" data-label="Spent">${call.micros === 0 ? NOTHING : usd(call.micros)}</td>
  </tr>`;
}

function spanBar(span: Span, scale: Scale): Html {
  const words = `${SPAN_WORDS[span.kind]}, ${took(span.to - span.from)}${span.why === "" ? "" : `: ${span.why}`}`;
  return bar(span, scale, span.kind, HEIGHT, words);
}

/** Never thinner than can be seen. Sizes are attributes, since the policy allows no style in an element. */
function bar(
  span: { from: EpochMs; to: EpochMs },
  scale: Scale,
  look: string,
  height: number,
  words: string,
): Html {
  const from = scale.at(span.from);
  const width = Math.max(0.4, scale.at(span.to) - from);
  const x = Math.min(from, 100 - width);
  const fill = FILLS[look];
  return html`<rect
    class="${look}"
    x="${x.toFixed(2)}%"
    width="${width.toFixed(2)}%"
    height="${height}"
    ${fill === undefined ? NOTHING : html`fill="url(#${fill})"`}
  >
    <title>${words}</title>
  </rect>`;
}

/** A pattern is named by the element: in a stylesheet the name would be looked for in the stylesheet. */
const FILLS: Readonly<Record<string, string>> = { waiting: "hatched", cooldown: "dotted", person: "striped" };

function breakMark(at: number): Html {
  return html`<line class="break" x1="${at.toFixed(2)}%" x2="${at.toFixed(2)}%" y1="0" y2="${HEIGHT}" />`;
}

function spoken({ spans }: SectionTrack): string {
  if (spans.length === 0) return "not begun";
  return spans.map(({ kind, from, to }) => `${SPAN_WORDS[kind]} ${took(to - from)}`).join(", then ");
}

function legend({ sections }: Waterfall): Html {
  const kinds = (["working", "waiting", "cooldown", "person"] as const).filter((kind) =>
    sections.some(({ spans }) => spans.some((span) => span.kind === kind)),
  );
  const hasCheckpoints = sections.some(({ calls }) => calls.some(({ readAgain }) => readAgain.length > 0));
  return html`<ul class="legend">
    ${kinds.map((kind) => {
      const fill = FILLS[kind];
      return html`<li>
        <svg class="bar" width="18" height="10" aria-hidden="true">
          <rect
            class="${kind}"
            width="18"
            height="10"
            ${fill === undefined ? NOTHING : html`fill="url(#${fill})"`}
          />
        </svg>
        ${SPAN_WORDS[kind]}
      </li>`;
    })}
    ${
      hasCheckpoints
        ? html`<li>
            <svg class="bar" width="10" height="10" aria-hidden="true">
              <circle class="checkpoint" cx="5" cy="5" r="4" />
            </svg>
            read from its checkpoint, not paid again
          </li>`
        : NOTHING
    }
  </ul>`;
}

function patterns(): Html {
  return html`<svg width="0" height="0" class="patterns" aria-hidden="true">
    <pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect class="ground" width="6" height="6" />
      <rect class="ink" width="2" height="6" />
    </pattern>
    <pattern id="dotted" width="6" height="6" patternUnits="userSpaceOnUse">
      <rect class="ground" width="6" height="6" />
      <circle class="ink wait" cx="3" cy="3" r="1.6" />
    </pattern>
    <pattern id="striped" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
      <rect class="ground" width="8" height="8" />
      <rect class="ink person" width="4" height="8" />
    </pattern>
  </svg>`;
}
