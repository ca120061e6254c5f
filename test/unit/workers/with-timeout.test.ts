import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { withTimeout } from "../../../src/workers/with-timeout.ts";

const NEVER = () => new Promise<never>(() => undefined);

test("an author's code that never ends is not waited for", async () => {
  await expect(withTimeout(5, new AbortController().signal, "step facts", NEVER)).rejects.toThrow(
    "step facts took longer than 5 ms.",
  );
});

test("an author's code is not begun, let alone waited for, once its section has to stop", async () => {
  let begun = false;
  const late = withTimeout(600_000, AbortSignal.abort(new Error("stopping")), "step facts", () => {
    begun = true;
    return NEVER();
  });
  await expect(late).rejects.toThrow("stopping");
  expect(begun).toBe(false);
}, 2_000);

test("work that has ended is kept by nobody: a worker that lives for months holds no text of its first day", async () => {
  const signals: AbortSignal[] = [];
  const held = new AbortController();
  const work = (signal: AbortSignal): string => {
    signals.push(signal);
    if (signals.length > 1) throw new Error("a mistake");
    return "a text";
  };
  await withTimeout(1_000, held.signal, "It", work);
  await expect(withTimeout(1_000, held.signal, "It", work)).rejects.toThrow("a mistake");
  expect(signals.map((signal) => getEventListeners(signal, "abort").length)).toEqual([0, 0]);
});
