/** Where each page is looked at: pages with an id in their address name some that are worth looking at. */
import { PAGES } from "../../../src/console/pages.ts";
import type { Story } from "../../support/story.ts";

/** By the page's path. Whoever adds a page with `:something` adds a line here. */
function examplesOf(story: Story): Record<string, readonly string[]> {
  return {
    "/types/:type": ["/types/market-brief", "/types/price-watch"],
    "/accounts/:account": ["/accounts/acme"],
    "/webhooks/:id": story.webhooks.map((id) => `/webhooks/${id}`),
  };
}

export function addressesOf(story: Story): string[] {
  const examples = examplesOf(story);
  return PAGES.flatMap(({ kind, path }) => {
    // A file is not looked at.
    if (kind !== "page" || path.endsWith(".csv")) return [];
    if (!path.includes(":")) return [`/console${path === "/" ? "" : path}`];
    const found = examples[path];
    if (found === undefined)
      throw new Error(`Name examples of ${path} in test/browser/support/addresses.ts.`);
    return found.map((address) => `/console${address}`);
  });
}
