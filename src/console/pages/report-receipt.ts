/** Every request that was made for a report, what it cost, and what became of it; it adds up to the report's spend. */
import { z } from "zod";
import { SPEND_OUTCOMES, totalSpend } from "../../domain/failure.ts";
import { readReceipt, type ReceiptLine } from "../../store/receipt.ts";
import { ago, count, took, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { reportTab } from "./report-frame.ts";

const receipt = reportTab("receipt", z.object({}), async ({ desk }, { stored, now }) => {
  const { calls, spend, inFlightMicros, reused } = await readReceipt(desk.store, stored.report.id);
  const split = SPEND_OUTCOMES.filter((outcome) => spend[outcome] > 0)
    .map((outcome) => `${usd(spend[outcome])} ${outcome}`)
    .join(", ");
  return html`<p>
      ${count(calls.length)} ${calls.length === 1 ? "request" : "requests"},
      <strong>${usd(totalSpend(spend))}</strong
      >${split === "" ? "" : ` (${split})`}${inFlightMicros === 0 ? "" : ` and up to ${usd(inFlightMicros)} in flight`}.
      ${reused.length === 0 ? "" : `${count(reused.length)} answers were reused from other reports, for nothing.`}
    </p>
    ${calls.length === 0 ? html`<p class="muted">No model was asked.</p>` : table(calls, now)}`;
});

function table(calls: readonly ReceiptLine[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Asked</th>
        <th>Call</th>
        <th>Model</th>
        <th class="num">Tokens in</th>
        <th class="num">Tokens out</th>
        <th class="num">Took</th>
        <th class="num">Cost</th>
        <th>Became</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${calls.map((line) => tableRow(line, now))}
    </tbody>
  </table>`;
}

function tableRow(line: ReceiptLine, now: number): Html {
  const { tokens } = line;
  return html`<tr>
    <td>${ago(line.askedAt, now)}</td>
    <td>
      ${line.section}/${line.call}${line.take > 1 ? html` <small>take ${line.take}</small>` : NOTHING}
      <br /><small>prompt ${line.promptVersion}</small>
    </td>
    <td>${line.model} <br /><small class="mono">${line.route}</small></td>
    <td class="num" data-label="Tokens in">${tokens === null ? "–" : count(tokens.inputTokens)}</td>
    <td class="num" data-label="Tokens out">${tokens === null ? "–" : count(tokens.outputTokens)}</td>
    <td class="num" data-label="Took">${line.elapsedMs === null ? "–" : took(line.elapsedMs)}</td>
    <td class="num" data-label="Cost">
      ${usd(line.micros)}${line.exact ? NOTHING : html` <small>estimated</small>`}
    </td>
    <td class="${LOST.has(line.outcome) ? "bad" : ""}">
      ${line.outcome.replaceAll("_", " ")}${line.lostTo === null ? NOTHING : html` <small>${line.lostTo}</small>`}
    </td>
  </tr>`;
}

const LOST: ReadonlySet<string> = new Set(["wasted", "unknown"]);

export const reportReceiptPages = [receipt];
