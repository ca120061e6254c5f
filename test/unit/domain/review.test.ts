import { expect, test } from "vitest";
import { FAILURE_KINDS } from "../../../src/domain/failure.ts";
import { FINISHED, REPORT_STATUSES, type FailureSummary } from "../../../src/domain/report.ts";
import { ACTIONS, actionsFor, mayAct, PERMISSIONS, REMEDIES } from "../../../src/domain/review.ts";

function aCase(kind: FailureSummary["kind"], section: string | null = "body") {
  const failure: FailureSummary = {
    kind,
    code: "a_code",
    scope: "request",
    message: "It went wrong.",
    fingerprint: "0123456789abcdef",
    rule: "a test",
  };
  return { section, failure };
}

test("whoever is refused is told why, in a sentence", () => {
  const refusals = ACTIONS.flatMap((action) =>
    REPORT_STATUSES.flatMap((status) => {
      const permission = mayAct(action, status);
      return permission.allowed ? [] : [permission.because];
    }),
  );
  expect(refusals.length).toBeGreaterThan(0);
  for (const because of refusals) expect(because).toMatch(/^[A-Z].*\.$/);
});

test("nothing can be done about a report that has ended", () => {
  for (const action of ACTIONS)
    for (const status of FINISHED) expect(PERMISSIONS[action][status].allowed).toBe(false);
  expect(mayAct("cancel", "completed")).toEqual({
    allowed: false,
    because: expect.stringContaining("already delivered"),
  });
});

test("a report can be cancelled at any time before its delivery", () => {
  for (const status of REPORT_STATUSES)
    expect(mayAct("cancel", status).allowed).toBe(!FINISHED.includes(status));
});

test("a parked report always offers a way on, a way to deliver what is there and a way out, whatever failed", () => {
  for (const kind of FAILURE_KINDS) {
    expect(actionsFor(aCase(kind), "needs_review")).toEqual(
      expect.arrayContaining(["resume", "deliver_partial", "reject", "cancel"]),
    );
  }
});

test("only what has a raw output is validated again, and it is offered before anything that costs money", () => {
  expect(actionsFor(aCase("contract"), "needs_review")[0]).toBe("revalidate");
  expect(mayAct("revalidate", "needs_review", aCase("transient"))).toEqual({
    allowed: false,
    because: expect.stringContaining("transient"),
  });
});

test("wrong data is mended by correcting it first", () => {
  expect(REMEDIES.input[0]).toBe("correct_source");
});

test("a report that failed by itself is not mended at a section", () => {
  expect(actionsFor(aCase("persistence", null), "needs_review")).not.toContain("accept_edited");
  expect(actionsFor(aCase("workflow", null), "needs_review")).not.toContain("skip_section");
});
