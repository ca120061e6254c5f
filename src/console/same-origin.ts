/** Did this request come from a page of ours? Browsers say where a request comes from; both of their ways are asked. */
import type { Request } from "express";
import { Problem } from "../api/problems.ts";

/** Null where it did; else what is wrong. A browser that says neither cannot sign in or act. */
function foreignBecause(request: Request): string | null {
  const site = request.get("Sec-Fetch-Site");
  const origin = request.get("Origin");
  if (site !== undefined && site !== "same-origin")
    return `the request came from another site (${word(site)})`;
  if (origin !== undefined) {
    const host = hostOf(origin);
    if (host === null || host !== request.get("Host"))
      return "the request came from a page of another origin";
    return null;
  }
  return site === undefined ? "the request does not say where it came from" : null;
}

/** For whatever changes something. */
export function sameOrigin(request: Request): void {
  const because = foreignBecause(request);
  if (because !== null) throw new Problem("forbidden", `Refused: ${because}. Nothing was changed.`);
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

function word(text: string): string {
  return /^[a-z-]{1,20}$/.test(text) ? text : "unknown";
}
