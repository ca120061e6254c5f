/** How the pages write times, money and states. Status is a mark and a word, never a colour alone. */
import type { LedgerVerb } from "../domain/credits.ts";
import type { FailureKind } from "../domain/failure.ts";
import { formatUsd, type EpochMs, type MicroUsd } from "../domain/ids.ts";
import type { Report } from "../domain/report.ts";
import { html, type Html } from "./html.ts";

const NUMBERS = new Intl.NumberFormat("en-US");

export function count(number: number): string {
  return NUMBERS.format(number);
}

export function usd(micros: MicroUsd): string {
  return micros === 0 ? "$0" : formatUsd(micros);
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? "0 %" : `${Math.round((100 * part) / whole)} %`;
}

/** The script keeps the words true while the page stays open; without it they are those of the page's own time. */
export function ago(at: EpochMs, now: EpochMs): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${iso.slice(0, 19).replace("T", " ")} UTC" data-ago
    >${agoWords(at, now)}</time
  >`;
}

export function agoWords(at: EpochMs, now: EpochMs): string {
  const ms = now - at;
  if (Math.abs(ms) < 5_000) return "now";
  return ms < 0 ? `in ${shortWait(-ms)}` : `${shortWait(ms)} ago`;
}

/** "4 min", "3 h", "12 d": for columns. */
export function shortWait(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 60 * 60_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** The time of day, for rows of one day; the date is in its title. */
export function clock(at: EpochMs): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}" title="${iso.slice(0, 10)}, UTC">${iso.slice(11, 19)}</time>`;
}

/** "0.4 s", "12 s", "4 min 10 s": how long a piece of work took. */
export function took(ms: number): string {
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
}

export const HOLD_WORDS = {
  requested: "asked",
  reserved: "held",
  committed: "charged",
  reversed: "returned",
} as const;

/** What a row of the ledger is, to a person. */
export const VERB_WORDS = {
  grant: "deposited",
  reserve: "held",
  commit: "charged",
  reverse: "returned",
  refund: "refunded",
} as const satisfies Record<LedgerVerb, string>;

/** The price, and what became of it. */
export function credits(report: Pick<Report, "credits" | "hold" | "charged">): Html {
  const amount = report.hold === "committed" ? report.charged : report.credits;
  return html`${count(amount)} <small>${HOLD_WORDS[report.hold]}</small>`;
}

/** What sort of trouble a failure is, as a word with a border: the first thing a person sorts by. */
export function kindBadge(kind: FailureKind): Html {
  return html`<span class="badge ${KINDS[kind]}">${kind}</span>`;
}

const KINDS = {
  transient: "wait",
  contract: "warn",
  input: "busy",
  workflow: "bad",
  persistence: "warn",
  cost: "bad",
} as const satisfies Record<FailureKind, string>;

const LOOKS = {
  pending: ["○", "quiet"],
  running: ["▶", "busy"],
  waiting_for_retry: ["◷", "wait"],
  needs_review: ["!", "warn"],
  completed: ["✓", "good"],
  failed: ["✕", "bad"],
  cancelled: ["–", "quiet"],
  skipped: ["–", "quiet"],
  closed: ["✓", "good"],
  half_open: ["◐", "warn"],
  open: ["✕", "bad"],
} as const;

export function status(word: keyof typeof LOOKS, said: string = word.replaceAll("_", " ")): Html {
  const [mark, look] = LOOKS[word];
  return html`<span class="status ${look}"><span aria-hidden="true">${mark}</span> ${said}</span>`;
}
