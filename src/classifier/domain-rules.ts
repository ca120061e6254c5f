/** What our own code says: checks with a code of their own, configuration found broken at start, a report type's bug. */
import type { FailureCode } from "./failure-codes.ts";
import { isFailureCode } from "./failure-codes.ts";
import { isAddressTrouble, isCertificateTrouble, mentions } from "./network-rules.ts";
import type { Reading } from "./reading.ts";
import type { Judgement, Rule } from "./rule.ts";

/** Codes of our own checks and of `FleetError` that are not failure codes themselves. */
const OWN_CODES: Readonly<Record<string, FailureCode>> = {
  unknown_type: "report_type_unsupported",
  type_disabled: "report_type_unsupported",
  invalid_type: "deployment_broken",
  invalid_plan: "deployment_broken",
  prepare_failed: "type_code_failed",
  section_unknown: "deployment_broken",
  no_progress: "type_code_failed",
  source_unreadable: "source_invalid",
  invalid_source: "source_invalid",
  not_found: "source_missing",
  unknown_price: "configuration_invalid",
  usage: "configuration_invalid",
  redis_unreachable: "store_unavailable",
  timed_out: "timeout",
};

/** Every stage but `save`, where the stage decides, and `parse`, where a code says which check failed. */
export function judgeOwnCode(reading: Reading): Judgement | null {
  const word = reading.domain?.code ?? reading.chain.find((link) => link.name === "FleetError")?.code ?? "";
  const code = isFailureCode(word) ? word : Object.hasOwn(OWN_CODES, word) ? OWN_CODES[word] : undefined;
  return code === undefined ? null : { rule: "own-check", code };
}

// oxfmt-ignore
export const CONFIG_RULES: readonly Rule[] = [
  { name: "config-key", code: "key_missing", when: (reading) => mentions(reading, /missing credentials|api[-_ ]?key|credential|no auth/) && !mentions(reading, /incorrect|invalid|expired|revoked/) },
  { name: "config-key-invalid", code: "key_invalid", when: (reading) => reading.status === 401 || mentions(reading, /(?:incorrect|invalid|expired|revoked)[^.\n]{0,20}(?:key|token|credential)/) },
  { name: "config-permission", code: "permission_denied", when: (reading) => reading.status === 403 },
  { name: "config-certificate", code: "certificate_invalid", when: isCertificateTrouble },
  { name: "config-address", code: "endpoint_wrong", when: (reading) => isAddressTrouble(reading) || reading.page || reading.status === 405 },
  { name: "config-model", code: "model_unavailable", when: (reading) => reading.status === 404 || mentions(reading, /model[^.\n]{0,60}(?:not (?:found|exist)|does not exist|unknown)|unknown model/) },
  { name: "config-report-type", code: "report_type_unsupported", when: (reading) => mentions(reading, /(?:unsupported|unknown|no (?:processor|handler|worker) for|unregistered)[^.\n]{0,30}(?:report|type|job|processor|workflow)|report type/) },
  { name: "config-files", code: "deployment_broken", when: (reading) => reading.chain.some((link) => /ENOENT|MODULE_NOT_FOUND|ERR_PACKAGE|ERR_UNKNOWN_FILE|ERR_UNSUPPORTED|EACCES|EISDIR|ENOTDIR/.test(link.code) || /SyntaxError|TypeError|ReferenceError/.test(link.name)) || mentions(reading, /template|cannot find (?:module|package)|no such file/) },
  { name: "config-otherwise", code: "configuration_invalid", when: () => true },
];

/** What `write` returned did not pass the section's own output: the type's code, found where configuration is. */
export const OWN_OUTPUT_RULE: Rule = {
  name: "type-output-wrong",
  code: "type_code_failed",
  when: ({ domain }) =>
    /^(?:schema_mismatch|truncated|unfinished|text_too_short|unclosed_fence|json_wrapper)$/.test(
      domain?.code ?? "",
    ),
};

/** Code of a report type that throws makes the same mistake on the same source. */
export const OWN_MISTAKE_RULE: Rule = {
  name: "type-code-failed",
  code: "type_code_failed",
  when: (reading) =>
    reading.surface === "domain" &&
    reading.chain.some((link) =>
      /^(?:TypeError|ReferenceError|RangeError|SyntaxError|AssertionError|EvalError)$/.test(link.name),
    ),
};
