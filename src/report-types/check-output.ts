/**
 * Whether an answer is what its section may hand on. Getting a value out of the model's text (strict parse, salvage) is
 * the classifier's; this is the contract itself, the same for a fresh answer, a stored one and a person's edit.
 *
 * Plain text has a contract too: a text that stopped in the middle, or came wrapped in JSON, would be delivered and paid
 * like any other.
 */
import type { FieldProblem } from "../domain/fleet-error.ts";
import type { OutputContract } from "./define-report.ts";
import { fieldPath, fieldProblems } from "./field-problems.ts";

export type OutputProblemCode =
  /** Cut by the output limit. */
  | "truncated"
  /** Ended for another reason than being finished, such as a content filter. */
  | "unfinished"
  | "text_too_short"
  | "unclosed_fence"
  | "json_wrapper"
  | "schema_mismatch";

export type OutputCheck<T> =
  | { ok: true; value: T }
  | {
      ok: false;
      code: OutputProblemCode;
      /** Where it fails; the first of `problems`. */
      path: string;
      message: string;
      /** All of them, for the repair call that shows the model what was wrong. */
      problems: FieldProblem[];
    };

/**
 * `output` is the text for a text contract, the parsed value for a JSON one. `finishReason` is the provider's word;
 * leave it out for what no provider finished just now: what `write` returned, a person's edit.
 */
export function checkOutput<T>(
  contract: OutputContract<T>,
  output: unknown,
  finishReason?: string | null,
): OutputCheck<T> {
  if (contract.kind === "json") return checkValue(contract, output);
  // A text contract is `OutputContract<string>`, so T is string; the type system cannot follow the union there.
  return checkText(contract.minChars, output, finishReason) as OutputCheck<T>;
}

function checkValue<T>(
  contract: Extract<OutputContract<T>, { kind: "json" }>,
  output: unknown,
): OutputCheck<T> {
  const parsed = contract.schema.safeParse(output);
  if (parsed.success) return { ok: true, value: parsed.data };
  const problems = fieldProblems(parsed.error, output);
  const first = problems[0] ?? { path: fieldPath([]), message: "does not match the schema" };
  return { ok: false, code: "schema_mismatch", ...first, problems };
}

/** Controls, invisible marks, halves of characters: nobody can read them, so they count for no length. */
const UNREADABLE = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Cs}\uFFFD]/gu;

function checkText(minChars: number, output: unknown, finishReason?: string | null): OutputCheck<string> {
  if (finishReason === "length") return failed("truncated", "was cut off by the output limit");
  if (finishReason !== undefined && finishReason !== "stop") {
    return failed(
      "unfinished",
      `ended with "${finishReason ?? "no reason given"}" instead of being finished`,
    );
  }
  if (typeof output !== "string") {
    return failed("schema_mismatch", `is ${output === null ? "null" : `a ${typeof output}`}, not a text`);
  }
  const text = withoutMarkdownFence(output.trim());
  if (isJson(text)) return failed("json_wrapper", "is JSON where plain text was asked for");
  if (hasUnclosedFence(text)) return failed("unclosed_fence", "opens a code block that it does not close");
  const { length } = text.replaceAll(UNREADABLE, "");
  if (length < minChars) {
    return failed("text_too_short", `has ${length} characters; at least ${minChars} are needed`);
  }
  return { ok: true, value: text };
}

function failed(code: OutputProblemCode, message: string): OutputCheck<never> {
  const path = fieldPath([]);
  return { ok: false, code, path, message, problems: [{ path, message }] };
}

/** Some models put the whole answer into one fence marked as Markdown; what is inside is the text that was asked for. */
function withoutMarkdownFence(text: string): string {
  const whole = /^```(?:markdown|md)[ \t]*\n([\s\S]*)\n```$/i.exec(text);
  const inside = whole?.[1];
  return inside !== undefined && !hasUnclosedFence(inside) ? inside.trim() : text;
}

/** The whole text, not a part of it: prose may well quote JSON. */
function isJson(text: string): boolean {
  const fenced = /^```(?:json[c5]?)?[ \t]*\n([\s\S]*)\n```$/i.exec(text);
  const body = (fenced?.[1] ?? text).trim();
  if (!/^(?:\{[\s\S]*\}|\[[\s\S]*\])$/.test(body)) return false;
  // Broken JSON is a wrapper as well; a text that opens with a quoted key is no prose.
  if (/^[{[]\s*(?:\{\s*)?"/.test(body)) return true;
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}

/** CommonMark's rule, read leniently: a fence closes with as many of the same sign, at whatever indentation. */
function hasUnclosedFence(text: string): boolean {
  let open: string | undefined;
  for (const line of text.split("\n")) {
    const fence = /^[\s>]*(`{3,}|~{3,})(.*)$/.exec(line);
    const marks = fence?.[1];
    if (marks === undefined) continue;
    const after = fence?.[2] ?? "";
    if (open === undefined) {
      if (!(marks.startsWith("`") && after.includes("`"))) open = marks;
    } else if (marks[0] === open[0] && marks.length >= open.length && after.trim() === "") {
      open = undefined;
    }
  }
  return open !== undefined;
}
