/**
 * The names and units everything else is built from.
 *
 * Integers only: money is micro-USD (1 USD = 1,000,000), credits are whole, times are epoch milliseconds as
 * Redis `TIME` told them, durations are milliseconds. A float never reaches the store.
 */

/** `rp-` and 25 base-36 digits (128 random bits). Letters, digits and `-` only: it becomes part of BullMQ job ids. */
export type ReportId = `rp-${string}`;

/** Milliseconds since 1970 by the clock of Redis, never by a worker's own. */
export type EpochMs = number;

/** Millionths of a US dollar, an integer. */
export type MicroUsd = number;

/** Names a team chooses (report type, section, call, step): lower case, digits and dashes, at most 40 characters. */
export const NAME = /^[a-z][a-z0-9-]{0,39}$/;

/** An account is the caller's word for who pays; it is kept out of job data and metrics. */
export const ACCOUNT = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$/;

const REPORT_ID = /^rp-[0-9a-z]{25}$/;

export const NAME_RULE =
  "lower-case letters, digits and dashes, starting with a letter, at most 40 characters";
export const ACCOUNT_RULE =
  "letters, digits and _ . @ -, starting with a letter or digit, at most 64 characters";

export function isName(text: string): boolean {
  return NAME.test(text);
}

export function isAccount(text: string): boolean {
  return ACCOUNT.test(text);
}

export function isReportId(text: string): text is ReportId {
  return REPORT_ID.test(text);
}

/** Shapes 16 random bytes as a report id; the randomness is passed in, the domain has none. */
export function reportIdFrom(bytes: Uint8Array): ReportId {
  if (bytes.length !== 16)
    throw new RangeError(`A report id is made of 16 random bytes, got ${bytes.length}.`);
  let number = 0n;
  for (const byte of bytes) number = (number << 8n) | BigInt(byte);
  return `rp-${number.toString(36).padStart(25, "0")}`;
}

/** "$0.0123", with as many places as small sums need and never fewer than two. */
export function formatUsd(micros: MicroUsd): string {
  const sign = micros < 0 ? "-" : "";
  const whole = Math.abs(micros);
  const digits = whole >= 1_000_000 ? 2 : whole >= 10_000 ? 3 : 4;
  return `${sign}$${(whole / 1_000_000).toFixed(digits)}`;
}

/** "12 s", "about 2 min", "about 3 h": for sentences, not for arithmetic. */
export function formatWait(ms: number): string {
  if (ms < 60_000) return `${Math.max(1, Math.ceil(ms / 1000))} s`;
  if (ms < 90 * 60_000) return `about ${Math.round(ms / 60_000)} min`;
  return `about ${Math.round(ms / 3_600_000)} h`;
}
