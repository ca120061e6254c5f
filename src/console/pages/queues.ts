/**
 * BullMQ's queues by the numbers, and the way to Bull Board. Its buttons are there for an admin who has said why, for a
 * while: it asks for no reason itself, and no press is without one in the audit.
 */
import { z } from "zod";
import { endQueueReason, giveQueueReason, readQueueReason } from "../../store/queue-reasons.ts";
import { queueNames, type QueueNumbers } from "../../store/queues.ts";
import { form, why, whyField } from "../form.ts";
import { count, shortWait, status } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { queueLink } from "../links.ts";
import { action, page, type Visit } from "../page.ts";

const queues = page({
  path: "/queues",
  role: "viewer",
  async show(visit) {
    const { store, queues: ours } = visit.desk;
    const names = await queueNames(store);
    const [numbers, reason] = await Promise.all([
      Promise.all(names.map((name) => ours.numbers(name))),
      readQueueReason(store, visit),
    ]);
    return {
      title: "Queues",
      nav: "queues",
      body: html`<h1>Queues</h1>
        <p class="muted">
          As BullMQ has them. A job only rings: what there is to do, and what was paid, the store knows, so
          nothing that is done to a job pays or delivers anything twice.
        </p>
        <div id="queues" data-live="reports">${table(names, numbers)}</div>
        <p><a class="button plain" href="/admin/queues">Open Bull Board</a></p>
        <h2>Act there</h2>
        ${
          !visit.may("admin")
            ? html`<p class="muted">An admin can ring jobs again, drop them and pause queues there.</p>`
            : reason === null
              ? sayWhy(visit)
              : putAway(visit, reason.why, reason.leftMs)
        }`,
    };
  },
});

function sayWhy(visit: Visit): Html {
  const wait = shortWait(visit.desk.durations.consoleQueuesMs);
  return form(
    visit,
    "/queues/open",
    html`<p>
        Bull Board shows its buttons for ${wait} once you have said why; the reason stands beside each press
        in the audit.
      </p>
      ${whyField("why-queues", "a job hangs since the deploy")} <button>Show the buttons</button>`,
  );
}

function putAway(visit: Visit, reason: string, leftMs: number): Html {
  return html`<p>Its buttons are there for another ${shortWait(leftMs)}: ${reason}</p>
    ${form(visit, "/queues/close", html`<button class="plain">Put them away</button>`)}`;
}

function table(names: readonly string[], numbers: readonly QueueNumbers[]): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Queue</th>
        <th>State</th>
        <th class="num">Waiting</th>
        <th class="num">Active</th>
        <th class="num">Delayed</th>
        <th class="num">Failed</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${names.map((name, nth) => {
        const { isPaused, waiting, active, delayed, failed } = numbers[nth] as QueueNumbers;
        return html`<tr>
          <td><a class="mono" href="${queueLink(name)}">${name}</a></td>
          <td>${isPaused ? status("waiting_for_retry", "paused") : NOTHING}</td>
          <td class="num" data-label="Waiting">${count(waiting)}</td>
          <td class="num" data-label="Active">${count(active)}</td>
          <td class="num" data-label="Delayed">${count(delayed)}</td>
          <td class="num" data-label="Failed">${count(failed)}</td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

const open = action({
  path: "/queues/open",
  role: "admin",
  form: z.object({ why }),
  async act(visit, fields) {
    const forMs = visit.desk.durations.consoleQueuesMs;
    await giveQueueReason(visit.desk.store, visit, { why: fields.why, by: visit.by, forMs });
    return { to: "/admin/queues" };
  },
});

const close = action({
  path: "/queues/close",
  role: "admin",
  form: z.object({}),
  async act(visit) {
    await endQueueReason(visit.desk.store, visit, visit.by);
    return { to: "/console/queues", said: "The buttons are put away." };
  },
});

export const queuePages = [queues, open, close];
