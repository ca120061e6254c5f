import { expect, test } from "vitest";
import { REPORT_STATUSES, type FailureSummary } from "../../../src/domain/report.ts";
import {
  statusSentence,
  type SentenceReport,
  type SentenceSection,
} from "../../../src/domain/status-sentence.ts";

const now = 1_000_000;
const done: SentenceSection = { status: "completed", outputHash: "x", unreviewed: null, edited: null };
const open: SentenceSection = { status: "pending" };
const skipped: SentenceSection = { status: "skipped", because: "a person said so" };

function failure(kind: FailureSummary["kind"], code: string, message = "It went wrong."): FailureSummary {
  return { kind, code, scope: "request", message, fingerprint: "0123456789abcdef", rule: "a test" };
}

function waiting(afterMs: number, why: FailureSummary | null): SentenceSection {
  return { status: "waiting_for_retry", retryAt: now + afterMs, failure: why, because: "internal words" };
}

const held = { credits: 5, hold: "reserved" } as const;
const charged = { credits: 5, hold: "committed" } as const;
const returned = { credits: 5, hold: "reversed" } as const;
const delivered = { status: "completed", artefactHash: "x", deliveredAt: now } as const;

const busy = failure("transient", "rate_limited");
const cases: [SentenceReport, SentenceSection[], string][] = [
  [{ ...held, status: "pending" }, [], "Queued. Your 5 credits are held, not charged."],
  [{ ...held, status: "running" }, [], "Being planned. Your 5 credits are held, not charged."],
  [
    { ...held, status: "running" },
    [done, skipped, open],
    "Writing, 2 of 3 sections done. Your 5 credits are held, not charged.",
  ],
  [
    { ...held, status: "running" },
    [done, done],
    "All 2 sections written, being put together. Your 5 credits are held, not charged.",
  ],
  [
    { ...held, status: "waiting_for_retry" },
    [waiting(500_000, failure("transient", "timeout")), waiting(118_000, busy), done],
    "Waiting to try again in about 2 min: the provider is busy. Your 5 credits are held, not charged.",
  ],
  [
    { ...held, status: "waiting_for_retry" },
    [waiting(-5, failure("workflow", "key_invalid"))],
    "Waiting to try again now: the way to the provider is closed. Your 5 credits are held, not charged.",
  ],
  [
    { ...held, status: "waiting_for_retry" },
    [waiting(9_000, null)],
    "Waiting to try again in 9 s: the provider is busy. Your 5 credits are held, not charged.",
  ],
  [
    { ...held, status: "waiting_for_retry", postponed: true },
    [done, open],
    "Waiting: reports of this kind are stopped until a fault is repaired. Your 5 credits are held, not charged.",
  ],
  [
    { ...held, status: "needs_review", failure: failure("contract", "schema_mismatch") },
    [done, open],
    "Being checked by our team. Your 5 credits are held, not charged.",
  ],
  [
    {
      ...held,
      status: "needs_review",
      failure: failure("input", "source_invalid", "The field town is empty."),
    },
    [open],
    "Waiting for corrected data: The field town is empty. Your 5 credits are held, not charged.",
  ],
  [{ ...charged, ...delivered, delivery: "full" }, [done], "Ready. 5 credits were charged."],
  [
    { ...charged, ...delivered, delivery: "partial" },
    [done],
    "Ready, with parts missing. 5 credits were charged.",
  ],
  [
    { ...returned, status: "failed", because: "the review was not decided in time" },
    [],
    "Could not be completed: the review was not decided in time. Your 5 credits were returned.",
  ],
  [{ ...returned, status: "cancelled", because: "" }, [], "Cancelled. Your 5 credits were returned."],
];

test.each(cases)(
  "a buyer is told how far it is and what became of the money (%#)",
  (report, sections, text) => {
    expect(statusSentence(report, sections, now)).toBe(text);
  },
);

test("there is a sentence for every status", () => {
  expect(new Set(cases.map(([{ status }]) => status))).toEqual(new Set(REPORT_STATUSES));
});

test("one credit is one credit, and none is said to be none", () => {
  expect(statusSentence({ status: "pending", credits: 1, hold: "reserved" }, [], now)).toBe(
    "Queued. Your 1 credit is held, not charged.",
  );
  expect(statusSentence({ status: "pending", credits: 0, hold: "reserved" }, [], now)).toBe(
    "Queued. It costs no credits.",
  );
});

test("nobody reads that a report failed while credits are held for it", () => {
  for (const [report, sections] of cases) {
    if (report.hold !== "reserved") continue;
    expect(statusSentence(report, sections, now)).not.toMatch(/fail|could not/i);
  }
});
