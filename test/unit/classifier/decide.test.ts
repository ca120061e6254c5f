import { describe, expect, test } from "vitest";
import { classify } from "../../../src/classifier/classify.ts";
import { decide } from "../../../src/classifier/decide.ts";
import type { Decision } from "../../../src/classifier/decide.ts";
import { DEFAULT_RETRIES } from "../../../src/domain/failure.ts";
import type { Failure } from "../../../src/domain/failure.ts";

function aFailure(overrides: Partial<Failure>): Failure {
  return {
    kind: "transient",
    code: "provider_error",
    scope: "request",
    message: "The provider's server failed while answering.",
    fingerprint: "0123456789abcdef",
    retryable: true,
    cooldownMs: null,
    rule: "status-5xx",
    evidence: { surface: "http", stage: "generate" },
    ...overrides,
  };
}

function verdictOn(failure: Partial<Failure>, more: Partial<Omit<Decision, "failure">> = {}) {
  return decide({
    failure: aFailure(failure),
    attempts: { transient: 0, repair: 0, crash: 0 },
    strategy: DEFAULT_RETRIES,
    seenFingerprints: [],
    random: 1,
    ...more,
  });
}

function after(attempts: Partial<Decision["attempts"]>): Pick<Decision, "attempts"> {
  return { attempts: { transient: 0, repair: 0, crash: 0, ...attempts } };
}

describe("transient", () => {
  test("a named wait is kept, spends no attempt, and says who asked for it", () => {
    expect(verdictOn({ code: "rate_limited", cooldownMs: 12_000 }, after({ transient: 99 }))).toEqual({
      verdict: "wait",
      afterMs: 12_000,
      because: "rate limited by the provider, which asked for 12 s",
    });
  });

  test("a named wait beyond what a section may wait stops for a person", () => {
    expect(verdictOn({ cooldownMs: DEFAULT_RETRIES.longestWaitMs + 1 }).verdict).toBe("park");
    expect(verdictOn({ cooldownMs: DEFAULT_RETRIES.longestWaitMs }).verdict).toBe("wait");
  });

  test("a wait of nothing spends an attempt, so that it cannot loop", () => {
    expect(verdictOn({ cooldownMs: 0 })).toMatchObject({ verdict: "retry", cause: "transient" });
  });

  test("a call that may have been billed spends an attempt even where a wait is named", () => {
    expect(verdictOn({ cooldownMs: 9_000 }, { unknownBilling: true })).toMatchObject({
      verdict: "retry",
      afterMs: 9_000,
    });
    expect(
      verdictOn({ cooldownMs: 9_000 }, { unknownBilling: true, ...after({ transient: 5 }) }).verdict,
    ).toBe("park");
  });

  test("without a wait the backoff doubles, is jittered in full and has a ceiling", () => {
    expect(verdictOn({}, after({ transient: 0 }))).toMatchObject({ verdict: "retry", afterMs: 2_000 });
    expect(verdictOn({}, after({ transient: 3 }))).toMatchObject({ verdict: "retry", afterMs: 16_000 });
    expect(verdictOn({}, { ...after({ transient: 3 }), random: 0.5 })).toMatchObject({ afterMs: 8_000 });
    const patient = { ...DEFAULT_RETRIES, transient: 9_999 };
    expect(verdictOn({}, { ...after({ transient: 5_000 }), strategy: patient })).toMatchObject({
      afterMs: 300_000,
    });
  });

  test("when the attempts are used up the section stops and says so", () => {
    expect(verdictOn({}, after({ transient: 5 }))).toMatchObject({
      verdict: "park",
      because: expect.stringContaining("used up") as unknown,
    });
  });

  test("attempts of other causes are not counted", () => {
    expect(verdictOn({}, after({ repair: 9, crash: 9 })).verdict).toBe("retry");
  });
});

describe("contract", () => {
  const bad = {
    kind: "contract",
    code: "malformed_json",
    message: "The model's JSON is malformed.",
  } as const;
  const cut = { ...bad, code: "truncated" } as const;

  test("one repair is paid for", () => {
    expect(verdictOn(bad)).toMatchObject({ verdict: "repair", rung: "repair" });
    expect(verdictOn(bad, after({ repair: 1 })).verdict).toBe("park");
  });

  test("the same mistake twice ends before the budget does", () => {
    const strategy = { ...DEFAULT_RETRIES, repair: 5 };
    expect(verdictOn(bad, { strategy, seenFingerprints: ["ffffffffffffffff"] }).verdict).toBe("repair");
    expect(verdictOn(bad, { strategy, seenFingerprints: ["0123456789abcdef"] }).verdict).toBe("park");
  });

  test.each([
    ["a cut text is continued", "text", true, "continue"],
    ["cut JSON is asked for with more room", "json", true, "longer"],
    ["cut JSON without more room is repaired", "json", false, "repair"],
  ] as const)("%s", (_, contract, canAskLonger, rung) => {
    expect(verdictOn(cut, { answer: { finishReason: "length", contract, canAskLonger } })).toMatchObject({
      rung,
    });
  });

  test("an answer that was not cut is repaired, not continued", () => {
    expect(
      verdictOn(bad, { answer: { finishReason: "stop", contract: "text", canAskLonger: true } }),
    ).toMatchObject({ rung: "repair" });
  });

  test("a refusal that must not be retried stops", () => {
    expect(verdictOn({ ...bad, code: "refused", retryable: false }).verdict).toBe("park");
  });
});

describe("what no retry heals", () => {
  test.each([
    ["input halts the report", { kind: "input", code: "source_missing" }, "halt"],
    ["cost halts the report", { kind: "cost", code: "quota_exhausted", scope: "route" }, "halt"],
    ["a broken type halts the report", { kind: "workflow", code: "schema_invalid", scope: "type" }, "halt"],
    ["a closed route is waited for", { kind: "workflow", code: "key_invalid", scope: "route" }, "wait"],
    [
      "an unclear rejection stops its section only",
      { kind: "workflow", code: "request_rejected", scope: "request" },
      "park",
    ],
  ] as const)("%s", (_, failure, verdict) => {
    expect(verdictOn({ ...failure, retryable: false })).toMatchObject({ verdict });
  });

  test("evidence nobody understands is never paid again by itself", () => {
    const failure = classify({
      surface: "network",
      stage: "generate",
      node: { name: "Error", message: "?!" },
    });
    expect(verdictOn(failure).verdict).toBe("park");
  });
});

describe("persistence", () => {
  const saving = {
    kind: "persistence",
    code: "storage_full",
    message: "The store has no room left; the result is kept.",
  } as const;

  test("only the save is tried again, by backoff or by the wait the store names", () => {
    expect(verdictOn(saving)).toMatchObject({ verdict: "retry_save", afterMs: 2_000 });
    expect(verdictOn(saving, { savesTried: 2 })).toMatchObject({ verdict: "retry_save", afterMs: 8_000 });
    expect(verdictOn({ ...saving, cooldownMs: 60_000 })).toMatchObject({
      verdict: "retry_save",
      afterMs: 60_000,
    });
  });

  test("a save that only a person can heal stops, and no call is made", () => {
    expect(verdictOn({ ...saving, code: "storage_forbidden", retryable: false }).verdict).toBe("park");
  });
});
