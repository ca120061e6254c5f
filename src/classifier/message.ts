/**
 * One sentence for a person. It is shown, logged and grouped by, so it may hold a provider's own words only where those
 * speak of limits, keys and configuration; never where they may quote the source, the prompt or the model.
 */
import { FAILURE_CODES } from "./failure-codes.ts";
import type { FailureCode } from "./failure-codes.ts";
import type { Reading } from "./reading.ts";
import type { Judgement } from "./rule.ts";

const MAX_CHARS = 200;
/** Quotations longer than this are somebody's text, not a name. */
const LONGEST_QUOTED_NAME = 40;

/** Providers repeat what they were sent when they reject it. */
const MAY_QUOTE_US: ReadonlySet<FailureCode> = new Set([
  "input_rejected",
  "output_filtered",
  "invalid_generation",
  "refused",
  "unclassified",
  "type_code_failed",
]);
const QUOTABLE_KINDS: ReadonlySet<string> = new Set(["transient", "workflow", "cost"]);
const QUOTABLE_INPUT: ReadonlySet<FailureCode> = new Set(["context_exceeded", "request_too_large"]);

export function messageFor(judgement: Judgement, reading: Reading): string {
  const { means } = FAILURE_CODES[judgement.code];
  const words = redact(wordsFor(judgement, reading)).replaceAll(/\s+/g, " ").trim();
  if (words === "") return clipped(means);
  return clipped(`${means.replace(/\.$/, "")}: ${words}`);
}

function wordsFor({ code, layer }: Judgement, reading: Reading): string {
  const { kind } = FAILURE_CODES[code];
  // Our own checks write their sentences for people and keep values out of them.
  if (reading.domain !== null && reading.domain.message !== "") return reading.domain.message;
  if (
    reading.stage === "load" ||
    reading.stage === "save" ||
    reading.surface === "redis" ||
    reading.surface === "disk"
  )
    return systemWord(reading);
  if (MAY_QUOTE_US.has(code)) return "";
  if (!QUOTABLE_KINDS.has(kind) && !QUOTABLE_INPUT.has(code)) return "";
  if (reading.layers.length > 0 && reading.chain.length === 0)
    return (layer ?? reading.layers[0])?.message ?? "";
  // The message of a SyntaxError quotes what it could not read.
  const link = reading.chain.find(({ name }) => name !== "SyntaxError");
  return link === undefined ? "" : link.message.slice(0, 500);
}

/** A store's code, and for Redis the first word of the reply: enough to look it up, nothing of the value. */
function systemWord(reading: Reading): string {
  const link = reading.chain.find(({ code }) => /^[A-Za-z0-9_]{2,40}$/.test(code));
  if (link !== undefined) return link.code;
  const said = reading.layers[0]?.message ?? "";
  const reply = /^[A-Z]{2,20}(?= )/.exec(said)?.[0];
  if (reply !== undefined) return reply;
  if (reading.status !== null) return `HTTP ${reading.status}`;
  const name = reading.chain.find(
    (each) => /^[A-Za-z0-9_]{4,60}$/.test(each.name) && each.name !== "Error",
  )?.name;
  return name ?? "";
}

/** Keys, tokens, addresses of people, account ids, and whatever stands in quotation marks and is too long for a name. */
export function redact(text: string): string {
  return text
    .slice(0, 2_000)
    .replaceAll(
      /\b(?:sk|pk|rk|gsk|xai|key|ak|nvapi|hf|r8|pplx|tgp|fw|AIza|AKIA|ASIA|ghp|github_pat)[-_]?[A-Za-z0-9_-]{12,200}/g,
      "[key]",
    )
    .replaceAll(/\bsk-[^\s"',;]{1,200}/g, "[key]")
    .replaceAll(/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,2000}/gi, "$1 [key]")
    .replaceAll(
      /\b(api[-_ ]?key(?: provided)?|token|password|secret)(["']?\s*[:=]\s*["']?)[^\s"',;]{1,200}/gi,
      "$1$2[key]",
    )
    .replaceAll(/[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,5}/g, "[email]")
    .replaceAll(/\b(?:org|proj|user|acct|req|team|project|run|asst|thread)[-_][A-Za-z0-9]{6,64}\b/g, "[id]")
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, "[id]")
    .replaceAll(/\b[A-Za-z0-9+/_-]{40,2000}={0,2}/g, "[id]")
    .replaceAll(/"([^"]{0,2000})"|“([^”]{0,2000})”/g, (quoted: string, one?: string, two?: string) =>
      (one ?? two ?? "").length > LONGEST_QUOTED_NAME ? '"…"' : quoted,
    );
}

function clipped(text: string): string {
  return text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS - 1).trimEnd()}…`;
}
