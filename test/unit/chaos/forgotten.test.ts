import { expect, test } from "vitest";
import { fellInto } from "../../chaos/checker/forgotten.ts";
import type { ProviderRow } from "../../chaos/witnesses.ts";

const ASKED: ProviderRow = {
  n: 1,
  at: 1_000,
  bookedAt: 1_400,
  askedBy: "w1.1",
  model: "simulated-writer",
  promptHash: "",
  marker: "stairs/body/draft/1",
  stream: false,
  outcome: "answered",
  billed: true,
  inputTokens: 1,
  outputTokens: 1,
  micros: 1,
};

test("the judge looks for what a failover forgot until the last piece of an answer has come", () => {
  const spans = [{ from: 2_000, to: 2_300 }];
  expect(fellInto(ASKED, spans)).toBe(false);
  expect(fellInto({ ...ASKED, bookedAt: 2_100 }, spans)).toBe(true);
  // Booked before its first piece left.
  expect(fellInto({ ...ASKED, outcome: "slow_drip" }, spans)).toBe(true);
});
