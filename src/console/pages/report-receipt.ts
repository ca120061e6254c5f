/** Every request that was made for a report, what it cost, and what became of it; it adds up to the report's spend. */
import { SPEND_OUTCOMES, totalSpend } from "../../domain/failure.ts";
import { readReceipt, type ReceiptLine } from "../../store/receipt.ts";
import { ago, count, took, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { page } from "../page.ts";
import { anId, reportShown, seeReport } from "./report-frame.ts";

const receipt = page({
  path: "/reports/:id/receipt",
  role: "viewer",
  params: anId,
  async show(visit) {
    const { store } = visit.desk;
    const seen = await seeReport(store, visit.params.id);
    const { report } = seen.stored;
    const { calls, spend, inFlightMicros, reused } = await readReceipt(store, report.id);
    const split = SPEND_OUTCOMES.filter((outcome) => spend[outcome] > 0)
      .map((outcome) => `${usd(spend[outcome])} ${outcome}`)
      .join(", ");
    return reportShown(
      visit,
      seen,
      "receipt",
      html`<div id="receipt" data-live="report:${report.id}">
        <p>
          ${count(calls.length)} requests,
          <strong>${usd(totalSpend(spend))}</strong
          >${split === "" ? "" : ` (${split})`}${inFlightMicros === 0 ? "" : ` and up to ${usd(inFlightMicros)} in flight`}.
          ${reused.length === 0 ? "" : `${count(reused.length)} answers were reused from other reports, for nothing.`}
        </p>
        ${calls.length === 0 ? html`<p class="muted">No model was asked.</p>` : table(calls, seen.now)}
      </div>`,
    );
  },
});

function table(calls: readonly ReceiptLine[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Asked</th>
        <th>Call</th>
        <th>Model</th>
        <th class="num">In</th>
        <th class="num">Out</th>
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
    <td class="num" data-label="In">${tokens === null ? "–" : count(tokens.inputTokens)}</td>
    <td class="num" data-label="Out">${tokens === null ? "–" : count(tokens.outputTokens)}</td>
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
