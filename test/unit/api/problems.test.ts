import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { Problem, problemBody, problemOf, PROBLEMS } from "../../../src/api/problems.ts";
import { FLEET_ERROR_CODES, FleetError } from "../../../src/domain/fleet-error.ts";

const page = readFileSync(resolve(import.meta.dirname, "../../../docs/problems.md"), "utf8");

test("every problem has its paragraph with its status, and no paragraph is left of one that is gone", () => {
  const headings = [...page.matchAll(/^### `(\w+)` \((\d{3})\)$/gm)].map(
    ([, code, status]) => `${code} ${status}`,
  );
  const codes = Object.entries(PROBLEMS).map(([code, { status }]) => `${code} ${status}`);
  expect(headings.sort()).toEqual(codes.sort());
});

test("everything the fleet refuses has a problem of the caller's, and broken infrastructure one of ours", () => {
  for (const code of FLEET_ERROR_CODES) {
    const { status } = PROBLEMS[problemOf(new FleetError(code, "it cannot be")).code];
    const isOurs = [
      "invalid_type",
      "prepare_failed",
      "invalid_plan",
      "redis_unreachable",
      "timed_out",
      "store_full",
      "newer_version",
    ].includes(code);
    expect([code, status >= 500]).toEqual([code, isOurs]);
  }
});

test("nothing of an unexpected error is told, whatever it says", () => {
  const secret = "EVALSHA {fleet}:report:rp-1 the customer's own words";
  for (const error of [
    new Error(secret),
    new TypeError(secret),
    secret,
    { status: 500, message: secret },
    null,
  ])
    expect(JSON.stringify(problemBody(problemOf(error), "1"))).not.toContain("customer");
  // Authors' code may put anything into the message of a broken type.
  expect(problemOf(new FleetError("prepare_failed", secret)).message).not.toContain("customer");
});

test("a problem names its code, its request and every wrong field", () => {
  const problem = new Problem("invalid_input", "limit: too many", {
    fields: [{ path: "limit", message: "too many" }],
    retryAfterMs: 1_500,
  });
  expect(problemBody(problem, "4f1c")).toEqual({
    type: "/problems/invalid_input",
    title: "Some fields are wrong",
    status: 422,
    detail: "limit: too many",
    instance: "urn:uuid:4f1c",
    code: "invalid_input",
    retryable: false,
    retry_after_ms: 1_500,
    errors: [{ pointer: "limit", detail: "too many" }],
  });
});

test("a lost Redis is told as such, so that a caller repeats what was not acknowledged", () => {
  const lost = new Error("Reached the max retries per request limit (which is 1).");
  lost.name = "MaxRetriesPerRequestError";
  expect(problemOf(lost)).toMatchObject({ code: "redis_unavailable", retryAfterMs: 2_000 });
  expect(problemOf(new Error("Connection is closed.")).code).toBe("redis_unavailable");
});
