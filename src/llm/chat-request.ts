/**
 * One question in the dialect of one endpoint.
 *
 * "OpenAI-compatible" differs in two places that matter here: how JSON is asked for, and what the output limit is
 * called. Both are learnt from the 400 that refuses them, which no provider bills, and both are corrected inside the
 * same ask. Nothing else is ever changed silently: a refused temperature is a configuration error, and shown as one.
 */
import type { OpenAI } from "openai";
import type { Message } from "../domain/call.ts";
import type { LlmRequest, ResponseFormat, Route } from "./port.ts";

export type AskedFormat = Exclude<ResponseFormat, "auto">;
export type LimitParameter = "max_tokens" | "max_completion_tokens";

export interface Dialect {
  format: AskedFormat;
  limit: LimitParameter;
}

export type ChatRequest = Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, "stream">;

/** OpenAI's own endpoints refuse `max_tokens` for reasoning models; most others do not know the new name. */
export function usualLimitParameter(route: Pick<Route, "baseUrl">): LimitParameter {
  const host = URL.parse(route.baseUrl)?.hostname ?? "";
  const own =
    host === "api.openai.com" || host.endsWith(".api.openai.com") || host.endsWith(".openai.azure.com");
  return own ? "max_completion_tokens" : "max_tokens";
}

export function chatRequest(route: Route, request: LlmRequest, dialect: Dialect): ChatRequest {
  return {
    model: route.model,
    messages: messagesFor(request, dialect.format),
    [dialect.limit]: request.maxOutputTokens,
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...responseFormat(request, dialect.format),
  };
}

/** Where the endpoint does not enforce the schema, the prompt has to state it; `json_object` insists on the word JSON. */
export function messagesFor(request: LlmRequest, format: AskedFormat): Message[] {
  if (request.json === undefined || format === "json_schema") return [...request.messages];
  const instruction: Message = {
    role: "system",
    content: `Answer with one JSON object and nothing else: no Markdown fence, no comment. It must be valid under this JSON schema:\n${JSON.stringify(request.json.schema)}`,
  };
  return [instruction, ...request.messages];
}

function responseFormat(
  request: LlmRequest,
  format: AskedFormat,
): Pick<OpenAI.ChatCompletionCreateParamsNonStreaming, "response_format"> {
  if (request.json === undefined || format === "none") return {};
  if (format === "json_object") return { response_format: { type: "json_object" } };
  const { name, schema } = request.json;
  return { response_format: { type: "json_schema", json_schema: { name, schema, strict: true } } };
}

/** What to ask instead after this refusal; null where the refusal is about something else. */
export function nextDialect(dialect: Dialect, refusal: string): Dialect | null {
  const limit = refusedLimit(refusal);
  if (limit === dialect.limit) return { ...dialect, limit: otherLimit(limit) };
  if (!refusesFormat(refusal)) return null;
  if (dialect.format === "json_schema") return { ...dialect, format: "json_object" };
  if (dialect.format === "json_object") return { ...dialect, format: "none" };
  return null;
}

function otherLimit(limit: LimitParameter): LimitParameter {
  return limit === "max_tokens" ? "max_completion_tokens" : "max_tokens";
}

const REFUSED =
  /not (?:currently )?support|unsupported|(?:doesn't|don't|does not|do not|isn't|cannot) (?:currently )?(?:support|use|accept|allow)|unavailable|not (?:available|allowed|permitted|implemented|enabled)|unknown|unrecogni[sz]ed|unexpected|extra (?:inputs?|fields?)|must be|should be|only supports?|supported values|invalid (?:value|type|option)|no endpoints found/i;

/** "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead." */
function refusedLimit(refusal: string): LimitParameter | null {
  // The first one named is the refused one, the second the advice.
  const named = /max_(?:completion_)?tokens/.exec(refusal)?.[0];
  const aboutName =
    /unsupported parameter|unknown (?:parameter|field|name)|unrecogni[sz]ed|extra inputs?|not supported with this model|not permitted/i;
  if (named === undefined || !aboutName.test(refusal)) return null;
  return named === "max_tokens" ? "max_tokens" : "max_completion_tokens";
}

/**
 * "This response_format type is unavailable now", "'response_format.type' must be 'json_schema' or 'text'", "Unknown
 * parameter: 'response_format'", "does not support json_schema", "structured output is not supported by this model".
 *
 * "Invalid schema for response_format" is not one of them: there the endpoint knows the format and our schema is wrong,
 * which a weaker format would hide.
 */
function refusesFormat(refusal: string): boolean {
  if (/invalid (?:json )?schema|invalid_json_schema|failed to (?:compile|parse|convert)/i.test(refusal))
    return false;
  const about =
    /response_?format|json_?schema|json_?object|structured[ _-]?outputs?|json mode|guided[ _]json/i;
  return about.test(refusal) && REFUSED.test(refusal);
}
