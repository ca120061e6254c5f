/**
 * A call is one LLM request inside a section. Its answer is checkpointed under its call key, and an accepted call key
 * is never paid again.
 *
 *     take   open ─▶ accepted      the answer passed its contract; set once
 *              └───▶ rejected      paid and unusable; kept as evidence
 *
 * A take may be asked more than once (a worker died, the network broke): each *ask* is one request the provider may have
 * billed, journalled before it leaves. The first complete answer of an open take wins, whoever brings it.
 */
import type { MicroUsd } from "./ids.ts";

export const TAKE_STATES = ["open", "accepted", "rejected"] as const;
export type TakeState = (typeof TAKE_STATES)[number];

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** What is asked of a model, independent of the route that will answer. Part of the call key. */
export interface ModelConfig {
  /** A logical name that configuration maps to a route; `default` where a type does not care. */
  model: string;
  maxOutputTokens: number;
  temperature?: number | undefined;
}

export interface TokenUsage {
  inputTokens: number;
  /** Part of `inputTokens` that the provider read from its own cache. */
  cachedInputTokens: number;
  outputTokens: number;
  /** Part of `outputTokens` spent on reasoning. */
  reasoningTokens: number;
}

/** An answer as it is stored: everything needed to parse it again under another schema, for free. */
export interface Answer {
  text: string;
  /** The provider's word: `stop`, `length`, `content_filter`, … */
  finishReason: string | null;
  refusal: string | null;
  /** The model that answered, by the provider's own account. */
  model: string;
  route: string;
  requestId: string | null;
  /** The provider's usage object verbatim; null where it sent none (then `micros` is the upper estimate). */
  usage: unknown;
  tokens: TokenUsage | null;
  /** What this answer cost. */
  micros: MicroUsd;
  /** True where `micros` comes from the provider's usage, false where it is our upper estimate. */
  exact: boolean;
  /** Which price table the cost was computed with. */
  priceTable: string;
  /** Time from request to last byte. */
  elapsedMs: number;
}
