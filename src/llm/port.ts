/**
 * The one port to a model. After the request has left, nothing throws: an answer and a failure are both values,
 * because both may have been billed and both must reach the books.
 */
import type { Answer, Message } from "../domain/call.ts";
import type { Evidence } from "../domain/evidence.ts";
import type { MicroUsd } from "../domain/ids.ts";
import type { RouteLimits } from "../domain/route.ts";

/** How a route is asked for JSON. `auto` starts with `json_schema` and learns from the unbilled 400. */
export const RESPONSE_FORMATS = ["auto", "json_schema", "json_object", "none"] as const;
export type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

/** Provider + account + model: the thing that has limits, prices and outages. */
export interface Route {
  /** `<host>/<model>#<first digits of the key's hash>`; safe to log and to put into a metric. */
  id: string;
  /** The name the price library knows, or null where only the price file does. */
  provider: string | null;
  baseUrl: string;
  apiKey: string;
  model: string;
  responseFormat: ResponseFormat;
  stream: boolean;
  timeouts: { connectMs: number; idleMs: number; totalMs: number };
  price: Price;
  limits: RouteLimits;
}

/** Micro-USD per million tokens, integers; 0 is a price. */
export interface Price {
  inputPerMTok: MicroUsd;
  cachedInputPerMTok: MicroUsd;
  outputPerMTok: MicroUsd;
  /** Names the table this row comes from; recorded with each call. */
  table: string;
  /** The model's context and output limits in tokens; null where unknown. */
  contextTokens: number | null;
  maxOutputTokens: number | null;
}

export interface LlmRequest {
  messages: readonly Message[];
  maxOutputTokens: number;
  temperature?: number | undefined;
  /** Asks for JSON of this shape; absent for plain text. */
  json?: { name: string; schema: Record<string, unknown> } | undefined;
}

export type Asked =
  /** Any 200 with a completion in it, however poor; judged by the caller after it is recorded. */
  | { outcome: "answered"; answer: Answer; completion: unknown }
  /** `not_billed`: the provider refused before generating. `unknown`: it may have generated (timeout, cut, abort). */
  | { outcome: "failed"; billing: "not_billed" | "unknown"; evidence: Evidence };

export interface Llm {
  ask(route: Route, request: LlmRequest, signal: AbortSignal): Promise<Asked>;
}

/** Remembers, fleet-wide, which response format a route with `auto` accepts. */
export interface FormatMemory {
  recall(routeId: string): Promise<ResponseFormat | null>;
  remember(routeId: string, format: Exclude<ResponseFormat, "auto">): Promise<void>;
}
