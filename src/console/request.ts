/** What a request says, read in one way everywhere: its form, where it wants to go on, and that it is a page of ours that asks. */
import express, { type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { sameOrigin } from "./same-origin.ts";

export function fromOurPage(request: Request, _response: Response, next: NextFunction): void {
  sameOrigin(request);
  next();
}

export function formBody(limit: number): RequestHandler {
  return express.urlencoded({ extended: false, limit, inflate: false, parameterLimit: 2_000 });
}

export function fieldsOf(request: Request): Record<string, string> {
  const body = (request.body ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** Only to pages of ours, whatever was asked for. */
export function wanted(to: unknown): string {
  if (typeof to !== "string" || !URL.canParse(to, "http://here")) return "/console";
  const { origin, pathname, search } = new URL(to, "http://here");
  const isOurs = origin === "http://here" && /^\/(console|admin\/queues)(\/|$)/.test(pathname);
  return isOurs && !/^\/console\/(login|link)(\/|$)/.test(pathname) ? `${pathname}${search}` : "/console";
}
