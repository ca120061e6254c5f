/**
 * What came back with a success status. Mostly a chat.completion; but gateways also send an error object, a stream, a
 * web page or another provider's native answer with a 200, and each is read into the same few facts.
 */
import { boundedText, isObject, textOf } from "./untrusted.ts";
import type { JsonObject } from "./untrusted.ts";
import { eventsOf, isEventStream, isMarkup } from "./unwrap.ts";

export interface CompletionFacts {
  shape: "answer" | "error" | "page" | "cut_body" | "foreign" | "nothing";
  /** The error that stood in the place of an answer, or beside it. */
  error: unknown;
  /** `null` and `[]` mean different things: a gateway that lost the answer, a provider that blocked it. */
  choices: "some" | "empty" | "null" | "absent";
  finishReason: string | null;
  content: string;
  refusal: boolean;
  toolCall: boolean;
  /** The prompt itself was blocked: Gemini's promptFeedback. */
  promptBlocked: boolean;
  /** The facts come from an event stream, which has to say that it ended. */
  streamed: boolean;
}

const NOTHING: CompletionFacts = {
  shape: "nothing",
  error: null,
  choices: "absent",
  finishReason: null,
  content: "",
  refusal: false,
  toolCall: false,
  promptBlocked: false,
  streamed: false,
};

export function readCompletion(body: unknown): CompletionFacts {
  if (typeof body === "string") return readText(body);
  const object = Array.isArray(body) ? (body as unknown[])[0] : body;
  if (!isObject(object)) return NOTHING;
  const facts = readObject(object);
  const error = errorIn(object);
  if (error === null) return facts;
  return { ...facts, error, shape: "error" };
}

function readText(given: string): CompletionFacts {
  const text = given.trim();
  if (text === "") return NOTHING;
  if (isMarkup(text)) return { ...NOTHING, shape: "page" };
  if (isEventStream(text)) return readEvents(eventsOf(boundedText(text)));
  try {
    return readCompletion(JSON.parse(text) as unknown);
  } catch {
    return {
      ...NOTHING,
      shape: /^[{[]/.test(text) ? "cut_body" : "foreign",
      error: /^[{[]/.test(text) ? null : text,
    };
  }
}

/** Adds up a stream as far as the rules need it. */
function readEvents(events: readonly unknown[]): CompletionFacts {
  let sum: CompletionFacts = { ...NOTHING, shape: "answer", choices: "some", streamed: true };
  for (const event of events) {
    if (!isObject(event)) continue;
    const facts = readObject(event);
    sum = {
      ...sum,
      content: (sum.content + facts.content).slice(0, 2_000),
      finishReason: facts.finishReason ?? sum.finishReason,
      refusal: sum.refusal || facts.refusal,
      toolCall: sum.toolCall || facts.toolCall,
      promptBlocked: sum.promptBlocked || facts.promptBlocked,
    };
    const error = errorIn(event);
    if (error !== null) return { ...sum, error, shape: "error" };
  }
  return sum;
}

function errorIn(object: JsonObject): unknown {
  const error = object["error"];
  if (error !== null && error !== undefined && error !== false && error !== "") return object;
  if (object["type"] === "error" || object["object"] === "error") return object;
  const choice = firstOf(object["choices"]);
  if (isObject(choice?.["error"])) return choice["error"];
  if ("choices" in object || "candidates" in object || "content" in object || "output" in object) return null;
  // A flat error body: a message, and nothing an answer would have.
  const flat =
    textOf(object["message"]) ??
    textOf(object["detail"]) ??
    textOf(object["Message"]) ??
    textOf(object["msg"]);
  return flat === null ? null : object;
}

function readObject(object: JsonObject): CompletionFacts {
  const choices = object["choices"];
  const choice = firstOf(choices) ?? firstOf(object["candidates"]);
  const message = objectOr(
    choice?.["message"] ?? choice?.["delta"] ?? choice?.["content"] ?? object["message"],
  );
  const feedback = objectOr(object["promptFeedback"] ?? object["prompt_feedback"]);
  const incomplete = objectOr(object["incomplete_details"]);
  const finishReason =
    textOf(choice?.["finish_reason"]) ??
    textOf(choice?.["finishReason"]) ??
    textOf(object["stop_reason"]) ??
    textOf(objectOr(object["delta"])["stop_reason"]) ??
    textOf(object["stopReason"]) ??
    textOf(object["done_reason"]) ??
    textOf(incomplete["reason"]);
  const content = contentOf(message) || contentOf(object) || textOf(choice?.["text"]) || "";
  const native =
    "candidates" in object ||
    "stop_reason" in object ||
    "output" in object ||
    "done" in object ||
    "stopReason" in object;
  const known =
    "choices" in object ||
    native ||
    /completion|^message/.test(textOf(object["object"] ?? object["type"]) ?? "");
  return {
    shape:
      known || Object.keys(feedback).length > 0
        ? "answer"
        : Object.keys(object).length === 0
          ? "nothing"
          : "foreign",
    error: null,
    choices: Array.isArray(choices)
      ? choices.length > 0
        ? "some"
        : "empty"
      : choices === null
        ? "null"
        : native
          ? "some"
          : "absent",
    finishReason: finishReason === null ? null : finishReason.toLowerCase(),
    content,
    refusal: isRefusal(message["refusal"]) || isRefusal(objectOr(choice?.["delta"])["refusal"]),
    toolCall: Array.isArray(message["tool_calls"])
      ? message["tool_calls"].length > 0
      : isObject(message["function_call"]),
    promptBlocked: textOf(feedback["blockReason"] ?? feedback["block_reason"]) !== null,
    streamed: false,
  };
}

function contentOf(message: JsonObject): string {
  const content = message["content"] ?? message["parts"] ?? message["output"];
  if (typeof content === "string") return content.slice(0, 2_000);
  if (!Array.isArray(content)) return "";
  // Parts: [{type: "text", text}], or the Responses API's [{type: "message", content: [{text}]}].
  return content
    .slice(0, 50)
    .map((part: unknown) => (isObject(part) ? (textOf(part["text"]) ?? contentOf(part)) : ""))
    .join("")
    .slice(0, 2_000);
}

function isRefusal(value: unknown): boolean {
  return typeof value === "string" && value.trim() !== "";
}

function firstOf(value: unknown): JsonObject | undefined {
  return Array.isArray(value) && isObject(value[0]) ? value[0] : undefined;
}

function objectOr(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
