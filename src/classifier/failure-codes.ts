/**
 * Every code a failure can have, with the kind and scope that follow from it. The table is the vocabulary of support
 * tickets, metrics and docs/failures.md, so codes are persisted words: add, never rename.
 *
 * `route` scope means that every call over the same provider, key and model fails alike; `type` that every report of
 * the type does. `request` is the careful default: it stops one section and nothing else.
 */
import type { FailureKind, FailureScope } from "../domain/failure.ts";

interface FailureCodeRow {
  kind: FailureKind;
  scope: FailureScope;
  /** One sentence, said to the person and to the reader of docs/failures.md. */
  means: string;
}

// oxfmt-ignore
export const FAILURE_CODES = {
  rate_limited:            { kind: "transient", scope: "route", means: "The provider limits how much may be asked per minute, or for the wait it names." },
  overloaded:              { kind: "transient", scope: "route", means: "The provider has no capacity at the moment." },
  provider_error:          { kind: "transient", scope: "request", means: "The provider's server failed while answering." },
  timeout:                 { kind: "transient", scope: "request", means: "The answer did not arrive in time." },
  connection_failed:       { kind: "transient", scope: "request", means: "The connection could not be made or broke before an answer arrived." },
  name_not_resolved:       { kind: "transient", scope: "request", means: "The host name could not be resolved." },
  response_cut:            { kind: "transient", scope: "request", means: "The answer broke off before its end." },
  aborted:                 { kind: "transient", scope: "request", means: "The call was aborted before its answer arrived." },
  conflict:                { kind: "transient", scope: "request", means: "Another request held what this one needed." },
  source_unavailable:      { kind: "transient", scope: "request", means: "The store of the source could not be reached; nothing was generated yet." },
  store_unavailable:       { kind: "transient", scope: "request", means: "The fleet's own store could not be reached before the call." },

  malformed_json:          { kind: "contract", scope: "request", means: "The model's JSON is malformed." },
  not_json:                { kind: "contract", scope: "request", means: "The model answered with text where JSON was asked." },
  schema_mismatch:         { kind: "contract", scope: "request", means: "The model's JSON does not fit the schema." },
  truncated:               { kind: "contract", scope: "request", means: "The model's answer was cut at its length limit." },
  empty_answer:            { kind: "contract", scope: "request", means: "The model answered without any text." },
  refused:                 { kind: "contract", scope: "request", means: "The model declined to answer." },
  output_filtered:         { kind: "contract", scope: "request", means: "The provider's content filter stopped the model's answer." },
  unexpected_tool_call:    { kind: "contract", scope: "request", means: "The model answered with a tool call that nobody offered." },
  invalid_generation:      { kind: "contract", scope: "request", means: "The provider rejected what its own model wrote." },
  unusable_text:           { kind: "contract", scope: "request", means: "The model's text does not keep its contract." },

  context_exceeded:        { kind: "input", scope: "request", means: "The prompt is larger than the model accepts." },
  request_too_large:       { kind: "input", scope: "request", means: "The request alone is larger than a limit of the provider, so it can never pass." },
  input_rejected:          { kind: "input", scope: "request", means: "The provider's content policy rejected the input." },
  source_missing:          { kind: "input", scope: "request", means: "The source does not exist." },
  source_invalid:          { kind: "input", scope: "request", means: "The source cannot be read as what it should be." },
  source_too_large:        { kind: "input", scope: "request", means: "The source is larger than allowed." },

  key_invalid:             { kind: "workflow", scope: "route", means: "The provider does not accept the key." },
  key_missing:             { kind: "workflow", scope: "route", means: "No key is configured for the provider." },
  permission_denied:       { kind: "workflow", scope: "route", means: "The key has no permission for what was asked." },
  account_disabled:        { kind: "workflow", scope: "route", means: "The provider disabled the account." },
  region_unsupported:      { kind: "workflow", scope: "route", means: "The provider does not serve this country or region." },
  model_unavailable:       { kind: "workflow", scope: "route", means: "The configured model does not exist there or cannot be used." },
  model_cannot_run:        { kind: "workflow", scope: "route", means: "The server cannot run the configured model at all." },
  endpoint_wrong:          { kind: "workflow", scope: "route", means: "The configured address is not the provider's API." },
  certificate_invalid:     { kind: "workflow", scope: "route", means: "No trusted TLS connection can be made to the configured address." },
  parameter_invalid:       { kind: "workflow", scope: "type", means: "The provider does not accept a parameter of the request." },
  schema_invalid:          { kind: "workflow", scope: "type", means: "The provider does not accept the output schema of the section." },
  report_type_unsupported: { kind: "workflow", scope: "type", means: "No worker knows how to write this report type." },
  deployment_broken:       { kind: "workflow", scope: "type", means: "The report type, or a file or module it needs, is missing or broken." },
  type_code_failed:        { kind: "workflow", scope: "request", means: "The report type's own code threw an error." },
  configuration_invalid:   { kind: "workflow", scope: "type", means: "The configuration is not valid." },
  checkpoint_damaged:      { kind: "workflow", scope: "request", means: "A stored answer or output is not what was stored, so it is not used." },
  source_forbidden:        { kind: "workflow", scope: "type", means: "The fleet has no permission to read the source." },
  source_misconfigured:    { kind: "workflow", scope: "type", means: "The place the source is read from is configured wrongly." },
  store_misconfigured:     { kind: "workflow", scope: "type", means: "The fleet's own store refuses the fleet." },
  request_rejected:        { kind: "workflow", scope: "request", means: "The provider rejected the request without a reason we know." },
  unclassified:            { kind: "workflow", scope: "request", means: "Nothing in the evidence says what went wrong, so nothing is tried again by itself." },

  storage_unavailable:     { kind: "persistence", scope: "request", means: "The store could not be reached while saving; the result is kept." },
  storage_busy:            { kind: "persistence", scope: "request", means: "The store was busy while saving; the result is kept." },
  storage_full:            { kind: "persistence", scope: "request", means: "The store has no room left; the result is kept." },
  storage_forbidden:       { kind: "persistence", scope: "request", means: "The store refuses the fleet's credentials or permissions; the result is kept." },
  storage_misconfigured:   { kind: "persistence", scope: "request", means: "The configured place to save to does not exist or cannot be written; the result is kept." },
  already_stored:          { kind: "persistence", scope: "request", means: "The store already has a record under this name." },
  value_refused:           { kind: "persistence", scope: "request", means: "The store refuses this very value; the result is kept." },
  lock_lost:               { kind: "persistence", scope: "request", means: "Another worker may own the job by now, so this one must not finish it." },
  format_failed:           { kind: "persistence", scope: "request", means: "The finished text could not be turned into a document; the text is kept." },
  save_failed:             { kind: "persistence", scope: "request", means: "Saving failed for a reason we do not know; the result is kept." },

  quota_exhausted:         { kind: "cost", scope: "route", means: "The account's quota, credit or spending limit at the provider is used up." },
  billing_inactive:        { kind: "cost", scope: "route", means: "Billing of the provider's account is not active." },
  allowance_used:          { kind: "cost", scope: "route", means: "A daily or monthly allowance is used up and names no wait to trust." },
  budget_exceeded:         { kind: "cost", scope: "request", means: "A spend budget would be exceeded." },
} as const satisfies Record<string, FailureCodeRow>;

export type FailureCode = keyof typeof FAILURE_CODES;

export function isFailureCode(word: unknown): word is FailureCode {
  return typeof word === "string" && Object.hasOwn(FAILURE_CODES, word);
}
