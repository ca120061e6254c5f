/** One of several looks at the same page, in a `nav` of the class `tabs`. */
import { html, NOTHING, type Html } from "./html.ts";

export function tabTo(href: string, words: Html | string, isHere: boolean): Html {
  return html`<a href="${href}" ${isHere ? html`aria-current="page"` : NOTHING}>${words}</a>`;
}
