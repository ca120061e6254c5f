/**
 * What a worker saw when something went wrong: facts, no judgement. The classifier turns it into a `Failure`.
 *
 * Evidence is also the line format of `report-fleet classify`, so that anybody can ask the fleet's opinion of an error
 * from a log. It may hold provider text; it stays in the store and never reaches logs, metrics or job data.
 */

/** The step the worker was in. The same `ECONNRESET` or 404 has another kind in another stage, so the caller says it. */
export type Stage = "config" | "load" | "generate" | "parse" | "save";

/** Which of our edges saw it; `disk` is any durable store but Redis, `domain` our own checks. */
export type Surface = "http" | "network" | "completion" | "parse" | "redis" | "disk" | "domain";

export interface HttpFacts {
  status: number;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** Parsed JSON, or text (HTML, SSE, plain), or null where there was none. */
  body: unknown;
}

/** A JavaScript error without its stack; `cause` is nested the same way. */
export interface ErrorFacts {
  name?: string | null | undefined;
  code?: string | number | null | undefined;
  message?: string | null | undefined;
  cause?: ErrorFacts | null | undefined;
}

export interface Evidence {
  surface: Surface;
  stage: Stage;
  provider?: string | null | undefined;
  /** True where the call was made with `stream: true`. */
  stream?: boolean | undefined;
  http?: HttpFacts | null | undefined;
  node?: ErrorFacts | null | undefined;
  /** The body of a 200: a chat.completion, or the error object some gateways send in its place. */
  completion?: unknown;
  /** The model's text, where parsing it failed. */
  text?: string | null | undefined;
  schemaHint?: unknown;
  redis?: { message: string } | null | undefined;
  /** Our own checks say what they found in `domain`: a stable code and a sentence. */
  domain?: { code: string; message: string; path?: string | undefined } | null | undefined;
}
