/**
 * One chat request in, one completion out: read the prompt, write a text or fill the schema, count the tokens.
 * Pure and deterministic: the same request under the same seed gets the same answer, in whichever process.
 */
import { createHash } from "node:crypto";
import type { Message, TokenUsage } from "../../domain/call.ts";
import { estimateTextTokens, estimateTokens } from "../token-estimate.ts";
import type { Fault } from "./faults.ts";
import { fillSchema } from "./filling.ts";
import { readPrompt } from "./reading.ts";
import { writeText } from "./writing.ts";

export interface ChatBody {
  model: string;
  messages: Message[];
  maxTokens: number;
  stream: boolean;
  includeUsage: boolean;
  /** The type of `response_format`, or null. */
  format: string | null;
  schema: Record<string, unknown> | null;
}

export interface SimulatedAnswer {
  content: string | null;
  refusal: string | null;
  finishReason: string;
  tokens: TokenUsage;
}

const USUAL_MAX_TOKENS = 4_096;
/** By our own estimate a word of English prose with its space is a little under two tokens. */
const TOKENS_PER_WORD = 2.2;
/** JSON spreads its prose over several fields, so each gets a part of the limit. */
const TOKENS_PER_WORD_OF_A_FIELD = 8;
const CACHE_BLOCK_TOKENS = 128;
const SMALLEST_CACHED_PROMPT_TOKENS = 1_024;

/** A body as the openai client sends it, read leniently; null where it is no chat request. */
export function readChatBody(body: unknown): ChatBody | null {
  if (!isRecord(body) || !Array.isArray(body["messages"])) return null;
  const messages: Message[] = [];
  for (const message of body["messages"] as unknown[]) {
    if (!isRecord(message)) return null;
    const { role } = message;
    messages.push({
      role: role === "user" || role === "assistant" ? role : "system",
      content: textOf(message["content"]),
    });
  }
  const format = isRecord(body["response_format"]) ? body["response_format"] : {};
  const named = isRecord(format["json_schema"]) ? format["json_schema"]["schema"] : null;
  const limit = body["max_completion_tokens"] ?? body["max_tokens"];
  return {
    model: typeof body["model"] === "string" ? body["model"] : "",
    messages,
    maxTokens: typeof limit === "number" && limit > 0 ? limit : USUAL_MAX_TOKENS,
    stream: body["stream"] === true,
    includeUsage: isRecord(body["stream_options"]) && body["stream_options"]["include_usage"] === true,
    format: typeof format["type"] === "string" ? format["type"] : null,
    schema: isRecord(named) ? named : schemaInPrompt(messages),
  };
}

/** The schema of an endpoint that cannot enforce one stands in a system message, on a line of its own. */
function schemaInPrompt(messages: readonly Message[]): Record<string, unknown> | null {
  for (const message of messages) {
    if (message.role !== "system") continue;
    for (const line of message.content.split("\n")) {
      if (!line.startsWith("{")) continue;
      try {
        const value: unknown = JSON.parse(line);
        if (isRecord(value) && (isRecord(value["properties"]) || "$ref" in value || "anyOf" in value))
          return value;
      } catch {
        // A line of prose or of code.
      }
    }
  }
  return null;
}

const ANY_OBJECT = {
  type: "object",
  properties: {
    title: { type: "string" },
    summary: { type: "string" },
    points: { type: "array", items: { type: "string" } },
  },
};

export function answerTo(body: ChatBody, seed: number, fault: Fault | null): SimulatedAnswer {
  const schema = body.schema ?? (body.format === "json_object" ? ANY_OBJECT : null);
  const reading = readPrompt(body.messages, schema !== null && asksForScore(schema));
  const whole =
    schema === null
      ? writeText({ reading, seed, maxWords: Math.floor(body.maxTokens / TOKENS_PER_WORD) })
      : JSON.stringify(
          fillSchema(schema, {
            reading,
            seed,
            maxWords: Math.floor(body.maxTokens / TOKENS_PER_WORD_OF_A_FIELD),
          }),
        );
  const spoiled = spoil(whole, schema !== null, fault);
  const said = spoiled.content ?? spoiled.refusal ?? "";
  const tokens = tokensOf(body, said, spoiled.finishReason);
  if (tokens.outputTokens <= body.maxTokens) return { ...spoiled, tokens };
  // As any model: out of tokens in the middle of whatever it was saying.
  const fits = Math.floor((said.length * body.maxTokens) / tokens.outputTokens);
  return {
    content: said.slice(0, fits),
    refusal: null,
    finishReason: "length",
    tokens: { ...tokens, outputTokens: body.maxTokens },
  };
}

function asksForScore(schema: Record<string, unknown>): boolean {
  return isRecord(schema["properties"]) && "score" in schema["properties"];
}

type Said = Omit<SimulatedAnswer, "tokens">;

function spoil(text: string, isJson: boolean, fault: Fault | null): Said {
  const whole: Said = { content: text, refusal: null, finishReason: "stop" };
  switch (fault?.kind) {
    case "malformed":
      // Open string, no closer, and the model believes that it is done: nothing that could be salvaged honestly.
      return {
        ...whole,
        content: isJson ? openString(text) : `\`\`\`json\n{"text": ${openString(JSON.stringify(text))}`,
      };
    case "wrong_schema":
      return {
        ...whole,
        content: JSON.stringify({ note: "Here is what you asked for.", result: { done: true } }),
      };
    case "truncated":
      return { ...whole, content: text.slice(0, Math.floor(text.length * 0.6)), finishReason: "length" };
    case "refusal":
      return { content: null, refusal: "I'm sorry, but I cannot help with that.", finishReason: "stop" };
    case "empty":
      return { ...whole, content: "" };
    case "content_filter":
      return { ...whole, content: text.slice(0, 40), finishReason: "content_filter" };
    default:
      return whole;
  }
}

/** Ends inside a word of the second half, where JSON is inside a string more often than not. */
function openString(json: string): string {
  for (let at = Math.floor(json.length * 0.6); at < json.length; at += 1) {
    if (/[a-z]{3}$/i.test(json.slice(0, at)) && /^[a-z]/i.test(json.slice(at))) return json.slice(0, at);
  }
  return json.slice(0, -1);
}

function tokensOf(body: ChatBody, said: string, finishReason: string): TokenUsage {
  const inputTokens = promptTokens(body);
  const spoken = Math.max(1, estimateTextTokens(said));
  return {
    inputTokens,
    cachedInputTokens: cachedTokens(body, inputTokens),
    // A cut answer used its whole limit, whatever the script made of it.
    outputTokens: finishReason === "length" ? Math.max(spoken, body.maxTokens) : spoken,
    reasoningTokens: 0,
  };
}

export function promptTokens(body: ChatBody): number {
  const enforced = body.format === "json_schema" && body.schema !== null;
  return estimateTokens(body.messages) + (enforced ? estimateTextTokens(JSON.stringify(body.schema)) : 0);
}

/** One long prompt in three is found half in the provider's cache. */
function cachedTokens(body: ChatBody, inputTokens: number): number {
  if (inputTokens < SMALLEST_CACHED_PROMPT_TOKENS) return 0;
  const chance = createHash("sha256").update(JSON.stringify(body.messages)).digest().readUInt8(0);
  return chance % 3 === 0 ? Math.floor(inputTokens / 2 / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS : 0;
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part) => (isRecord(part) && typeof part["text"] === "string" ? part["text"] : ""))
    .join("");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
