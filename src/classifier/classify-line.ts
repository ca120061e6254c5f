/**
 * What the fleet would do with one failure, as one line of JSON in and one value out: the core of
 * `report-fleet classify`, which reads stdin and prints.
 *
 * A line is evidence with an `id`. Fields of a labelled corpus that give the answer away are dropped before anything
 * looks at the line, so a right answer is never read off its label.
 */
import type { Evidence } from "../domain/evidence.ts";
import { DEFAULT_RETRIES } from "../domain/failure.ts";
import type { Failure, FailureKind, Verdict } from "../domain/failure.ts";
import { formatWait } from "../domain/ids.ts";
import { classify } from "./classify.ts";
import { decide } from "./decide.ts";
import { readCompletion } from "./read-completion.ts";
import { salvage } from "./salvage.ts";
import type { SchemaShape } from "./schema-hint.ts";
import { isObject, textOf } from "./untrusted.ts";
import type { JsonObject } from "./untrusted.ts";

export interface ClassifiedLine {
  id: string | null;
  kind: FailureKind;
  code: string;
  retryable: boolean;
  cooldownMs: number | null;
  fingerprint: string;
  /** For parse cases: what can be recovered without another call. */
  salvaged?: { ok: true; value: unknown } | { ok: false };
  rule?: string;
  /** One sentence: what the fleet would do, and what that costs. */
  verdict?: string;
}

const LABELS: ReadonlySet<string> = new Set([
  "expect",
  "alsoAcceptable",
  "recovered",
  "salvageable",
  "reason",
  "client",
  "source",
  "adapted",
]);

/** A line is one failure; megabytes in one are a file without line ends. */
const MAX_LINE_CHARS = 16_000_000;

export function classifyLine(
  line: string,
  options: { explain: boolean },
): ClassifiedLine | { error: string } {
  const given = readLine(line);
  if ("error" in given) return given;
  const evidence = Object.fromEntries(Object.entries(given.line).filter(([name]) => !LABELS.has(name)));
  const failure = classify(evidence as unknown as Evidence);
  const salvaged = evidence["surface"] === "parse" ? salvagedFrom(evidence) : undefined;
  const answer: ClassifiedLine = {
    id: textOf(evidence["id"]),
    kind: failure.kind,
    code: failure.code,
    retryable: failure.retryable,
    cooldownMs: failure.cooldownMs,
    fingerprint: failure.fingerprint,
    ...(salvaged === undefined ? {} : { salvaged }),
  };
  if (!options.explain) return answer;
  return { ...answer, rule: failure.rule, verdict: explain(failure, evidence, salvaged?.ok === true) };
}

function readLine(line: string): { line: JsonObject } | { error: string } {
  if (line.length > MAX_LINE_CHARS)
    return { error: "The line is longer than 16 MB; send one failure a line." };
  let value: unknown;
  try {
    value = JSON.parse(line.replace(/^\uFEFF/, ""));
  } catch (error) {
    return { error: `The line is no JSON (${reasonOf(error)}); send one JSON object a line.` };
  }
  if (isObject(value)) return { line: value };
  const found = Array.isArray(value) ? "an array" : value === null ? "null" : `a ${typeof value}`;
  return { error: `The line is ${found}, not a JSON object with the facts of one failure.` };
}

/** Where it breaks, without the quotation of the line that the engine adds. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : "";
  const position = /position (\d+)/.exec(message)?.[1];
  return position === undefined
    ? "it ends too early or has a stray character"
    : `broken at character ${Number(position) + 1}`;
}

function salvagedFrom(evidence: JsonObject): { ok: true; value: unknown } | { ok: false } {
  const text = evidence["text"];
  if (typeof text !== "string") return { ok: false };
  const salvaged = salvage(text, evidence["schemaHint"] as SchemaShape, finishReasonOf(evidence));
  return salvaged.ok ? { ok: true, value: salvaged.value } : { ok: false };
}

function finishReasonOf(evidence: JsonObject): string | null {
  return (
    textOf(evidence["finishReason"] ?? evidence["finish_reason"]) ??
    readCompletion(evidence["completion"]).finishReason
  );
}

function explain(failure: Failure, evidence: JsonObject, salvaged: boolean): string {
  const because = `Rule ${failure.rule}: ${failure.kind}, ${failure.code}.`;
  if (salvaged) return `${because} The value is recovered from the text itself; nothing more is paid.`;
  const contract =
    typeof evidence["schemaHint"] === "string" || isObject(evidence["schemaHint"]) ? "json" : "text";
  const verdict = decide({
    failure,
    attempts: { transient: 0, repair: 0, crash: 0 },
    strategy: DEFAULT_RETRIES,
    seenFingerprints: [],
    // The longest wait the backoff could choose, so that two runs print the same.
    random: 1,
    answer:
      failure.kind === "contract"
        ? { finishReason: finishReasonOf(evidence), contract, canAskLonger: true }
        : undefined,
  });
  return `${because} ${sentenceOf(verdict)}`;
}

function sentenceOf(verdict: Verdict): string {
  switch (verdict.verdict) {
    case "retry":
      return `Tried again within ${formatWait(verdict.afterMs)}, spending one attempt; a call that was not billed costs nothing (${verdict.because}).`;
    case "wait":
      return `Waits ${formatWait(verdict.afterMs)}, spending no attempt and no money (${verdict.because}).`;
    case "repair":
      return `One more paid call at most (${verdict.because}).`;
    case "retry_save":
      return `The paid answer is kept; saving it again costs nothing (${verdict.because}).`;
    case "park":
      return `Stops this section for a person; nothing more is paid for it (${verdict.because}).`;
    case "halt":
      return `Stops the report for a person before its next call; nothing more is paid (${verdict.because}).`;
  }
}
