/** Finds the caller before anything is routed: without a valid key nobody learns which routes there are. */
import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { ApiKey } from "../domain/api-key.ts";
import { findValidKey } from "../store/api-keys.ts";
import type { Store } from "../store/redis.ts";
import { countRequest } from "../store/request-rate.ts";
import { Problem } from "./problems.ts";

export function authenticate(store: Store, requestsPerMinute: number): RequestHandler {
  return async (request: Request, response: Response, next: NextFunction) => {
    const [, text] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    const key = text === undefined ? null : await findValidKey(store, text);
    if (key === null) {
      response.setHeader("WWW-Authenticate", 'Bearer realm="report-fleet"');
      throw new Problem(
        "unauthorized",
        text === undefined
          ? "Send your API key as `Authorization: Bearer rf_...`."
          : "This API key is not valid: it is unknown, expired or revoked.",
      );
    }
    // Counted only for a key that is known to be the caller's own, or anybody could use up another's minute.
    const { requests, endsInMs } = await countRequest(store, key.id);
    const seconds = Math.ceil(endsInMs / 1_000);
    response.setHeader("RateLimit-Policy", `"key";q=${requestsPerMinute};w=60`);
    response.setHeader("RateLimit", `"key";r=${Math.max(0, requestsPerMinute - requests)};t=${seconds}`);
    if (requests > requestsPerMinute)
      throw new Problem("rate_limited", `This key may make ${requestsPerMinute} requests a minute.`, {
        retryAfterMs: endsInMs,
      });
    callers.set(request, key);
    next();
  };
}

/** Kept beside the request, where no body and no header can reach it. */
const callers = new WeakMap<Request, ApiKey>();

export function callerOf(request: Request): ApiKey {
  const caller = callers.get(request);
  if (caller === undefined) throw new Error("A route was reached without authentication.");
  return caller;
}
