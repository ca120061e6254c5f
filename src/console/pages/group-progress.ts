/** How far a group's decision is while it is carried out, and its stop. */
import { z } from "zod";
import { stopOperation } from "../../desk/group-operation.ts";
import type { OperationHead } from "../../store/operations.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, usd } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, type Visit } from "../page.ts";
import { groupLink } from "../links.ts";
import { titleOf } from "./case-decision.ts";

/** How far a decision is, in words and as a bar of its cases. */
export function progress(visit: Visit, operation: OperationHead, now: number): Html {
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

export const groupProgressPages = [stop];
