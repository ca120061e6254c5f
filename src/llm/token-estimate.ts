/**
 * How many tokens a prompt is, from above and without a tokenizer.
 *
 * A tokenizer per model would be exact for one vocabulary and wrong for the next, and costs megabytes. The estimate is
 * used where too low is dangerous and too high only careful: budgets, reservations at the route gate, and the price of
 * an answer whose usage never arrived. English prose measures 4 to 5 characters a token, code and JSON 3 to 4, so 3.5 is
 * on the high side; a character outside the Latin blocks can be a token of its own, and an emoji more than one.
 */
import type { Message } from "../domain/call.ts";

const LATIN_CHARS_PER_TOKEN = 3.5;
const TOKENS_PER_OTHER_CODE_POINT = 1;
const TOKENS_PER_ASTRAL_CODE_POINT = 2;
/** Role, separators and the start of the answer, as chat templates add them. */
const TOKENS_PER_MESSAGE = 5;
const TOKENS_PER_PROMPT = 3;

export function estimateTextTokens(text: string): number {
  let latin = 0;
  let other = 0;
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    if (codePoint < 0x0250) latin += 1;
    else other += codePoint > 0xffff ? TOKENS_PER_ASTRAL_CODE_POINT : TOKENS_PER_OTHER_CODE_POINT;
  }
  return Math.ceil(latin / LATIN_CHARS_PER_TOKEN) + other;
}

export function estimateTokens(messages: readonly Message[]): number {
  let tokens = TOKENS_PER_PROMPT;
  for (const message of messages) tokens += TOKENS_PER_MESSAGE + estimateTextTokens(message.content);
  return tokens;
}
