import { DEFAULT_RETRIES } from "../domain/failure.ts";
import type { RetryStrategy } from "../domain/failure.ts";

/**
 * How often a section may be tried again. The narrower word wins: pass the type's, then the section's. A bare number
 * is the number of transient retries; repairs and crashes have budgets of their own.
 */
export function retryStrategy(
  ...layers: readonly (number | Partial<RetryStrategy> | undefined)[]
): RetryStrategy {
  return layers.reduce<RetryStrategy>(
    (wider, layer) => ({ ...wider, ...(typeof layer === "number" ? { transient: layer } : layer) }),
    DEFAULT_RETRIES,
  );
}
