import { describe, expect, test } from "vitest";
import type { CallRequest, SectionContext } from "../../../src/report-types/define-report.ts";
import { lintReportType } from "../../../src/report-types/lint.ts";
import { refine } from "../../../src/report-types/refine.ts";
import type { Critique, RefineOptions } from "../../../src/report-types/refine.ts";
import { aReportType } from "./a-report-type.ts";

interface Order {
  topic: string;
}

/**
 * A section context by hand: a critic that gives one score after the other (`gives_up` for the one it cannot give), a
 * writer that numbers its drafts, and a list of what was paid.
 */
function aContext(
  scores: readonly (number | "gives_up" | Error)[],
  writerFails?: { at: string; with: Error },
) {
  const paid: string[] = [];
  const asked = new Map<string, CallRequest<unknown>>();
  const unreviewed: string[] = [];
  let drafts = 0;
  let critiques = 0;

  function answer(name: string, request: CallRequest<unknown>): unknown {
    paid.push(name);
    asked.set(name, request);
    if (writerFails?.at === name) throw writerFails.with;
    if (!name.startsWith("critique")) {
      drafts += 1;
      return `draft ${drafts}`;
    }
    const score = scores[critiques];
    critiques += 1;
    if (score instanceof Error) throw score;
    if (score === undefined)
      throw new Error(`the critic was asked ${critiques} times, which the test did not expect`);
    if (score === "gives_up") return undefined;
    const critique: Critique = {
      score,
      strengths: ["clear"],
      improvements: ["more figures"],
      summary: "Fair.",
    };
    return critique;
  }

  const context: SectionContext<Order, undefined> = {
    report: { id: "rp-0000000000000000000000001", type: "essay" },
    source: { topic: "rivers" },
    facts: undefined,
    section: { key: "body", title: "Body", params: null },
    sections: {},
    call: async <T>(name: string, request: CallRequest<T>) => answer(name, request) as T,
    callOrGiveUp: async <T>(name: string, request: CallRequest<T>) => answer(name, request) as T | undefined,
    step: () => Promise.reject(new Error("refine takes no steps")),
    markUnreviewed: (because) => unreviewed.push(because),
    signal: new AbortController().signal,
  };
  return { context, paid, asked, unreviewed };
}

const draft: RefineOptions<Order, undefined>["draft"] = {
  promptVersion: "7",
  prompt: ({ source }) => [{ role: "user", content: `Write about ${source.topic}.` }],
};

describe("the loop ends", () => {
  test.each<[string, number[], string, string[]]>([
    ["at the first draft that reaches the score", [8], "draft 1", ["draft", "critique-1"]],
    [
      "at the revision that reaches the score",
      [6, 9],
      "draft 2",
      ["draft", "critique-1", "revise-1", "critique-2"],
    ],
    [
      "on a plateau, with the earlier draft",
      [6, 6],
      "draft 1",
      ["draft", "critique-1", "revise-1", "critique-2"],
    ],
    [
      "when a revision is worse, with the better draft",
      [5, 7, 4],
      "draft 2",
      ["draft", "critique-1", "revise-1", "critique-2", "revise-2", "critique-3"],
    ],
    [
      "when the rounds are used up, with the best draft and no revision that nobody would judge",
      [4, 5, 6],
      "draft 3",
      ["draft", "critique-1", "revise-1", "critique-2", "revise-2", "critique-3"],
    ],
  ])("%s", async (_, scores, delivered, calls) => {
    const { context, paid, unreviewed } = aContext(scores);
    expect(await refine<Order>({ draft }).write(context)).toBe(delivered);
    expect(paid).toEqual(calls);
    expect(unreviewed).toEqual([]);
  });
});

test("an author decides how good is good enough and how many rounds are paid", async () => {
  const strict = aContext([8, 9, 10]);
  await refine<Order>({ draft, score: 10 }).write(strict.context);
  expect(strict.paid.filter((name) => name.startsWith("critique"))).toHaveLength(3);

  const single = aContext([3]);
  expect(await refine<Order>({ draft, rounds: 1 }).write(single.context)).toBe("draft 1");
  expect(single.paid).toEqual(["draft", "critique-1"]);
});

describe("when the critic gives up, the customer gets", () => {
  test("the first draft, marked as unreviewed", async () => {
    const { context, unreviewed } = aContext(["gives_up"]);
    expect(await refine<Order>({ draft }).write(context)).toBe("draft 1");
    expect(unreviewed).toEqual(["the critic gave no usable answer; this is the first draft"]);
  });

  test("the best draft that was judged, not the revision nobody saw", async () => {
    const { context, unreviewed } = aContext([5, "gives_up"]);
    expect(await refine<Order>({ draft }).write(context)).toBe("draft 1");
    expect(unreviewed).toEqual(["the critic gave no usable answer in round 2; this is draft 1, scored 5"]);
  });
});

describe("no failure is swallowed:", () => {
  test("a draft that cannot be had fails the section", async () => {
    const failure = new Error("the provider is out of quota");
    const { context, paid } = aContext([], { at: "draft", with: failure });
    await expect(refine<Order>({ draft }).write(context)).rejects.toBe(failure);
    expect(paid).toEqual(["draft"]);
  });

  test("a revision that cannot be had fails the section, though a draft is there", async () => {
    const failure = new Error("malformed twice");
    const { context, unreviewed } = aContext([5], { at: "revise-1", with: failure });
    await expect(refine<Order>({ draft }).write(context)).rejects.toBe(failure);
    expect(unreviewed).toEqual([]);
  });

  test("a critic that fails for another reason than giving up fails the section", async () => {
    const failure = new Error("the key is wrong");
    const { context, unreviewed } = aContext([failure]);
    await expect(refine<Order>({ draft }).write(context)).rejects.toBe(failure);
    expect(unreviewed).toEqual([]);
  });
});

test("the critic judges against the assignment, and the writer sees what the critic said", async () => {
  const { context, asked } = aContext([5, 9]);
  await refine<Order>({ draft }).write(context);
  const critic = asked.get("critique-2")?.messages.at(-1)?.content ?? "";
  expect(critic).toContain("Write about rivers.");
  expect(critic).toContain("<draft>\ndraft 2\n</draft>");
  const writer = asked.get("revise-1")?.messages.at(-1)?.content ?? "";
  expect(writer).toContain("<draft>\ndraft 1\n</draft>");
  expect(writer).toContain("- more figures");
  expect(asked.get("critique-1")?.output.kind).toBe("json");
});

test("a refined section passes the boot lint and names the versions and models it pays for", () => {
  const section = {
    key: "body",
    title: "Body",
    ...refine<Order>({ draft, model: { model: "writer" }, criticModel: { model: "critic" } }),
  };
  expect(section.promptVersions).toEqual(["7", "refine-critic-1", "refine-reviser-1"]);
  expect(section.models).toEqual(["writer", "critic"]);
  expect(section.estimate.calls).toBe(6);
  const type = aReportType({ sections: [section as never] });
  expect(lintReportType(type, { priceKnown: () => true })).toEqual([]);
});

test.each([{ rounds: 0 }, { rounds: 2.5 }, { score: 11 }])(
  "an author who asks for %o is told at once",
  (options) => {
    expect(() => refine<Order>({ draft, ...options })).toThrow(RangeError);
  },
);
