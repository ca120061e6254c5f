/**
 * The one thing the fleet throws on purpose: a caller's mistake, a broken report type, lost infrastructure.
 *
 * Failed paid work is never a `FleetError`; it is a `Failure` and has a verdict. The code is for programs (exit codes,
 * HTTP statuses, tests), the message for people: it names what was wrong and the next thing to do.
 */
export const FLEET_ERROR_CODES = [
  "usage",
  "not_found",
  "unknown_type",
  "invalid_type",
  "type_disabled",
  "invalid_source",
  "source_too_large",
  "prepare_failed",
  "invalid_plan",
  "insufficient_credits",
  "idempotency_conflict",
  "in_progress",
  "not_deliverable",
  "unknown_price",
  "redis_unreachable",
  "timed_out",
  /** What a person asked for has no effect in this status; the message says what would. */
  "not_allowed",
  /** It changed since it was read. */
  "stale_version",
  /** The account has as many reports waiting as it may; later ones are welcome. */
  "too_many_reports",
  /** Redis has no room for new work; it is for the operator to make some. */
  "store_full",
  /** A newer release wrote it; this one does not know how to read it. */
  "newer_version",
] as const;
export type FleetErrorCode = (typeof FLEET_ERROR_CODES)[number];

/** One wrong field, by its path from the root of what was sent. */
export interface FieldProblem {
  path: string;
  message: string;
}

export class FleetError extends Error {
  readonly code: FleetErrorCode;
  readonly fields: readonly FieldProblem[];

  constructor(
    code: FleetErrorCode,
    message: string,
    more: { fields?: readonly FieldProblem[]; cause?: unknown } = {},
  ) {
    super(message, "cause" in more ? { cause: more.cause } : {});
    this.name = "FleetError";
    this.code = code;
    this.fields = more.fields ?? [];
  }
}

/** Recognised by shape, so that an error thrown by a second copy of this package is still understood. */
export function isFleetError(error: unknown): error is FleetError {
  return (
    error instanceof Error &&
    error.name === "FleetError" &&
    "code" in error &&
    FLEET_ERROR_CODES.includes(error.code as FleetErrorCode)
  );
}
