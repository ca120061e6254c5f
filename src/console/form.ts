/** Forms that work without a script. The token is what a page of somebody else cannot know. */
import { z } from "zod";
import { html, NOTHING, type Html } from "./html.ts";
import type { Visit } from "./page.ts";

export const CSRF_FIELD = "csrf";

/** `back`: where the action leads unless it says otherwise. */
export function form(visit: Visit, to: string, content: Html, name = "", id = ""): Html {
  return html`<form
    method="post"
    action="/console${to}"
    class="form ${name}"
    ${id === "" ? NOTHING : html`id="${id}"`}
  >
    <input type="hidden" name="${CSRF_FIELD}" value="${visit.csrf}" />
    <input type="hidden" name="back" value="${visit.here}" />
    ${content}
  </form>`;
}

/** The reason that every decision about money or state asks for. */
export const why = z.string().trim().min(1, "a reason is needed").max(500, "at most 500 characters");

export function whyField(id: string, placeholder = ""): Html {
  return html`<label for="${id}">Why</label>
    <input id="${id}" name="why" required maxlength="500" autocomplete="off" placeholder="${placeholder}" />`;
}
