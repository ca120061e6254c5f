/** The ways to the models: which are closed and why, and how much of each one's allowance is used. */
import { z } from "zod";
import { NO_LIMITS, type RouteLimits } from "../../domain/route.ts";
import { closeRouteBy, listRoutes, openRoute, type RouteView } from "../../store/routes.ts";
import { redisNow } from "../../store/redis.ts";
import { form, why, whyField } from "../form.ts";
import { ago, count, shortWait, status } from "../format.ts";
import { html, NOTHING, type Html } from "../html.ts";
import { action, page, type ConsoleDesk, type Visit } from "../page.ts";

const routes = page({
  path: "/routes",
  role: "viewer",
  async show(visit) {
    const { desk } = visit;
    const [known, now] = await Promise.all([listRoutes(desk.store), redisNow(desk.store)]);
    return {
      title: "Routes",
      nav: "routes",
      body: html`<h1>Routes</h1>
        <p class="muted">
          A route is a provider, a key and a model. What one worker learns about it, all obey; reports that
          wait for a closed route spend no attempt.
        </p>
        <div id="routes" data-live="routes">
          ${known.length === 0 ? html`<p class="muted">No call ever went anywhere.</p>` : table(desk, known, now)}
        </div>
        ${visit.may("admin") && known.length > 0 ? actions(visit, known) : NOTHING}`,
    };
  },
});

function table(desk: ConsoleDesk, known: readonly RouteView[], now: number): Html {
  return html`<table class="cards">
    <thead>
      <tr>
        <th>Route</th>
        <th>State</th>
        <th>Why</th>
        <th class="num">Requests this minute</th>
        <th class="num">Tokens this minute</th>
        <th class="num">In flight</th>
        <th class="num">Last answer</th>
      </tr>
    </thead>
    <tbody data-rows>
      ${known.map((route) => {
        const limits = limitsOf(desk, route.route);
        return html`<tr>
          <td class="mono">${route.route}</td>
          <td>${stateOf(route, now)}</td>
          <td class="why">${route.closed ?? NOTHING}</td>
          <td class="num" data-label="Requests">${used(route.minute.requests, limits.requestsPerMinute)}</td>
          <td class="num" data-label="Tokens">${used(route.minute.tokens, limits.tokensPerMinute)}</td>
          <td class="num" data-label="In flight">${used(route.inFlight, limits.concurrency)}</td>
          <td class="num" data-label="Answered">
            ${route.answeredAt === null ? "never" : ago(route.answeredAt, now)}
          </td>
        </tr>`;
      })}
    </tbody>
  </table>`;
}

function stateOf(route: RouteView, now: number): Html {
  if (route.closed !== null) return status("open", "closed");
  const wait = (route.closedUntil ?? 0) - now;
  if (route.troubleSince !== null)
    return html`${status("waiting_for_retry", wait > 0 ? `silent, probed in ${shortWait(wait)}` : "silent, being probed")}
      <small>began ${ago(route.troubleSince, now)}</small>`;
  if (wait > 0) return status("waiting_for_retry", `waits ${shortWait(wait)}, as the provider asked`);
  return status("completed", "open");
}

function used(number: number, limit: number | null): Html {
  return limit === null ? html`${count(number)}` : html`${count(number)} <small>of ${count(limit)}</small>`;
}

/** As this process is configured; a process without a provider knows none. */
function limitsOf({ models, types }: ConsoleDesk, id: string): RouteLimits {
  if (models === null) return NO_LIMITS;
  const names = new Set(["default", ...types.all().flatMap(({ model }) => model?.model ?? [])]);
  for (const name of names) {
    try {
      const route = models.routesOf({ model: name }).find((one) => one.id === id);
      if (route !== undefined) return route.limits;
    } catch {
      // A model that has no route or no price here has no limits to show either.
    }
  }
  return NO_LIMITS;
}

function actions(visit: Visit, known: readonly RouteView[]): Html {
  const options = (closed: boolean) =>
    known
      .filter((route) => (route.closed !== null) === closed)
      .map(({ route }) => html`<option>${route}</option>`);
  const closed = known.some((route) => route.closed !== null);
  const open = known.some((route) => route.closed === null);
  return html`<h2>Decide</h2>
    ${
      closed
        ? html`<details class="action">
            <summary>Open a route</summary>
            ${form(
              visit,
              "/routes/open",
              html`<label for="open-route">Route</label>
                <select id="open-route" name="route">
                  ${options(true)}
                </select>
                ${whyField("open-why", "the provider was paid")} <button>Let calls over it again</button>`,
            )}
          </details>`
        : NOTHING
    }
    ${
      open
        ? html`<details class="action">
            <summary>Close a route</summary>
            ${form(
              visit,
              "/routes/close",
              html`<p>
                  No call begins over it until a person opens it. Reports wait, or use their next route.
                </p>
                <label for="close-route">Route</label>
                <select id="close-route" name="route">
                  ${options(false)}
                </select>
                ${whyField("close-why", "the key is being replaced")}
                <button class="danger">Close it</button>`,
            )}
          </details>`
        : NOTHING
    }`;
}

const aRoute = z.object({ route: z.string().min(1).max(500), why });

const open = action({
  path: "/routes/open",
  role: "admin",
  form: aRoute,
  async act({ desk, by }, { route, why: reason }) {
    const outcome = await openRoute(desk.store, route, by, reason);
    return { said: outcome === "unknown" ? `No call ever went over ${route}.` : `${route} is open.` };
  },
});

const close = action({
  path: "/routes/close",
  role: "admin",
  form: aRoute,
  async act({ desk, by }, { route, why: reason }) {
    const outcome = await closeRouteBy(desk.store, route, { by, why: reason });
    return {
      said:
        outcome === "unknown"
          ? `No call ever went over ${route}.`
          : `${route} is closed until a person opens it.`,
    };
  },
});

export const routePages = [routes, open, close];
