/**
 * Asks a model once per call key, however often the section is attempted.
 *
 *     begin ─▶ provider ─▶ record ─▶ judge ─▶ value
 *       │                              └────▶ rejected ─▶ repair, one bounded take more, or stop
 *       └─ an answer is there already: judge it, pay nothing
 *
 * One gap stays open on purpose: a process that dies after the provider answered and before `record` returns pays for
 * that call again. The books carry it as unknown, at the upper estimate; the customer is never charged for it.
 */
import { hash } from "node:crypto";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { ModelConfig } from "../domain/call.ts";
import type { LlmRequest } from "../llm/port.ts";
import type { CallRequest, OutputContract } from "../report-types/define-report.ts";
import { jsonSchemaOf } from "../report-types/strict-schema.ts";
import { answerFor } from "./answer-for.ts";
import { judgeAnswer } from "./judge-answer.ts";
import { longerLimit, repairQuestion } from "./repair-question.ts";
import { offerForReuse, reuseAnswer } from "./reuse-answer.ts";
import { summaryOf, type Session } from "./session.ts";

/** No section needs more takes of one call than its repair budget allows; this bounds a mistake in that budget. */
const MOST_TAKES = 10;

export async function payOnce<T>(
  session: Session,
  call: string,
  request: CallRequest<T>,
  model: ModelConfig,
): Promise<T> {
  const callKey = callKeyOf(session.claim.section, call, request, model);
  return session.oneAtATime(callKey, () => ask(session, call, callKey, request, model));
}

async function ask<T>(
  session: Session,
  call: string,
  callKey: string,
  request: CallRequest<T>,
  model: ModelConfig,
): Promise<T> {
  session.checkMayGoOn();
  const routes = session.workshop.routesOf(model);
  const reused = await reuseAnswer(session, call, callKey, request, model);
  if (reused.reused) return reused.value;
  let question: LlmRequest = {
    messages: request.messages,
    maxOutputTokens: model.maxOutputTokens,
    ...(model.temperature === undefined ? {} : { temperature: model.temperature }),
    ...jsonRequest(request.output),
  };
  let continues = "";
  let rung: Parameters<typeof answerFor>[1]["rung"];

  // A person's resume begins with a later take, and with the whole repair budget again.
  let first = 1;
  for (let take = 1; take < first + MOST_TAKES; take++) {
    session.checkMayGoOn();
    const { promptVersion } = request;
    const reply = await answerFor(session, {
      callKey,
      call,
      promptVersion,
      take,
      routes,
      question,
      continues,
      rung,
    });
    take = reply.take;
    first = reply.first;

    const judged = judgeAnswer(request.output, reply.answer);
    if (judged.ok) {
      if (reply.state !== "accepted") {
        session.settle({ callKey, call, take, verdict: { accepted: true, salvaged: judged.salvaged } });
        await offerForReuse(session, call, request, model, reply.answer);
      }
      session.used.add(callKey);
      return judged.value;
    }

    const { failure, verdict } = session.judge(judged.evidence, {
      answer: {
        finishReason: reply.answer.finishReason,
        contract: request.output.kind,
        canAskLonger: longerLimit(question, routes) > question.maxOutputTokens,
      },
      repairsTried: take - first,
      judgedBefore: reply.state === "rejected",
    });
    if (reply.state === "open") {
      session.settle({ callKey, call, take, verdict: { accepted: false, failure: summaryOf(failure) } });
    }
    if (verdict.verdict !== "repair") session.stopWith({ stop: "failed", failure, verdict });
    rung = verdict.rung;
    continues = rung === "continue" ? reply.answer.text : "";
    question = repairQuestion(rung, request, question, reply.answer, judged.problems, routes);
  }
  throw new Error(
    `Call ${callKey} of ${session.claim.report} reached ${MOST_TAKES} takes; its repair budget is broken.`,
  );
}

/** Who answers and what the schema is are recorded, not part of the key: another route or schema does not ask again. */
export function callKeyOf(
  section: string,
  call: string,
  request: CallRequest<unknown>,
  model: ModelConfig,
): string {
  const asked = canonicalJson({ promptVersion: request.promptVersion, messages: request.messages, model });
  return `${section}/${call}/${hash("sha256", asked).slice(0, 16)}`;
}

function jsonRequest(output: OutputContract<unknown>): Pick<LlmRequest, "json"> {
  return output.kind === "json" ? { json: { name: output.name, schema: jsonSchemaOf(output) } } : {};
}
