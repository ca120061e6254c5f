/**
 * What goes wrong over HTTP, as a closed list. Every answer of 400 and above is `application/problem+json` (RFC 9457)
 * with one of these codes; a program decides by the code, a person reads `detail`. Codes keep their meaning for good,
 * and docs/problems.md has a paragraph for each (a test holds that).
 *
 * No answer holds a stack, a query or anything of another account; what is unexpected is logged under the request id
 * that the answer names.
 */
import { isFleetError, type FieldProblem, type FleetErrorCode } from "../domain/fleet-error.ts";

/** `retryable`: the same request may succeed later without anybody changing it. */
export const PROBLEMS = {
  invalid_request: { status: 400, title: "The request cannot be read", retryable: false },
  idempotency_key_required: { status: 400, title: "An Idempotency-Key is needed", retryable: false },
  unauthorized: { status: 401, title: "No valid API key", retryable: false },
  insufficient_credits: { status: 402, title: "Not enough credits", retryable: false },
  forbidden: { status: 403, title: "The API key may not do this", retryable: false },
  not_found: { status: 404, title: "Not found", retryable: false },
  unknown_type: { status: 404, title: "No such report type", retryable: false },
  method_not_allowed: { status: 405, title: "Method not allowed", retryable: false },
  in_progress: { status: 409, title: "The same request is still being answered", retryable: true },
  not_allowed: { status: 409, title: "Not possible in this status", retryable: false },
  not_deliverable: { status: 409, title: "Nothing to deliver yet", retryable: true },
  type_disabled: { status: 409, title: "The report type is stopped", retryable: true },
  price_unknown: { status: 409, title: "The price of a model is not known", retryable: false },
  precondition_failed: { status: 412, title: "It has changed since it was read", retryable: false },
  body_too_large: { status: 413, title: "The body is too large", retryable: false },
  source_too_large: { status: 413, title: "The source is too large", retryable: false },
  unsupported_media_type: { status: 415, title: "The body is not plain JSON", retryable: false },
  invalid_input: { status: 422, title: "Some fields are wrong", retryable: false },
  invalid_source: { status: 422, title: "The source cannot be used", retryable: false },
  idempotency_conflict: { status: 422, title: "The key was used for something else", retryable: false },
  precondition_required: { status: 428, title: "If-Match is needed", retryable: false },
  too_many_reports: { status: 429, title: "The account has too many reports waiting", retryable: true },
  rate_limited: { status: 429, title: "Too many requests", retryable: true },
  internal: { status: 500, title: "An error of ours", retryable: true },
  broken_type: { status: 500, title: "The report type is broken", retryable: false },
  draining: { status: 503, title: "This process is about to end", retryable: true },
  too_many_streams: { status: 503, title: "Too many event streams are open", retryable: true },
  store_full: { status: 503, title: "No room for new work", retryable: true },
  newer_version: { status: 503, title: "Written by a newer release", retryable: true },
  redis_unavailable: { status: 503, title: "The store does not answer", retryable: true },
  timed_out: { status: 504, title: "It took too long", retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>;
export type ProblemCode = keyof typeof PROBLEMS;

const CODE_OF = {
  usage: "invalid_input",
  not_found: "not_found",
  unknown_type: "unknown_type",
  invalid_type: "broken_type",
  type_disabled: "type_disabled",
  invalid_source: "invalid_source",
  source_too_large: "source_too_large",
  prepare_failed: "broken_type",
  invalid_plan: "broken_type",
  insufficient_credits: "insufficient_credits",
  idempotency_conflict: "idempotency_conflict",
  in_progress: "in_progress",
  not_deliverable: "not_deliverable",
  unknown_price: "price_unknown",
  redis_unreachable: "redis_unavailable",
  timed_out: "timed_out",
  not_allowed: "not_allowed",
  stale_version: "precondition_failed",
  too_many_reports: "too_many_reports",
  store_full: "store_full",
  newer_version: "newer_version",
} as const satisfies Record<FleetErrorCode, ProblemCode>;

/** Thrown by a handler; anything else it throws becomes one. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly fields: readonly FieldProblem[];
  readonly retryAfterMs: number | null;

  constructor(
    code: ProblemCode,
    detail: string,
    more: { fields?: readonly FieldProblem[]; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(detail, { cause: more.cause });
    this.name = "Problem";
    this.code = code;
    this.fields = more.fields ?? [];
    this.retryAfterMs = more.retryAfterMs ?? null;
  }
}

/** What body-parser and express say of a request that cannot be read; their own messages may quote it. */
const UNREADABLE: Readonly<Record<number, [ProblemCode, string]>> = {
  400: ["invalid_request", "The body is no JSON, or the address is malformed."],
  413: ["body_too_large", "The body has more bytes than this request may have."],
  415: ["unsupported_media_type", "Send application/json in UTF-8, not compressed."],
};

export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (isFleetError(error)) return ofFleetError(error);
  if (!(error instanceof Error)) return new Problem("internal", UNEXPECTED, { cause: error });
  if (isLostRedis(error))
    return new Problem(
      "redis_unavailable",
      "The store does not answer right now. Nothing was acknowledged.",
      {
        retryAfterMs: 2_000,
        cause: error,
      },
    );
  const status = "status" in error && typeof error.status === "number" ? error.status : 500;
  const known = UNREADABLE[status];
  if (known !== undefined) return new Problem(known[0], known[1]);
  return new Problem("internal", UNEXPECTED, { cause: error });
}

const RETRY_AFTER_MS: Partial<Record<ProblemCode, number>> = {
  in_progress: 2_000,
  too_many_reports: 2_000,
  store_full: 60_000,
};

const UNEXPECTED = "Something went wrong that should not; the request id leads to it in the log.";

function ofFleetError(error: {
  code: FleetErrorCode;
  message: string;
  fields: readonly FieldProblem[];
}): Problem {
  const code = CODE_OF[error.code];
  // Whoever orders cannot mend a report type, and its author's words may be about anybody's data.
  if (code === "broken_type")
    return new Problem(
      code,
      "The report type itself is broken; its team has to mend it. Nothing was charged.",
      {
        cause: error,
      },
    );
  const retryAfterMs = RETRY_AFTER_MS[code];
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new Problem(code, error.message, { fields: error.fields, ...wait });
}

/** By what ioredis calls its own errors: it gave up, or the link went away under the request. */
function isLostRedis(error: Error): boolean {
  if (error.name === "MaxRetriesPerRequestError") return true;
  if (/^(Command timed out|Connection is closed\.?|Stream isn't writeable.*)$/.test(error.message))
    return true;
  return /^(LOADING|READONLY|OOM|CLUSTERDOWN|MASTERDOWN|NOAUTH|WRONGPASS) /.test(error.message);
}

/** The body of the answer. `instance` names the request, not the resource: it is what a log is searched for. */
export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  const { status, title, retryable } = PROBLEMS[problem.code];
  return {
    type: `/problems/${problem.code}`,
    title,
    status,
    detail: problem.message,
    instance: `urn:uuid:${requestId}`,
    code: problem.code,
    retryable,
    ...(problem.retryAfterMs === null ? {} : { retry_after_ms: problem.retryAfterMs }),
    ...(problem.fields.length === 0
      ? {}
      : { errors: problem.fields.map(({ path, message }) => ({ pointer: path, detail: message })) }),
  };
}
