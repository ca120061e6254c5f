/** Where each page is looked at: pages with an id in their address name some that are worth looking at. */
import { PAGES } from "../../../src/console/pages.ts";
import type { Story } from "../../support/story.ts";

/** By the page's path. Whoever adds a page with `:something` adds a line here. */
function examplesOf(_story: Story): Record<string, readonly string[]> {
  return {};
}

export function addressesOf(story: Story): string[] {
  const examples = examplesOf(story);
  return PAGES.flatMap(({ kind, path }) => {
    if (kind !== "page") return [];
    if (!path.includes(":")) return [`/console${path === "/" ? "" : path}`];
    const found = examples[path];
    if (found === undefined)
      throw new Error(`Name examples of ${path} in test/browser/support/addresses.ts.`);
    return found.map((address) => `/console${address}`);
  });
}
