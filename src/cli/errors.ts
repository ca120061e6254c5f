/**
 * Every error leaves the command line the same way: one sentence on stderr (with --json, one JSON line) and one exit
 * code. A code without a row does not compile.
 */
import { isFleetError, type FieldProblem, type FleetErrorCode } from "../domain/fleet-error.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import type { Output } from "./output.ts";

const EXIT_OF = {
  usage: EXIT.usage,
  invalid_source: EXIT.usage,
  source_too_large: EXIT.usage,
  not_found: EXIT.notFound,
  unknown_type: EXIT.notFound,
  idempotency_conflict: EXIT.conflict,
  in_progress: EXIT.conflict,
  not_deliverable: EXIT.conflict,
  redis_unreachable: EXIT.redisUnreachable,
  insufficient_credits: EXIT.insufficientCredits,
  type_disabled: EXIT.typeDisabled,
  timed_out: EXIT.waitTimeout,
  not_allowed: EXIT.conflict,
  stale_version: EXIT.conflict,
  too_many_reports: EXIT.tooManyReports,
  store_full: EXIT.storeFull,
  newer_version: EXIT.error,
  invalid_type: EXIT.error,
  prepare_failed: EXIT.error,
  invalid_plan: EXIT.error,
  unknown_price: EXIT.error,
} as const satisfies Record<FleetErrorCode, ExitCode>;

export function failWith(output: Output, error: unknown): ExitCode {
  const { code, message, fields } = describe(error);
  if (output.json) {
    output.talk(JSON.stringify({ error: { code, message, ...(fields.length > 0 ? { fields } : {}) } }));
  } else {
    output.talk(`${output.paint("red", "error:")} ${message}`);
    for (const field of fields) {
      // The message already holds a single one.
      if (!message.includes(field.message)) output.talk(`  ${field.path}: ${field.message}`);
    }
  }
  return code === "internal" ? EXIT.error : EXIT_OF[code];
}

function describe(error: unknown): {
  code: FleetErrorCode | "internal";
  message: string;
  fields: readonly FieldProblem[];
} {
  if (isFleetError(error)) return { code: error.code, message: error.message, fields: error.fields };
  const message = error instanceof Error ? error.message : String(error);
  return { code: "internal", message, fields: [] };
}
