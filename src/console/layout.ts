/** What every page stands in: where one is, who one is, whether spending is stopped, and whether the page is live. */
import type { SpendingStop } from "../store/spending.ts";
import type { AssetNames } from "./assets.ts";
import { form } from "./form.ts";
import { ago, count } from "./format.ts";
import { html, NOTHING, type Html } from "./html.ts";
import type { ShownPage, Visit } from "./page.ts";

/** Name, address below /console, and the key that follows `g`. A page names its place by `nav`. */
export const NAVIGATION = [
  { nav: "overview", title: "Overview", to: "/console", key: "o" },
  { nav: "review", title: "Review", to: "/console/review", key: "v" },
  { nav: "reports", title: "Reports", to: "/console/reports", key: "r" },
  { nav: "types", title: "Types", to: "/console/types", key: "t" },
  { nav: "routes", title: "Routes", to: "/console/routes", key: "w" },
  { nav: "spend", title: "Spend", to: "/console/spend", key: "s" },
  { nav: "credits", title: "Credits", to: "/console/accounts", key: "c" },
  { nav: "workers", title: "Workers", to: "/console/workers", key: "p" },
  { nav: "webhooks", title: "Webhooks", to: "/console/webhooks", key: "h" },
  { nav: "keys", title: "Keys", to: "/console/keys", key: "k" },
  { nav: "audit", title: "Audit", to: "/console/audit", key: "a" },
  { nav: "queues", title: "Queues", to: "/console/queues", key: "q" },
] as const;

export interface Around {
  visit: Visit;
  assets: AssetNames;
  fleet: string;
  stop: SpendingStop | null;
  /** Cases that wait for a person. */
  waiting: number;
  now: number;
  said: string | null;
}

export function pageIn(around: Around, { title, nav, body, keys = [] }: ShownPage): Html {
  const { visit, fleet, stop, said, now, assets } = around;
  const { environment } = visit.desk;
  const isProduction = environment !== null && /^prod/i.test(environment);
  const badge =
    environment === null
      ? NOTHING
      : html`<span class="badge ${isProduction ? "bad" : "quiet"}">${environment}</span>`;
  const stopped =
    stop === null
      ? NOTHING
      : html`<p class="banner bad" role="status">
          <strong>Spending is stopped.</strong> No call begins anywhere; reports wait and nothing is lost.
          Stopped by ${stop.by}, ${ago(stop.at, now)}: ${stop.reason} <a href="/console#spending">Change</a>
        </p>`;
  return document(
    assets,
    `${title} · ${fleet}`,
    html`<body data-now="${now}">
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="name" href="/console">Report Fleet</a>
        <span class="fleet">${fleet}</span>
        ${badge}
        <span class="grow"></span>
        <button type="button" class="plain live" data-live-switch hidden>
          <span data-live-state>live</span>
        </button>
        <span class="person">${visit.person.name} <small>${visit.person.role}</small></span>
        ${form(visit, "/logout", html`<button class="plain">Sign out</button>`, "inline")}
      </header>
      ${stopped}
      <div class="frame">
        <nav class="side" aria-label="Pages">
          ${NAVIGATION.map((entry) => link(entry, nav, around.waiting))}
        </nav>
        <main id="main" tabindex="-1">
          ${said === null ? NOTHING : html`<p class="banner good" role="status">${said}</p>`} ${body}
        </main>
      </div>
      ${keyHelp(keys)}
      <p class="sr" role="status" data-announce></p>
    </body>`,
  );
}

/** For whoever is not signed in: no navigation, nothing of the fleet but its name. */
export function bareIn(assets: AssetNames, title: string, body: Html, refreshTo: string | null = null): Html {
  return document(
    assets,
    title,
    html`<body class="bare">
      <main id="main">${body}</main>
    </body>`,
    refreshTo === null ? NOTHING : html`<meta http-equiv="refresh" content="0;url=${refreshTo}" />`,
  );
}

function document({ css, script }: AssetNames, title: string, body: Html, more: Html = NOTHING): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        ${more}
        <title>${title}</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href="${css}" />
        <script type="module" src="${script}"></script>
      </head>
      ${body}
    </html>`;
}

function link(entry: (typeof NAVIGATION)[number], nav: string | undefined, waiting: number): Html {
  const here = entry.nav === nav ? html` aria-current="page"` : NOTHING;
  const badge =
    (entry.nav as string) === "review" && waiting > 0
      ? html` <span class="count">${count(waiting)}</span>`
      : NOTHING;
  return html`<a href="${entry.to}" data-go="${entry.key}" ${here}>${entry.title}${badge}</a>`;
}

function keyHelp(own: NonNullable<ShownPage["keys"]>): Html {
  const keys: readonly (readonly [string, string])[] = [
    ...own,
    ["?", "this help"],
    ["/", "search"],
    ["g, then a letter", NAVIGATION.map(({ key, title }) => `${key} ${title}`).join(", ")],
    ["j  k", "next or previous row"],
    ["Enter", "open the row"],
    ["p", "pause or resume live updates"],
    [".", "copy the id of this page"],
  ];
  return html`<dialog data-help aria-label="Keys">
    <h2>Keys</h2>
    <dl>
      ${keys.map(
        ([key, what]) =>
          html`<dt><kbd>${key}</kbd></dt>
            <dd>${what}</dd>`,
      )}
    </dl>
    <form method="dialog"><button>Close</button></form>
  </dialog>`;
}
