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
import { createHash, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { Answer, Message, ModelConfig } from "../domain/call.ts";
import type { RepairRung } from "../domain/failure.ts";
import { formatUsd } from "../domain/ids.ts";
import type { LlmRequest, Route } from "../llm/port.ts";
import { estimateMicros } from "../llm/prices.ts";
import { estimateTokens } from "../llm/token-estimate.ts";
import type { CallRequest, OutputContract } from "../report-types/define-report.ts";
import { jsonSchemaOf } from "../report-types/strict-schema.ts";
import { beginCall, closeRoute, concludeUnanswered, recordAnswer, type Asking } from "../store/calls.ts";
import { judgeAnswer, type Judged } from "./judge-answer.ts";
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
  const route = session.workshop.routeOf(model);
  const callKey = callKeyOf(session.claim.section, call, request, model);
  const reused = await reuseAnswer(session, call, callKey, request, model);
  if (reused.reused) return reused.value;
  let question: LlmRequest = {
    messages: request.messages,
    maxOutputTokens: model.maxOutputTokens,
    ...(model.temperature === undefined ? {} : { temperature: model.temperature }),
    ...jsonRequest(request.output),
  };
  let partBefore = "";

  for (let take = 1; take <= MOST_TAKES; take++) {
    session.checkMayGoOn();
    const reply = await answerFor(session, { callKey, call, take, route, question, partBefore });
    take = reply.take;

    const judged = judgeAnswer(request.output, reply.answer);
    if (judged.ok) {
      if (reply.state !== "accepted") {
        session.settle({ callKey, call, take, verdict: { accepted: true, salvaged: judged.salvaged } });
        await offerForReuse(session, call, request, model, reply.answer);
      }
      return judged.value;
    }

    const { failure, verdict } = session.judge(judged.evidence, {
      answer: {
        finishReason: reply.answer.finishReason,
        contract: request.output.kind,
        canAskLonger: longerLimit(question, route) > question.maxOutputTokens,
      },
      repairsTried: take - 1,
      judgedBefore: reply.state === "rejected",
    });
    if (reply.state === "open")
      session.settle({ callKey, call, take, verdict: { accepted: false, failure: summaryOf(failure) } });
    if (verdict.verdict !== "repair") session.stopWith({ stop: "failed", failure, verdict });
    partBefore = verdict.rung === "continue" ? reply.answer.text : "";
    question = repairQuestion(verdict.rung, request, question, reply.answer, judged, route);
  }
  throw new Error(
    `Call ${callKey} of ${session.claim.report} reached ${MOST_TAKES} takes; its repair budget is broken.`,
  );
}

interface Wanted {
  callKey: string;
  call: string;
  take: number;
  route: Route;
  question: LlmRequest;
  /** What a continued answer continues; empty otherwise. */
  partBefore: string;
}

interface Reply {
  answer: Answer;
  take: number;
  state: "open" | "accepted" | "rejected";
}

/** The answer to a take: from its checkpoint if there is one, else from the provider, once. */
async function answerFor(session: Session, wanted: Wanted): Promise<Reply> {
  const { store, llm } = session.workshop;
  const { route, question } = wanted;
  const asking: Asking = {
    callKey: wanted.callKey,
    call: wanted.call,
    take: wanted.take,
    askId: randomUUID(),
    route: route.id,
    estimateMicros: estimateMicros(route.price, estimateTokens(question.messages), question.maxOutputTokens),
  };
  const begun = await beginCall(store, session.claim, asking, session.takeSettlements());
  switch (begun.outcome) {
    case "go":
      asking.take = begun.take;
      break;
    case "checkpoint":
      return { answer: begun.answer, take: begun.take, state: begun.state };
    case "wait":
      return session.stopWith({
        stop: "wait",
        afterMs: begun.afterMs,
        because: `route ${route.id} is closed`,
      });
    case "superseded":
      return session.stopWith({ stop: "superseded" });
    case "stopped":
      return session.stopWith({ stop: "halted" });
    case "over_budget": {
      const spent = `${formatUsd(begun.spentMicros)} of ${formatUsd(begun.budgetMicros)} is spent and this call may cost ${formatUsd(asking.estimateMicros)}`;
      return fail(session, {
        surface: "domain",
        stage: "generate",
        domain: { code: "budget_exceeded", message: `The report's budget would be exceeded: ${spent}.` },
      });
    }
    case "damaged":
      return fail(session, {
        surface: "domain",
        stage: "load",
        domain: {
          code: "checkpoint_damaged",
          message: `The stored answer of ${wanted.callKey} is damaged: ${begun.because}.`,
        },
      });
  }

  const asked = await llm.ask(route, question, session.control.signal);
  if (asked.outcome === "failed") {
    const { failure, verdict } = session.judge(asked.evidence, {
      unknownBilling: asked.billing === "unknown",
    });
    await savePatiently(session, () =>
      concludeUnanswered(store, session.claim, asking, asked.billing, summaryOf(failure)),
    );
    if (session.control.signal.aborted)
      session.stopWith({ stop: "hand_on", because: "the grace period is over" });
    if (verdict.verdict === "wait") await closeRoute(store, route.id, verdict.afterMs);
    return session.stopWith({ stop: "failed", failure, verdict });
  }

  const answer =
    wanted.partBefore === ""
      ? asked.answer
      : { ...asked.answer, text: joinContinued(wanted.partBefore, asked.answer.text) };
  const recorded = await savePatiently(session, () => recordAnswer(store, session.claim, asking, answer));
  if (recorded.outcome === "erased") session.stopWith({ stop: "superseded" });
  // Another answer to this very take came first and counts; ours is booked as a duplicate.
  if (recorded.outcome === "duplicate" && recorded.winner !== null)
    return { answer: recorded.winner, take: asking.take, state: "open" };
  return { answer, take: asking.take, state: "open" };
}

function fail(session: Session, evidence: Parameters<Session["judge"]>[0]): never {
  const { failure, verdict } = session.judge(evidence);
  return session.stopWith({ stop: "failed", failure, verdict });
}

/** A paid answer is never given up because the store is away for a while; only the end of the process ends this. */
async function savePatiently<R>(session: Session, save: () => Promise<R>): Promise<R> {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5_000)) {
    try {
      return await save();
    } catch (error) {
      if (session.control.signal.aborted) throw error;
      await pause(waitMs);
    }
  }
}

/** Who answers and what the schema is are recorded, not part of the key: another route or schema does not ask again. */
function callKeyOf(section: string, call: string, request: CallRequest<unknown>, model: ModelConfig): string {
  const asked = canonicalJson({ promptVersion: request.promptVersion, messages: request.messages, model });
  return `${section}/${call}/${createHash("sha256").update(asked).digest("hex").slice(0, 16)}`;
}

function jsonRequest(output: OutputContract<unknown>): Pick<LlmRequest, "json"> {
  return output.kind === "json" ? { json: { name: output.name, schema: jsonSchemaOf(output) } } : {};
}

function longerLimit(question: LlmRequest, route: Route): number {
  return Math.min(question.maxOutputTokens * 2, route.price.maxOutputTokens ?? Number.POSITIVE_INFINITY);
}

/** The paid rungs: what the next take asks. */
function repairQuestion<T>(
  rung: RepairRung,
  request: CallRequest<T>,
  question: LlmRequest,
  answer: Answer,
  judged: Extract<Judged<T>, { ok: false }>,
  route: Route,
): LlmRequest {
  const said: Message = { role: "assistant", content: answer.text };
  switch (rung) {
    case "continue":
      return {
        ...question,
        messages: [
          ...request.messages,
          said,
          {
            role: "user",
            content:
              "Your text was cut off. Go on exactly where it stops, without repeating anything and without a preamble.",
          },
        ],
      };
    case "longer":
      return { ...question, messages: request.messages, maxOutputTokens: longerLimit(question, route) };
    case "repair": {
      const problems = judged.problems.map((problem) => `- ${problem}`).join("\n");
      const content = `That answer cannot be used:\n${problems}\nSend the whole answer again with these problems corrected and nothing else changed.`;
      return { ...question, messages: [...request.messages, said, { role: "user", content }] };
    }
  }
}

/** How much of the end of the first part a continuation may repeat. */
const LONGEST_OVERLAP = 400;

/** Joins a cut text and its continuation; a repeated stretch is taken once. */
export function joinContinued(before: string, after: string): string {
  for (let length = Math.min(LONGEST_OVERLAP, before.length, after.length); length >= 12; length--) {
    if (before.endsWith(after.slice(0, length))) return before + after.slice(length);
  }
  return before + after;
}
