/** Who is told outside, what arrived there, and what is sent again. */
import { z } from "zod";
import { recordAudit } from "../../store/audit.ts";
import { Problem } from "../../api/problems.ts";
import { isAccount } from "../../domain/ids.ts";
import { WEBHOOK_TYPES, type WebhookDelivery, type WebhookEndpoint } from "../../domain/webhook.ts";
import { listDeliveries, readDelivery } from "../../store/webhook-deliveries.ts";
import { enableWebhook, listWebhooks, readWebhook, removeWebhook } from "../../store/webhooks.ts";
import { redisNow, type Store } from "../../store/redis.ts";
import { registerWebhook, renewSecret } from "../../webhooks/register-webhook.ts";
import { replayMissed, replayWebhook } from "../../webhooks/replay-webhooks.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, status } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type Shown, type Visit } from "../page.ts";

const DELIVERY_ROWS = 100;
const anEndpoint = z.object({ id: z.string().max(120) });

const list = page({
  path: "/webhooks",
  role: "viewer",
  async show(visit) {
    const [endpoints, now] = await Promise.all([listWebhooks(visit.desk.store), redisNow(visit.desk.store)]);
    return {
      title: "Webhooks",
      nav: "webhooks",
      body: html`<h1>Webhooks</h1>
        ${visit.may("admin") ? addForm(visit) : NOTHING}
        <div id="webhooks" data-live="webhooks">
          ${endpoints.length === 0 ? html`<p class="muted">Nobody is told anything yet.</p>` : table(endpoints, now)}
        </div>`,
    };
  },
});

function table(endpoints: readonly WebhookEndpoint[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Endpoint</th>
        <th>Hears of</th>
        <th>State</th>
        <th>Events</th>
        <th class="num">Added</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${endpoints.map(
        (endpoint) =>
          html`<tr>
            <td>
              <a href="/console/webhooks/${endpoint.id}">${endpoint.url}</a><br /><small class="mono"
                >${endpoint.id}</small
              >
            </td>
            <td data-label="Hears of">${endpoint.account ?? "the whole fleet"}</td>
            <td>${stateOf(endpoint, now)}</td>
            <td data-label="Events">${eventsOf(endpoint)}</td>
            <td class="num" data-label="Added">${ago(endpoint.createdAt, now)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function eventsOf({ events }: WebhookEndpoint): string {
  return events.length === WEBHOOK_TYPES.length ? "everything" : events.join(", ");
}

function stateOf({ state }: WebhookEndpoint, now: number): Html {
  if (state.status === "disabled")
    return html`${status("open", "disabled")} <span class="why">${state.because}</span>`;
  return state.failingSince === null
    ? status("completed", "enabled")
    : html`${status("needs_review", "failing")} <small>began ${ago(state.failingSince, now)}</small>`;
}

function addForm(visit: Visit): Html {
  return html`<details class="action">
    <summary>Add an endpoint</summary>
    ${form(
      visit,
      "/webhooks/new",
      html`<label for="hook-url">URL</label>
        <input
          id="hook-url"
          name="url"
          type="url"
          required
          maxlength="2048"
          placeholder="https://hooks.example.com/fleet"
        />
        <label for="hook-account">Account (empty: the whole fleet)</label>
        <input id="hook-account" name="account" maxlength="64" autocomplete="off" />
        <fieldset>
          <legend>Events (none chosen: all it may hear)</legend>
          ${WEBHOOK_TYPES.map((type) => html`<label><input type="checkbox" name="event.${type}" value="on" /> ${type}</label> `)}
        </fieldset>
        ${whyField("why-hook", "the billing team listens there")} <button>Add it</button>`,
    )}
  </details>`;
}

const show = page({
  path: "/webhooks/:id",
  role: "viewer",
  params: anEndpoint,
  async show(visit) {
    const { store } = visit.desk;
    const endpoint = await requireEndpoint(store, visit.params.id);
    const [deliveries, now] = await Promise.all([
      listDeliveries(store, endpoint.id, DELIVERY_ROWS),
      redisNow(store),
    ]);
    const dead = deliveries.filter((delivery) => delivery.status === "dead").length;
    return {
      title: "Webhook endpoint",
      nav: "webhooks",
      body: html`<h1>${endpoint.url}</h1>
        <div id="endpoint" data-live="webhooks">
          <dl class="facts">
            <dt>State</dt>
            <dd>${stateOf(endpoint, now)}</dd>
            <dt>Hears of</dt>
            <dd>${endpoint.account ?? "the whole fleet"}</dd>
            <dt>Events</dt>
            <dd>${eventsOf(endpoint)}</dd>
            <dt>Added</dt>
            <dd>${ago(endpoint.createdAt, now)} by ${endpoint.createdBy}</dd>
          </dl>
        </div>
        ${visit.may("admin") ? decisions(visit, endpoint, dead) : NOTHING}
        <h2>Deliveries</h2>
        ${deliveries.length === 0 ? html`<p class="muted">Nothing was sent there yet.</p>` : deliveryTable(visit, deliveries, now)}`,
    };
  },
});

function decisions(visit: Visit, { id, state }: WebhookEndpoint, dead: number): Html {
  return html`<div class="row">
    ${
      state.status === "disabled"
        ? html`<details class="action">
            <summary>Tell it again</summary>
            ${form(visit, `/webhooks/${id}/enable`, html`${whyField("why-enable", "its server is mended")} <button>Tell it again</button>`)}
          </details>`
        : NOTHING
    }
    ${form(visit, `/webhooks/${id}/replay`, html`<button class="plain">Send ${dead === 0 ? "all it missed" : `the ${count(dead)} it missed`} again</button>`, "inline")}
    <details class="action">
      <summary>New secret</summary>
      ${form(
        visit,
        `/webhooks/${id}/rotate`,
        html`<p>The old one signs beside it for a day.</p>
          ${whyField("why-rotate", "somebody has left")} <button>Make a new secret</button>`,
      )}
    </details>
    <details class="action">
      <summary>Remove</summary>
      ${form(
        visit,
        `/webhooks/${id}/remove`,
        html`<p>With everything that was to be sent there.</p>
          ${whyField("why-remove", "it moved elsewhere")} <button class="danger">Remove it</button>`,
      )}
    </details>
  </div>`;
}

const DELIVERY_LOOKS = {
  pending: ["waiting_for_retry", "on its way"],
  delivered: ["completed", "delivered"],
  dead: ["failed", "given up"],
} as const;

function deliveryTable(visit: Visit, deliveries: readonly WebhookDelivery[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Event</th>
        <th>State</th>
        <th class="num">Tries</th>
        <th>Last answer</th>
        <th class="num">When</th>
        <th><span class="sr">Again</span></th>
      </tr>
    </thead>
    <tbody data-rows>
      ${deliveries.map((delivery) => {
        const [look, words] = DELIVERY_LOOKS[delivery.status];
        const last = delivery.answers.at(-1);
        return html`<tr>
          <td>${delivery.type}<br /><small class="mono">${delivery.message}</small></td>
          <td>
            ${status(look, words)}${delivery.nextAt === null ? NOTHING : html` <small>again ${ago(delivery.nextAt, now)}</small>`}
          </td>
          <td class="num" data-label="Tries">${delivery.attempts}</td>
          <td class="why">${last?.answer ?? NOTHING}</td>
          <td class="num" data-label="When">${ago(delivery.createdAt, now)}</td>
          <td>
            ${
              visit.may("admin") && delivery.status !== "pending"
                ? form(
                    visit,
                    `/webhooks/${delivery.endpoint}/replay`,
                    html`<input type="hidden" name="delivery" value="${delivery.id}" />
                      <button class="plain">Send again</button>`,
                    "inline",
                  )
                : NOTHING
            }
          </td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

const create = action({
  path: "/webhooks/new",
  role: "admin",
  form: z
    .object({ url: z.string().trim().max(2_048), account: z.string().trim().max(64).default(""), why })
    .catchall(z.string()),
  async act({ desk, by }, { url, account, why: because, ...fields }) {
    if (account !== "" && !isAccount(account))
      throw new Problem("invalid_input", `"${account}" is no account.`);
    const events = WEBHOOK_TYPES.filter((type) => fields[`event.${type}`] === "on");
    const made = await registerWebhook(
      desk.store,
      {
        account: account === "" ? null : account,
        url,
        events: events.length === 0 ? undefined : events,
        by,
        why: because,
      },
      desk.allowPrivateWebhooks === true,
    );
    return { shown: secretPage(made.id, made.secret) };
  },
});

const rotate = action({
  path: "/webhooks/:id/rotate",
  role: "admin",
  params: anEndpoint,
  form: z.object({ why }),
  async act({ desk, by, params: { id } }, { why: because }) {
    await requireEndpoint(desk.store, id);
    return {
      shown: secretPage(id, await renewSecret(desk.store, id, desk.durations.webhookRotateMs, by, because)),
    };
  },
});

function secretPage(id: string, secret: string): Shown {
  return {
    title: "The endpoint's secret",
    nav: "webhooks",
    body: html`<h1>The endpoint's secret</h1>
      <p class="banner warn">It is shown now and never again; the receiver verifies signatures with it.</p>
      <pre>${secret}</pre>
      <p><a class="button" href="/console/webhooks/${id}">I have it</a></p>`,
  };
}

const enable = action({
  path: "/webhooks/:id/enable",
  role: "admin",
  params: anEndpoint,
  form: z.object({ why }),
  async act({ desk, by, params: { id } }, { why: because }) {
    await requireEndpoint(desk.store, id);
    await enableWebhook(desk.store, id, by, because);
    return { said: "It is told again. What it missed can be sent again here." };
  },
});

/** It changes nothing but what is sent; who did it is kept all the same. */
const replay = action({
  path: "/webhooks/:id/replay",
  role: "admin",
  params: anEndpoint,
  form: z.object({ delivery: z.string().max(200).optional() }),
  async act({ desk, by, params: { id } }, { delivery }) {
    await requireEndpoint(desk.store, id);
    const told = (what: string, sent: number) =>
      recordAudit(desk.store, {
        action: "replay_webhook",
        by,
        why: what,
        before: id,
        after: `${sent} sent again`,
      });
    if (delivery === undefined) {
      const missed = await replayMissed(desk.store, id);
      await told("all it missed", missed.length);
      return { said: missed.length === 0 ? "It missed nothing." : `${count(missed.length)} are sent again.` };
    }
    if ((await readDelivery(desk.store, delivery))?.endpoint !== id)
      throw new Problem("not_found", "This endpoint has no such delivery.");
    const outcome = await replayWebhook(desk.store, delivery);
    await told(`the delivery ${delivery}`, outcome === "replayed" ? 1 : 0);
    return { said: outcome === "replayed" ? "It is sent again." : "It is on its way already." };
  },
});

const remove = action({
  path: "/webhooks/:id/remove",
  role: "admin",
  params: anEndpoint,
  form: z.object({ why }),
  async act({ desk, by, params: { id } }, { why: because }) {
    await requireEndpoint(desk.store, id);
    await removeWebhook(desk.store, id, by, because);
    return { to: "/console/webhooks", said: "The endpoint is removed." };
  },
});

async function requireEndpoint(store: Store, id: string): Promise<WebhookEndpoint> {
  const endpoint = await readWebhook(store, id);
  if (endpoint === null) throw new Problem("not_found", "There is no such webhook endpoint.");
  return endpoint;
}

export const webhookPages = [list, create, show, rotate, enable, replay, remove];
