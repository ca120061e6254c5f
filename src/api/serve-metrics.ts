/** `/metrics`: open to this machine; from beyond it for whoever has the token, and where none is set for nobody. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Express, Request, Response } from "express";
import type { Exposition } from "../observability/exposition.ts";
import { isLoopback } from "./check-exposure.ts";

export interface MetricsDoor {
  exposition: Exposition;
  /** Where the process listens decides who can come at all. */
  host: string;
  token: string | null;
}

export function serveMetrics(app: Express, door: MetricsDoor): void {
  app.get("/metrics", (request, response) => answer(door, request, response));
}

async function answer(
  { exposition, host, token }: MetricsDoor,
  request: Request,
  response: Response,
): Promise<void> {
  if (!isLoopback(host) && !bears(request, token)) {
    const because =
      token === null
        ? "HOST is not loopback and METRICS_TOKEN is not set, so metrics are shown to nobody."
        : "Send METRICS_TOKEN as a bearer token.";
    response.status(401).setHeader("WWW-Authenticate", "Bearer");
    response.type("text/plain").send(`${because}\n`);
    return;
  }
  const text = await exposition.text();
  response.setHeader("Content-Type", exposition.contentType);
  // Not `send`, which would put its own charset in.
  response.end(text);
}

function bears(request: Request, token: string | null): boolean {
  if (token === null) return false;
  const given = /^Bearer (.+)$/i.exec(request.get("Authorization") ?? "")?.[1] ?? "";
  return timingSafeEqual(hashOf(given), hashOf(token));
}

/** Of equal length, whatever was sent. */
function hashOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
