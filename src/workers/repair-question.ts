/** The paid rungs of the salvage ladder: what the next take of a call asks. */
import type { Answer, Message } from "../domain/call.ts";
import type { RepairRung } from "../domain/failure.ts";
import type { LlmRequest, Route } from "../llm/port.ts";
import type { CallRequest } from "../report-types/define-report.ts";

export function repairQuestion(
  rung: RepairRung,
  request: CallRequest<unknown>,
  question: LlmRequest,
  answer: Answer,
  problems: readonly string[],
  routes: readonly Route[],
): LlmRequest {
  const said: Message = { role: "assistant", content: answer.text };
  switch (rung) {
    case "continue":
      return asking(
        question,
        request,
        said,
        "Your text was cut off. Go on exactly where it stops, without repeating anything and without a preamble.",
      );
    case "longer":
      return { ...question, messages: request.messages, maxOutputTokens: longerLimit(question, routes) };
    case "repair": {
      const list = problems.map((problem) => `- ${problem}`).join("\n");
      const wrong = list === "" ? "That answer cannot be used." : `That answer cannot be used:\n${list}`;
      // A refused or empty answer has nothing to show, and a flood is not paid for again as input: the question is put once more.
      if (answer.text.trim() === "" || isFlood(answer.text, question))
        return { ...question, messages: request.messages };
      return asking(
        question,
        request,
        said,
        `${wrong}\nSend the whole answer again with these problems corrected and nothing else changed.`,
      );
    }
  }
}

/** More than the model was allowed to write. A token is seldom longer than eight characters. */
function isFlood(text: string, { maxOutputTokens }: LlmRequest): boolean {
  return text.length > maxOutputTokens * 16;
}

/** Twice the limit, as far as every route that may answer allows it. */
export function longerLimit(question: LlmRequest, routes: readonly Route[]): number {
  const limits = routes.map((route) => route.price.maxOutputTokens ?? Number.POSITIVE_INFINITY);
  return Math.min(question.maxOutputTokens * 2, ...limits);
}

function asking(
  question: LlmRequest,
  request: CallRequest<unknown>,
  said: Message,
  content: string,
): LlmRequest {
  return { ...question, messages: [...request.messages, said, { role: "user", content }] };
}

/** A continuation that repeats less than this by chance does not overlap. */
const SHORTEST_OVERLAP = 12;
const LONGEST_OVERLAP = 400;

/** The whole of a cut text and what continues it. Where nothing came, it is as cut as before, whatever the finish is called. */
export function continued(before: string, answer: Answer): Answer {
  const isNothing = answer.text.trim() === "";
  return {
    ...answer,
    text: joinContinued(before, answer.text),
    finishReason: isNothing ? "length" : answer.finishReason,
  };
}

/** A repeated stretch is taken once. */
function joinContinued(before: string, after: string): string {
  for (
    let length = Math.min(LONGEST_OVERLAP, before.length, after.length);
    length >= SHORTEST_OVERLAP;
    length--
  ) {
    if (before.endsWith(after.slice(0, length))) return before + after.slice(length);
  }
  return before + after;
}
