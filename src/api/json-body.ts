/**
 * Reads JSON bodies of one route. What JSON can do to a program is refused before any schema sees it: sizes, depth,
 * numbers of keys, and keys that mean something to JavaScript. Compressed bodies are not taken, so a small one stays
 * small.
 */
import express, { type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { MAX_SOURCE_DEPTH, MAX_SOURCE_KEYS } from "../report-types/source.ts";
import { Problem } from "./problems.ts";

export const SMALL_BODY_BYTES = 64 * 1_024;
const SMALL_BODY_KEYS = 2_000;
/** A source hangs two levels below the body's root. */
const MOST_DEPTH = MAX_SOURCE_DEPTH + 2;
const REFUSED_KEYS: readonly string[] = ["__proto__", "constructor", "prototype"];

export function jsonBody(maxBytes: number): RequestHandler[] {
  const mostKeys = maxBytes > SMALL_BODY_BYTES ? MAX_SOURCE_KEYS + SMALL_BODY_KEYS : SMALL_BODY_KEYS;
  return [
    requireJson,
    express.json({ limit: maxBytes, inflate: false, strict: false, type: "application/json" }),
    (request: Request, _response: Response, next: NextFunction) => {
      checkShape(request.body, mostKeys);
      next();
    },
  ];
}

function requireJson(request: Request, _response: Response, next: NextFunction): void {
  // Where there is no body at all, the schema says what is missing. `is` takes a length of 0 for a body.
  if (request.get("Content-Length") !== "0" && request.is("application/json") === false)
    throw new Problem("unsupported_media_type", "Send the body as application/json.");
  next();
}

/** Walks without recursion: a hostile nesting must not become a stack overflow. */
function checkShape(body: unknown, mostKeys: number): void {
  const open: { value: unknown; depth: number }[] = [{ value: body, depth: 0 }];
  let keys = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    if (typeof value !== "object" || value === null) continue;
    if (depth >= MOST_DEPTH)
      throw new Problem("invalid_input", `The body is nested deeper than ${MOST_DEPTH} levels.`);
    for (const [key, inner] of Object.entries(value)) {
      keys += 1;
      if (keys > mostKeys) throw new Problem("body_too_large", `The body has more than ${mostKeys} keys.`);
      if (REFUSED_KEYS.includes(key)) {
        throw new Problem("invalid_input", `The key "${key}" is not accepted; rename it.`, {
          fields: [{ path: key, message: "is a key that is not accepted" }],
        });
      }
      open.push({ value: inner, depth: depth + 1 });
    }
  }
}
