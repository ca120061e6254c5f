import { describe, expect, test } from "vitest";
import { classify } from "../../../src/classifier/classify.ts";

function cooldown(
  headers: Record<string, string>,
  message = "Too many requests",
  status = 429,
): number | null {
  return classify({
    surface: "http",
    stage: "generate",
    http: { status, headers, body: { error: { message } } },
  }).cooldownMs;
}

const DATE = "Wed, 21 Oct 2026 07:28:00 GMT";

describe("the wait a response names is the wait that is kept", () => {
  test.each([
    ["milliseconds win over seconds", { "retry-after-ms": "1500", "retry-after": "2" }, 1_500],
    ["a fraction of a millisecond is rounded up", { "retry-after-ms": "499.2" }, 500],
    ["seconds", { "retry-after": "120" }, 120_000],
    ["a fraction of a second", { "retry-after": "0.25" }, 250],
    [
      "a date against the response's own date",
      { "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", date: DATE },
      30_000,
    ],
    [
      "a date that has passed is no wait at all",
      { "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", date: DATE },
      0,
    ],
    [
      "a date without a date to compare with is not guessed",
      { "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" },
      null,
    ],
    ["a negative number is not believed", { "retry-after": "-5" }, null],
    ["a timestamp in the place of a wait is not believed", { "retry-after": "1752345900" }, null],
    ["words are not believed", { "retry-after": "soon" }, null],
    ["an unreadable first source leaves the second", { "retry-after-ms": "NaN", "retry-after": "3" }, 3_000],
    [
      "the reset of the exhausted bucket, not of the other",
      {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m1.5s",
        "x-ratelimit-remaining-tokens": "9",
        "x-ratelimit-reset-tokens": "9m",
      },
      61_500,
    ],
    [
      "the later of two exhausted buckets",
      {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "2s",
      },
      2_000,
    ],
    [
      "no bucket is exhausted",
      { "x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m" },
      null,
    ],
  ] as const)("%s", (_, headers, wanted) => {
    expect(cooldown({ ...headers })).toBe(wanted);
  });

  test("an exhausted bucket on another status than 429 names no wait", () => {
    const headers = { "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m" };
    expect(cooldown(headers, "The server had an error", 500)).toBeNull();
  });

  test.each([
    ["Please try again in 644ms.", 644],
    ["Please try again in 9m38.016s. Need more tokens?", 578_016],
    ["Please retry after 33 seconds.", 33_000],
    ["Please retry after 86400 seconds.", 86_400_000],
    ["Please retry in 56s.", 56_000],
    ["Try again in about 1 hour and 5 minutes", 3_900_000],
    ["try again in 1d2h", 93_600_000],
    ["Rate limit of 50 per 86400s exceeded. Please wait 45000 seconds before retrying.", 45_000_000],
    ["Limit 30 per 60 seconds, Used 30", null],
    ["You can retry your request after a short while", null],
    ["Request timed out after 60 seconds, rate limit", null],
    ["retry_after: 12", 12_000],
  ])("the sentence %j", (message, wanted) => {
    expect(cooldown({}, message)).toBe(wanted);
  });

  test.each([
    ["56s", 56_000],
    ["13.52s", 13_520],
    [{ seconds: 3, nanos: 500_000_000 }, 3_500],
  ])("RetryInfo %j", (retryDelay, wanted) => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay }];
    const body = [
      { error: { code: 429, message: "Quota exceeded per minute", status: "RESOURCE_EXHAUSTED", details } },
    ];
    const failure = classify({
      surface: "http",
      stage: "generate",
      http: { status: 429, headers: {}, body },
    });
    expect([failure.kind, failure.cooldownMs]).toEqual(["transient", wanted]);
  });

  test("a hint on a failure that must not be retried is ignored", () => {
    const failure = classify({
      surface: "http",
      stage: "generate",
      http: {
        status: 429,
        headers: { "retry-after": "5" },
        body: { error: { message: "x", code: "insufficient_quota" } },
      },
    });
    expect([failure.kind, failure.cooldownMs]).toEqual(["cost", null]);
  });
});
