/**
 * A stream put together again as the completion it would have been.
 *
 * Answers are judged, stored and salvaged as one `chat.completion`, so whether a route streams must not be visible
 * behind the port. A stream without a finish reason is returned with `finish_reason: null`: it was cut, and the caller
 * of this function says so.
 */
import type { OpenAI } from "openai";

export interface ReassembledCompletion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: {
    index: number;
    message: { role: "assistant"; content: string | null; refusal: string | null; tool_calls?: unknown[] };
    finish_reason: string | null;
  }[];
  usage?: unknown;
}

/** Never throws: a stream that breaks leaves what came before, and its error. */
export async function reassemble(
  chunks: AsyncIterable<OpenAI.ChatCompletionChunk>,
): Promise<{ completion: ReassembledCompletion | null; error: unknown }> {
  let completion: ReassembledCompletion | null = null;
  try {
    for await (const chunk of chunks) {
      completion ??= {
        id: chunk.id,
        object: "chat.completion",
        created: chunk.created,
        model: chunk.model,
        choices: [],
      };
      add(completion, chunk);
    }
    return { completion, error: null };
  } catch (error) {
    return { completion, error };
  }
}

function add(completion: ReassembledCompletion, chunk: OpenAI.ChatCompletionChunk): void {
  // Usage comes in a last chunk without choices, or (Gemini, Groq) repeated and growing: the last one counts.
  if (isObject(chunk.usage)) completion.usage = chunk.usage;
  if (!Array.isArray(chunk.choices)) return;
  for (const part of chunk.choices) {
    if (part.index !== 0 && part.index !== undefined) continue;
    const choice = (completion.choices[0] ??= {
      index: 0,
      message: { role: "assistant", content: null, refusal: null },
      finish_reason: null,
    });
    if (part.finish_reason) choice.finish_reason = part.finish_reason;
    if (!isObject(part.delta)) continue;
    const { message } = choice;
    const { content, refusal, tool_calls: toolCalls } = part.delta;
    if (typeof content === "string") message.content = (message.content ?? "") + content;
    if (typeof refusal === "string") message.refusal = (message.refusal ?? "") + refusal;
    // Nobody offered a tool, so its arguments are of no use; that there was a call is what the classifier asks.
    if (Array.isArray(toolCalls) && toolCalls.length > 0) message.tool_calls ??= toolCalls;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
