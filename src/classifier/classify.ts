/**
 * Evidence → failure. The one place where a kind is decided.
 *
 *     read ─▶ unwrap ─▶ stage ─▶ surface ─▶ the first rule that fits
 *
 * The stage comes first: the same ECONNRESET is a failed call while generating and a failed save while saving. Whatever
 * no rule knows ends as `unclassified`, which is never tried again by itself: a wrong guess "transient" would pay for
 * the same failure five times, a wrong guess "stop" costs a person one look.
 */
import type { Evidence } from "../domain/evidence.ts";
import type { Failure } from "../domain/failure.ts";
import { COMPLETION_RULES } from "./completion-rules.ts";
import { namedCooldownMs } from "./cooldown.ts";
import { CONFIG_RULES, judgeOwnCode, OWN_MISTAKE_RULE, OWN_OUTPUT_RULE } from "./domain-rules.ts";
import { FAILURE_CODES } from "./failure-codes.ts";
import type { FailureCode } from "./failure-codes.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { messageFor } from "./message.ts";
import { isAddressTrouble, isCertificateTrouble, NETWORK_RULES } from "./network-rules.ts";
import { PARSE_RULES } from "./parse-rules.ts";
import { PROVIDER_RULES, STATUS_RULES } from "./provider-rules.ts";
import { readEvidence } from "./reading.ts";
import type { Reading } from "./reading.ts";
import { firstLayerRule, firstRule } from "./rule.ts";
import type { Judgement } from "./rule.ts";
import { judgeSource } from "./source-rules.ts";
import { judgeStorage } from "./storage-rules.ts";
import { storeTrouble } from "./store-trouble.ts";

const UNCLASSIFIED: Judgement = { rule: "unclassified", code: "unclassified" };

export function classify(evidence: Evidence): Failure {
  const reading = readEvidence(evidence);
  const judgement = judge(reading);
  const { kind, scope } = FAILURE_CODES[judgement.code];
  const retryable = judgement.retryable ?? (kind === "transient" || kind === "contract");
  const message = messageFor(judgement, reading);
  return {
    kind,
    code: judgement.code,
    scope,
    message,
    fingerprint: fingerprintOf(kind, judgement.code, message),
    retryable,
    cooldownMs: retryable ? namedCooldownMs(reading) : null,
    rule: judgement.rule,
    evidence,
  };
}

function judge(reading: Reading): Judgement {
  switch (reading.stage) {
    case "save":
      return judgeStorage(reading);
    case "load":
      return isSilent(reading) ? UNCLASSIFIED : (judgeOwnCode(reading) ?? judgeSource(reading));
    case "config":
      if (isSilent(reading)) return UNCLASSIFIED;
      return (
        workflowOnly(judgeOwnCode(reading)) ??
        firstRule([OWN_OUTPUT_RULE, ...CONFIG_RULES], reading) ??
        UNCLASSIFIED
      );
    case "parse":
      return judgeParse(reading);
    case "generate":
      return judgeGenerate(reading);
  }
}

/** At start-up whatever fails is configuration, also where our own code would be another kind later. */
function workflowOnly(judgement: Judgement | null): Judgement | null {
  return judgement !== null && FAILURE_CODES[judgement.code].kind === "workflow" ? judgement : null;
}

function judgeParse(reading: Reading): Judgement {
  if (reading.surface === "redis" || reading.surface === "disk") return judgeOwnStore(reading);
  return firstRule(PARSE_RULES, reading) ?? judgeOwnCode(reading) ?? UNCLASSIFIED;
}

function judgeGenerate(reading: Reading): Judgement {
  if (reading.surface === "redis" || reading.surface === "disk") return judgeOwnStore(reading);
  if (reading.surface === "parse") return firstRule(PARSE_RULES, reading) ?? UNCLASSIFIED;
  const own = judgeOwnCode(reading);
  if (own !== null) return own;
  // Bodies that are no error have no layers; a page with status 200 has one, and it says nothing about an error.
  const poor = firstRule(COMPLETION_RULES, reading);
  if (poor !== null && (reading.completion?.error ?? null) === null) return poor;
  // A certificate, a bad address or a broken socket is told apart by codes, before any word in a message.
  const unreachable = reading.status === null && reading.chain.length > 0 ? judgeConnection(reading) : null;
  return (
    unreachable ??
    firstLayerRule(PROVIDER_RULES, reading) ??
    firstRule(STATUS_RULES, reading) ??
    poor ??
    firstRule([OWN_MISTAKE_RULE], reading) ??
    (reading.chain.length > 0 ? firstRule(NETWORK_RULES, reading) : null) ??
    UNCLASSIFIED
  );
}

/** Codes are told apart before words: the message of a SyntaxError quotes a body that may say anything. */
function judgeConnection(reading: Reading): Judgement | null {
  const coded = reading.chain.some(({ code }) => /^(?:E[A-Z_]{3,}|UND_ERR_\w+|ERR_\w+|HPE_\w+)$/.test(code));
  const brokenBody = reading.surface !== "domain" && reading.chain.some(({ name }) => name === "SyntaxError");
  return coded || brokenBody || isCertificateTrouble(reading) || isAddressTrouble(reading)
    ? firstRule(NETWORK_RULES, reading)
    : null;
}

const OWN_STORE_CODES = {
  forbidden: "store_misconfigured",
  misplaced: "store_misconfigured",
  away: "store_unavailable",
  busy: "store_unavailable",
  full: "store_unavailable",
  lock_lost: "store_unavailable",
} as const satisfies Record<string, FailureCode>;

/** Our own Redis or disk, before there is a result to save. */
function judgeOwnStore(reading: Reading): Judgement {
  const trouble = storeTrouble(reading);
  return trouble !== null && trouble in OWN_STORE_CODES
    ? {
        rule: `store-${trouble.replaceAll("_", "-")}`,
        code: OWN_STORE_CODES[trouble as keyof typeof OWN_STORE_CODES],
      }
    : UNCLASSIFIED;
}

function isSilent(reading: Reading): boolean {
  return (
    reading.layers.length === 0 &&
    reading.chain.length === 0 &&
    reading.status === null &&
    reading.domain === null &&
    reading.completion === null &&
    (reading.text === null || reading.text === "")
  );
}
