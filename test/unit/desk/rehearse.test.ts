import { expect, test } from "vitest";
import { rehearse, type Shelf } from "../../../src/desk/rehearse.ts";
import type { AskedQuestion } from "../../../src/store/cases.ts";
import { text } from "../../../src/report-types/define-report.ts";
import type { Author } from "../../../src/workers/section-author.ts";

const PLANNED = { key: "body", title: "Body", weight: 1, after: [], template: "body", params: null };
const INPUT = {
  report: { id: "rp-1" as const, type: "topic" },
  source: {},
  facts: {},
  section: { key: "body", title: "Body", params: null },
  sections: {},
};
const EMPTY: Shelf = {
  take: async () => null,
  step: async () => ({ found: false }),
};

function anAuthor(write: Author["write"]): Author {
  return { planned: PLANNED, model: undefined, retries: undefined, output: text({ minChars: 1 }), write };
}

test("a section whose code never ends is said to have failed, with the limit it passed", async () => {
  const walk = await rehearse(
    anAuthor(() => new Promise<never>(() => undefined)),
    INPUT,
    EMPTY,
    { limitMs: 5 },
  );
  expect(walk).toMatchObject({
    outcome: "failed",
    failure: {
      kind: "workflow",
      code: "author_code_failed",
      message: "writing section body took longer than 5 ms.",
    },
  });
});

test("a store that does not answer is not held against the author", async () => {
  const silent: Shelf = { ...EMPTY, step: () => new Promise<never>(() => undefined) };
  const walking = rehearse(
    anAuthor((context) => context.step("facts", {}, () => Promise.resolve(1))),
    INPUT,
    silent,
    { limitMs: 5 },
  );
  await expect(walking).rejects.toThrow("took longer than 5 ms");
});

const ask: Author["write"] = (context) =>
  context.call("draft", {
    promptVersion: "2",
    output: text({ minChars: 1 }),
    messages: [{ role: "user", content: "As today's code says it." }],
  });

test("a stored question that a person chose stands in for what today's code renders", async () => {
  const pinned: AskedQuestion = {
    call: "draft",
    callKey: "body/draft/stored",
    promptVersion: "1",
    messages: [{ role: "user", content: "As it was asked." }],
    model: { model: "default", maxOutputTokens: 100 },
  };
  const [today, stored] = [
    await rehearse(anAuthor(ask), INPUT, EMPTY),
    await rehearse(anAuthor(ask), INPUT, EMPTY, { pinned }),
  ];
  expect(today.calls).toMatchObject([{ promptVersion: "2", outcome: "paid" }]);
  expect(stored.calls).toMatchObject([{ promptVersion: "1", outcome: "paid" }]);
  expect(stored.calls[0]?.callKey).not.toBe(today.calls[0]?.callKey);
});
