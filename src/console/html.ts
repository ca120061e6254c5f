/**
 * The one door to `hono/html`. Whatever is put into a template is escaped, text and attributes alike, unless it is the
 * result of another template; nothing in the console marks text as safe by hand, and a test holds that.
 */
import { html } from "hono/html";

export { html };
export type Html = ReturnType<typeof html>;

export const NOTHING: Html = html``;
