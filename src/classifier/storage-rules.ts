/**
 * Saving: the result is paid and kept, so the kind is always persistence. The only question is whether the same save can
 * pass later without a person. Where nothing is known the save is tried again: it costs nothing.
 */
import type { FailureCode } from "./failure-codes.ts";
import type { Reading } from "./reading.ts";
import type { Judgement } from "./rule.ts";
import { storeTrouble } from "./store-trouble.ts";
import type { StoreTrouble } from "./store-trouble.ts";

const STORAGE_CODES = {
  away: { code: "storage_unavailable", retryable: true },
  busy: { code: "storage_busy", retryable: true },
  // Somebody frees space, and often nobody has to: a compaction or an expiry does.
  full: { code: "storage_full", retryable: true },
  forbidden: { code: "storage_forbidden", retryable: false },
  misplaced: { code: "storage_misconfigured", retryable: false },
  missing: { code: "storage_misconfigured", retryable: false },
  duplicate: { code: "already_stored", retryable: false },
  refused_value: { code: "value_refused", retryable: false },
  lock_lost: { code: "lock_lost", retryable: false },
  our_code: { code: "format_failed", retryable: false },
} as const satisfies Record<StoreTrouble, { code: FailureCode; retryable: boolean }>;

/** A mistake in code makes the same mistake again. */
const MISTAKE = /^(?:TypeError|ReferenceError|RangeError|SyntaxError|AssertionError|ZodError)$/;

export function judgeStorage(reading: Reading): Judgement {
  if (/^(?:assembly|format)_failed$/.test(reading.domain?.code ?? ""))
    return { rule: "storage-assembly", code: "format_failed", retryable: false };
  const trouble = storeTrouble(reading);
  if (trouble !== null) return { rule: `storage-${trouble.replaceAll("_", "-")}`, ...STORAGE_CODES[trouble] };
  if (reading.chain.some((link) => MISTAKE.test(link.name) && link.code === ""))
    return { rule: "storage-mistake", code: "format_failed", retryable: false };
  return { rule: "storage-otherwise", code: "save_failed", retryable: true };
}
