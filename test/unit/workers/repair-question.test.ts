import { expect, test } from "vitest";
import type { Message } from "../../../src/domain/call.ts";
import { json } from "../../../src/report-types/define-report.ts";
import { continued, repairQuestion } from "../../../src/workers/repair-question.ts";
import { z } from "zod";
import { anAnswer } from "../../support/an-answer.ts";

const messages: Message[] = [{ role: "user", content: "List the findings." }];
const request = { promptVersion: "1", output: json("findings", z.object({})), messages };

function repairOf(text: string): readonly Message[] {
  const question = { messages, maxOutputTokens: 100 };
  return repairQuestion("repair", request, question, anAnswer({ text }), ["$.a is missing"], []).messages;
}

test("an invalid answer is shown to the model with what is wrong; a flood is not paid for again as input", () => {
  expect(repairOf('{"b":1}').map(({ content }) => content)).toEqual([
    "List the findings.",
    '{"b":1}',
    expect.stringContaining("$.a is missing"),
  ]);
  expect(repairOf("[{".repeat(10_000))).toEqual(messages);
});

test("a cut text that nothing continues is as cut as before, whatever the provider calls it", () => {
  expect(continued("It begins well and", anAnswer({ text: " ends well." }))).toMatchObject({
    text: "It begins well and ends well.",
    finishReason: "stop",
  });
  expect(continued("It begins well and", anAnswer({ text: " \n" }))).toMatchObject({
    finishReason: "length",
  });
});
