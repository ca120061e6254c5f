/**
 * The port, spoken through the `openai` package to any endpoint that is compatible with it.
 *
 * The package knows the wire types and reads event streams. A question whose answer is one JSON body goes straight to
 * `exchange.ts`, where the bytes of both kinds come and go: what the package does around such a request costs as much as
 * the request. It is loaded with the first stream, for it is a sixth of what a worker waits for at its start. Retries are
 * off, because only the fleet knows what a retry may cost. After it has left nothing throws:
 *
 *     no response header         failed    network      not_billed before the request was sent, else unknown
 *     status other than 2xx      failed    http         not_billed, unless it may tell of a generation
 *     2xx, body broken off       failed    network      unknown; but an answer complete in what arrived is an answer
 *     2xx, error or no choices   failed    completion   unknown; with plausible usage it is an (empty) answer
 *     2xx, server gave up        failed    completion   unknown
 *     2xx with a completion      answered               however poor: length, refusal, empty, filtered
 *
 * One ask is at most three requests: the first, and two more where an endpoint refuses how JSON or the output limit was
 * asked for. Refusals are not billed, so they are no failure and not on the books.
 */
import type { OpenAI } from "openai";
import type { Answer } from "../domain/call.ts";
import type { Evidence } from "../domain/evidence.ts";
import { callEvidence, errorFacts, httpFacts } from "./call-evidence.ts";
import { chatRequest, messagesFor, nextDialect, usualLimitParameter } from "./chat-request.ts";
import type { ChatRequest, Dialect, LimitParameter } from "./chat-request.ts";
import {
  ExchangeError,
  MAX_BODY_BYTES,
  carrying,
  exchangeFetch,
  fillExchange,
  newExchange,
} from "./exchange.ts";
import type { Exchange, ExchangeLimits } from "./exchange.ts";
import type { Asked, FormatMemory, Llm, LlmRequest, ResponseFormat, Route } from "./port.ts";
import { costMicros, estimateMicros } from "./prices.ts";
import { reassemble } from "./reassemble.ts";
import { estimateTextTokens, estimateTokens } from "./token-estimate.ts";
import { tokensFromUsage } from "./usage.ts";

const MAX_REQUESTS_PER_ASK = 3;
/** Routes come from configuration; more than this many means that somebody makes them up per call. */
const MAX_CLIENTS = 64;
/** The clocks are ours (`exchange.ts`); the package's own must never be the one that fires. */
const NO_TIMEOUT_MS = 2_147_483_647;

export interface OpenAiLlmOptions {
  /** Without it, what a route accepts is learnt again by each process. */
  formats?: FormatMemory;
  maxBodyBytes?: number;
}

export function createOpenAiLlm(options: OpenAiLlmOptions = {}): Llm {
  const clients = new Map<string, OpenAI>();
  const limitParameters = new Map<string, LimitParameter>();

  async function clientOf(route: Route): Promise<OpenAI> {
    const name = `${route.baseUrl}\n${route.apiKey}`;
    let client = clients.get(name);
    if (client === undefined) {
      client = await newClient(route);
      if (clients.size >= MAX_CLIENTS) clients.clear();
      clients.set(name, client);
    }
    return client;
  }

  async function ask(route: Route, request: LlmRequest, signal: AbortSignal): Promise<Asked> {
    const format = await startingFormat(options.formats, route, request);
    let dialect: Dialect = { format, limit: limitParameters.get(route.id) ?? usualLimitParameter(route) };
    const total = totalTimeout(route.timeouts.totalMs, signal);
    const limits: ExchangeLimits = {
      connectMs: route.timeouts.connectMs,
      idleMs: route.timeouts.idleMs,
      maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
      signal: total.signal,
    };
    try {
      for (let requests = 1; ; requests += 1) {
        const asked = await askOnce(clientOf, route, request, dialect, limits);
        const next = requests < MAX_REQUESTS_PER_ASK ? correction(asked, route, dialect) : null;
        if (next !== null) {
          dialect = next;
          continue;
        }
        // Learnt only from an answer: a refusal that merely quotes our request must not weaken the whole fleet.
        if (asked.outcome === "answered" && requests > 1) {
          limitParameters.set(route.id, dialect.limit);
          if (dialect.format !== format) await remember(options.formats, route, dialect.format);
        }
        return asked;
      }
    } finally {
      total.stop();
    }
  }
  return { ask };
}

async function newClient(route: Route): Promise<OpenAI> {
  const { OpenAI } = await import("openai");
  return new OpenAI({
    baseURL: route.baseUrl,
    apiKey: route.apiKey,
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    fetch: exchangeFetch,
    // Each of these would otherwise be read from the environment; at level `debug` the log holds prompts.
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    logLevel: "off",
  });
}

async function startingFormat(
  formats: FormatMemory | undefined,
  route: Route,
  request: LlmRequest,
): Promise<Exclude<ResponseFormat, "auto">> {
  if (route.responseFormat !== "auto") return route.responseFormat;
  if (request.json === undefined) return "json_schema";
  // The memory saves one refused request. Losing it must not cost an answer.
  const recalled = await formats?.recall(route.id).catch(() => null);
  return recalled === undefined || recalled === null || recalled === "auto" ? "json_schema" : recalled;
}

async function remember(
  formats: FormatMemory | undefined,
  route: Route,
  format: Exclude<ResponseFormat, "auto">,
): Promise<void> {
  await formats?.remember(route.id, format).catch(() => undefined);
}

/** The total timeout covers all requests of one ask, so that a refused format does not double it. */
function totalTimeout(totalMs: number, signal: AbortSignal): { signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(
      new ExchangeError(
        "TotalTimeoutError",
        "ETIMEDOUT",
        `No complete answer within ${totalMs} ms (total timeout).`,
      ),
    );
  }, totalMs);
  function cancel(): void {
    controller.abort(new ExchangeError("AbortError", "ABORT_ERR", "The call was aborted by the fleet."));
  }
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
  return {
    signal: controller.signal,
    stop() {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    },
  };
}

/** The dialect to try next, where this end was an unbilled refusal of the present one. */
function correction(asked: Asked, route: Route, dialect: Dialect): Dialect | null {
  if (asked.outcome === "answered" || asked.billing !== "not_billed") return null;
  const { http } = asked.evidence;
  if (http === null || http === undefined || http.status < 400 || http.status >= 500) return null;
  if (http.status === 401 || http.status === 403 || http.status === 429) return null;
  const refusal = typeof http.body === "string" ? http.body : JSON.stringify(http.body);
  const next = nextDialect(dialect, refusal);
  // A format that configuration names is kept; only `auto` learns.
  if (next !== null && next.format !== dialect.format && route.responseFormat !== "auto") return null;
  return next;
}

async function askOnce(
  clientOf: (route: Route) => Promise<OpenAI>,
  route: Route,
  request: LlmRequest,
  dialect: Dialect,
  limits: ExchangeLimits,
): Promise<Asked> {
  const exchange = newExchange();
  const startedAt = performance.now();
  let end: End;
  try {
    const asked = chatRequest(route, request, dialect);
    end = route.stream
      ? await streamedFrom(await clientOf(route), asked, carrying(exchange, limits))
      : await jsonFrom(route, asked, exchange, limits);
  } catch (error) {
    end = { completion: null, error };
  }
  const elapsedMs = Math.round(performance.now() - startedAt);
  return judge(route, exchange, end, (completion) =>
    answerFrom(route, request, dialect, exchange, completion, elapsedMs),
  );
}

/** What the package made of the exchange: a body, an error, or (a broken stream) both. */
interface End {
  completion: unknown;
  error: unknown;
  /** A stream is whole only once it gave a finish reason. */
  streamed?: boolean;
  /** The error is one that the stream itself told. */
  told?: boolean;
}

async function jsonFrom(
  route: Route,
  request: ChatRequest,
  exchange: Exchange,
  limits: ExchangeLimits,
): Promise<End> {
  const url = new URL(`${route.baseUrl.replace(/\/$/, "")}/chat/completions`);
  const headers = {
    accept: "application/json",
    authorization: `Bearer ${route.apiKey}`,
    "content-type": "application/json",
    "user-agent": "report-fleet",
  };
  const body = JSON.stringify({ ...request, stream: false });
  await fillExchange(exchange, limits, { url, method: "POST", headers, body });
  const { error } = exchange;
  if (error !== null || !/\bjson\b/i.test(exchange.headers["content-type"] ?? ""))
    return { completion: null, error };
  try {
    return { completion: JSON.parse(exchange.body.toString("utf8")) as unknown, error: null };
  } catch (thrown) {
    return { completion: null, error: thrown };
  }
}

async function streamedFrom(client: OpenAI, request: ChatRequest, fetchOptions: object): Promise<End> {
  const { APIError } = await import("openai");
  try {
    const { data, response } = await client.chat.completions
      .create({ ...request, stream: true, stream_options: { include_usage: true } }, { fetchOptions })
      .withResponse();
    // Some gateways ignore `stream` and send one JSON body.
    if (!/event-stream/i.test(response.headers.get("content-type") ?? "text/event-stream"))
      return { completion: null, error: null };
    const read = await reassemble(data);
    return { ...read, streamed: true, told: read.error instanceof APIError };
  } catch (error) {
    return { completion: null, error, told: error instanceof APIError };
  }
}

function judge(
  route: Route,
  exchange: Exchange,
  end: End,
  answered: (completion: Record<string, unknown>) => Answer,
): Asked {
  function failed(
    billing: "not_billed" | "unknown",
    facts: Pick<Evidence, "surface" | "http" | "node" | "completion">,
  ): Asked {
    return { outcome: "failed", billing, evidence: callEvidence(route, facts) };
  }

  if (exchange.status === null) {
    const node = errorFacts(exchange.error ?? end.error);
    return failed(exchange.sent ? "unknown" : "not_billed", { surface: "network", node });
  }
  const refused = exchange.status < 200 || exchange.status > 299;
  const completion = refused ? null : isRecord(end.completion) ? end.completion : jsonBody(exchange);
  const whole = completion !== null && isWhole(completion, end.streamed === true);
  if (whole && !serverGaveUp(completion))
    return { outcome: "answered", answer: answered(completion), completion };

  const http = httpFacts(exchange);
  if (refused)
    return failed(mayHaveGenerated(exchange.status, http.body) ? "unknown" : "not_billed", {
      surface: "http",
      http,
    });
  if (whole) return failed("unknown", { surface: "completion", http, completion });
  if (exchange.error !== null)
    return failed("unknown", { surface: "network", node: errorFacts(exchange.error) });
  // An error event inside a stream: the text of the stream is the evidence.
  if (end.told === true) return failed("unknown", { surface: "http", http });
  if (end.error instanceof SyntaxError)
    return failed("unknown", { surface: "network", http, node: errorFacts(end.error) });
  return failed("unknown", { surface: "completion", http, completion });
}

/**
 * A gateway that lost patience with the provider (504, 524, 408, 499) does not know what the provider did, and a refusal
 * that quotes the generation or its usage comes after it.
 */
function mayHaveGenerated(status: number, body: unknown): boolean {
  if ([408, 499, 504, 524].includes(status)) return true;
  return /"(?:failed_generation|usage)":/.test(JSON.stringify(body));
}

/** Some gateways send a completion as text. */
function jsonBody(exchange: Exchange): Record<string, unknown> | null {
  try {
    const body: unknown = JSON.parse(exchange.body.toString("utf8"));
    return isRecord(body) ? body : null;
  } catch {
    return null;
  }
}

/** A choice that came to its end, or no choice but a plausible bill for one. */
function isWhole(completion: Record<string, unknown>, streamed: boolean): boolean {
  const choice = firstChoice(completion);
  if (choice !== null) return !streamed || typeof choice["finish_reason"] === "string";
  return !streamed && !isRecord(completion["error"]) && tokensFromUsage(completion["usage"]) !== null;
}

function serverGaveUp(completion: Record<string, unknown>): boolean {
  const reason = firstChoice(completion)?.["finish_reason"];
  return reason === "error" || reason === "insufficient_system_resource";
}

function answerFrom(
  route: Route,
  request: LlmRequest,
  dialect: Dialect,
  exchange: Exchange,
  completion: Record<string, unknown>,
  elapsedMs: number,
): Answer {
  const choice = firstChoice(completion);
  const message = choice === null ? {} : messageOf(choice);
  const tokens = tokensFromUsage(completion["usage"]);
  return {
    text: textOf(message["content"]),
    finishReason: stringOrNull(choice?.["finish_reason"]),
    refusal: stringOrNull(message["refusal"]),
    model: stringOrNull(completion["model"]) ?? route.model,
    route: route.id,
    requestId: exchange.headers["x-request-id"] ?? stringOrNull(completion["id"]),
    usage: completion["usage"] ?? null,
    tokens,
    micros:
      tokens === null
        ? estimateMicros(route.price, inputTokensOf(request, dialect), request.maxOutputTokens)
        : costMicros(route.price, tokens),
    exact: tokens !== null,
    priceTable: route.price.table,
    elapsedMs,
  };
}

function inputTokensOf(request: LlmRequest, dialect: Dialect): number {
  const prompt = estimateTokens(messagesFor(request, dialect.format));
  // Providers that enforce a schema put it into the prompt themselves, and bill it.
  const enforced = request.json !== undefined && dialect.format === "json_schema";
  return prompt + (enforced ? estimateTextTokens(JSON.stringify(request.json?.schema)) : 0);
}

/** Text, or the text parts of a list of parts, as some servers send it. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part) => (isRecord(part) ? (stringOrNull(part["text"]) ?? "") : "")).join("");
}

function firstChoice(completion: Record<string, unknown>): Record<string, unknown> | null {
  const { choices } = completion;
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  return isRecord(choice) ? choice : null;
}

function messageOf(choice: Record<string, unknown>): Record<string, unknown> {
  return isRecord(choice["message"]) ? choice["message"] : {};
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
