/**
 * The provider's usage object, read with suspicion: what it says is money on our books.
 *
 * Anything that cannot be true (negative, fractional, not a number, more than any model has, more cached tokens than
 * tokens, nothing at all for a prompt that had words) makes the whole object missing, and the caller books the upper
 * estimate instead. The object itself is kept verbatim either way.
 */
import type { TokenUsage } from "../domain/call.ts";

/** Far above any context window, far below what would upset the arithmetic. */
const ABSURD_TOKENS = 50_000_000;

export function tokensFromUsage(usage: unknown): TokenUsage | null {
  const input = count(field(usage, "prompt_tokens"));
  const answered = count(field(usage, "completion_tokens"));
  if (input === null || answered === null || input + answered === 0) return null;

  const details = field(usage, "prompt_tokens_details");
  // DeepSeek names its cache hits beside the details of OpenAI.
  const cached = count(field(details, "cached_tokens") ?? field(usage, "prompt_cache_hit_tokens") ?? 0);
  const reasoning = count(field(field(usage, "completion_tokens_details"), "reasoning_tokens") ?? 0);
  if (cached === null || cached > input || reasoning === null) return null;

  // xAI and Gemini leave reasoning out of completion_tokens and count it in the total only; it is billed as output.
  const total = count(field(usage, "total_tokens") ?? 0);
  const output = total === null ? answered : Math.max(answered, total - input);
  return {
    inputTokens: input,
    cachedInputTokens: cached,
    outputTokens: output,
    reasoningTokens: Math.min(reasoning, output),
  };
}

function count(value: unknown): number | null {
  const plausible =
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= ABSURD_TOKENS;
  return plausible ? (value as number) : null;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  // Providers write null for "none".
  return (value as Record<string, unknown>)[name] ?? undefined;
}
