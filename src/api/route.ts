/**
 * One route of the API as one value: who may call it, what goes in and comes out, and what it does. The router, the
 * OpenAPI document and the tests that try every route with every key are all made from these, so none can be forgotten.
 */
import type { z } from "zod";
import type { Config } from "../config.ts";
import type { ApiKey, Scope } from "../domain/api-key.ts";
import type { Models } from "../llm/models.ts";
import type { Counter } from "../producer/submit-report.ts";

/** What handlers work with. */
export interface ApiDesk extends Counter {
  redisUrl: string;
  /** Null in a process without a provider; then an estimate knows no dollars. */
  models: Models | null;
  /** Where workers of this host keep answers they could not save; null for nowhere. */
  spoolDir: string | null;
  durations: Config["durations"];
  /** Development only; see the configuration. */
  allowPrivateWebhooks?: boolean;
}

export interface Asked<Params, Query, Body> {
  caller: ApiKey;
  params: Params;
  query: Query;
  body: Body;
  /** Null where the header was not sent. */
  ifMatch: string | null;
  idempotencyKey: string | null;
  lastEventId: string | null;
}

/** A stream keeps its connection; everything else is sent and done. */
export type Answer<Out> =
  | { status: 200 | 201 | 202; body: Out; headers?: Record<string, string> }
  | { status: 200; text: string; contentType: string; headers?: Record<string, string> }
  | { status: 204 }
  | { status: 200; stream: (line: EventLine) => void };

/** The other end of a stream of events. */
export interface EventLine {
  send(text: string): void;
  end(): void;
  /** Called once, when the reader has gone or the process ends. */
  onClose(listener: () => void): void;
}

export interface RouteDefinition<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Out extends z.ZodType = z.ZodType,
  Dry extends z.ZodType = z.ZodType,
> {
  method: "get" | "post" | "delete";
  /** As OpenAPI writes it: `/v1/reports/{id}`. */
  path: string;
  summary: string;
  tag: string;
  scope: Scope;
  /** `fleet`: only for keys that belong to no account. */
  reach: "account" | "fleet";
  params?: Params;
  query?: Query;
  body?: { schema: Body; example: unknown; maxBytes?: number };
  /** The header is required, and a repeat gets the same answer. */
  idempotent?: true;
  /** The header is required, and names the version that was read. */
  ifMatch?: true;
  answer: { status: 200 | 201 | 202 | 204; schema?: Out; types?: readonly string[]; what: string };
  handle(
    asked: Asked<z.output<Params>, z.output<Query>, z.output<Body>>,
    desk: ApiDesk,
  ): Promise<Answer<z.input<Out>>>;
  /** What `?dry_run=true` shows instead. It changes nothing, so it needs no reason, no key and no version. */
  dryRun?: {
    schema: Dry;
    show(
      asked: Asked<z.output<Params>, z.output<Query>, z.output<Body>>,
      desk: ApiDesk,
    ): Promise<z.input<Dry>>;
  };
}

// oxlint-disable-next-line typescript/no-explicit-any -- a list of routes has other schemas in each place
export type Route = RouteDefinition<any, any, any, any, any>;

/** Only infers the types of a route's handler from its schemas. */
export function route<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Out extends z.ZodType,
  Dry extends z.ZodType,
>(definition: RouteDefinition<Params, Query, Body, Out, Dry>): Route {
  return definition;
}
