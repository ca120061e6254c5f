/** One number that says how things are, and below it what it is a number of. */
import { html, type Html } from "./html.ts";

export function tile(title: string, big: Html | string, small: Html | string): Html {
  return html`<div class="tile">
    <h2>${title}</h2>
    <p class="big">${big}</p>
    <p class="muted">${small}</p>
  </div>`;
}
