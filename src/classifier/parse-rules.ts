/** The model's text was read and is not what was asked. All of it is contract; the code says what a repair must heal. */
import { readsAsRefusal } from "./completion-rules.ts";
import type { Reading } from "./reading.ts";
import type { Rule } from "./rule.ts";
import { isCutByLength } from "./salvage.ts";
import { fitsSchema, readSchemaHint } from "./schema-hint.ts";

/** The words of our own checks on a plain text (unclosed fence, too short, wrapped in JSON) are codes of theirs. */
const TEXT_CHECKS = /^(?:unfinished|text_too_short|unclosed_fence|json_wrapper|unusable_text)$/;

function parsed(reading: Reading): { value: unknown } | null {
  try {
    return { value: JSON.parse(reading.text ?? "") as unknown };
  } catch {
    return null;
  }
}

function holds(reading: Reading, when: (text: string) => boolean): boolean {
  return reading.text !== null && when(reading.text);
}

// oxfmt-ignore
export const PARSE_RULES: readonly Rule[] = [
  { name: "parse-refusal-field", code: "refused", when: ({ completion }) => completion?.refusal === true },
  { name: "parse-filtered", code: "output_filtered", when: ({ completion }) => /content_?filter/.test(completion?.finishReason ?? "") },
  { name: "parse-cut-by-length", code: "truncated", when: ({ completion, domain }) => isCutByLength(completion?.finishReason) || domain?.code === "truncated" },
  { name: "parse-text-contract", code: "unusable_text", when: ({ domain }) => TEXT_CHECKS.test(domain?.code ?? "") },
  { name: "parse-empty", code: "empty_answer", when: (reading) => holds(reading, (text) => text.trim() === "") },
  { name: "parse-schema", code: "schema_mismatch", when: (reading) => /schema/.test(reading.domain?.code ?? "") || reading.chain.some((link) => /Zod|Ajv|Validation|Valibot/i.test(link.name)) || misfits(reading) },
  { name: "parse-refusal-in-words", code: "refused", when: (reading) => holds(reading, readsAsRefusal) },
  { name: "parse-not-json", code: "not_json", when: (reading) => holds(reading, (text) => !/[{[]/.test(text)) },
  { name: "parse-malformed", code: "malformed_json", when: (reading) => holds(reading, () => true) || reading.chain.length > 0 || reading.domain !== null },
];

function misfits(reading: Reading): boolean {
  const value = parsed(reading);
  return (
    value !== null &&
    (readSchemaHint(reading.schemaHint) === null ||
      !fitsSchema(value.value, readSchemaHint(reading.schemaHint)))
  );
}
