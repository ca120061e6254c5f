/** Where each page is looked at: pages with an id in their address name some that are worth looking at. */
import { PAGES } from "../../../src/console/pages.ts";
import type { Story } from "../../support/story.ts";

/** By the page's path, the one worth most first. Whoever adds a page with `:something` adds a line here. */
function examplesOf({
  ids,
  case: parkedCase,
  caseGroup,
  webhooks,
}: Story): Record<string, readonly string[]> {
  return {
    "/reports/:id": [ids.bumpy, ids.parked, ids.running, ids.partial].map((id) => `/reports/${id}`),
    "/reports/:id/texts": [`/reports/${ids.parked}/texts`],
    "/reports/:id/document": [`/reports/${ids.repaired}/document`, `/reports/${ids.parked}/document`],
    // Looked at in the frame of the page before; by itself it runs no script, the checks neither.
    "/reports/:id/document/:format": [],
    "/reports/:id/receipt": [`/reports/${ids.repaired}/receipt`],
    "/reports/:id/history": [`/reports/${ids.partial}/history`],
    "/review/:case": [`/review/${encodeURIComponent(parkedCase)}`],
    "/groups/:group": [`/groups/${encodeURIComponent(caseGroup)}`],
    "/types/:type": ["/types/market-brief", "/types/price-watch"],
    "/accounts/:account": ["/accounts/acme"],
    "/webhooks/:id": webhooks.map((id) => `/webhooks/${id}`),
    // Downloads, and no pages.
    "/review/:case/answer": [],
    "/reports/:id/export": [],
  };
}

/** `one` of each page, or all that are worth looking at. */
export function addressesOf(story: Story, which: "one" | "all"): string[] {
  const examples = examplesOf(story);
  return PAGES.flatMap(({ kind, path }) => {
    // A file is not looked at.
    if (kind !== "page" || path.endsWith(".csv")) return [];
    if (!path.includes(":")) return [`/console${path === "/" ? "" : path}`];
    const found = examples[path];
    if (found === undefined)
      throw new Error(`Name examples of ${path} in test/browser/support/addresses.ts.`);
    return found.slice(0, which === "one" ? 1 : found.length).map((address) => `/console${address}`);
  });
}
