/**
 * A span for each request to a model, by OpenTelemetry's conventions for generative AI. Those are still in development,
 * so their names stand in this file only. Prompts and answers are left out unless a team asks for them by name.
 */
import type { Message } from "../domain/call.ts";
import type { Asked, Llm, LlmRequest, Route } from "../llm/port.ts";
import { inSpan, isTracing, type Attributes } from "../observability/tracing.ts";

export function traceCalls(llm: Llm, { content }: { content: boolean }): Llm {
  function traced(...[route, request, signal]: Parameters<Llm["ask"]>): Promise<Asked> {
    return inSpan(
      `chat ${route.model}`,
      { ...requestAttributes(route, request), ...(content ? promptAttributes(request.messages) : {}) },
      async (note) => {
        const asked = await llm.ask(route, request, signal);
        note(outcomeAttributes(asked));
        if (content && asked.outcome === "answered") note(answerAttributes(asked.answer.text));
        return asked;
      },
      "client",
    );
  }
  // Where nobody listens, not even the attributes are made.
  return { ask: (...call) => (isTracing() ? traced(...call) : llm.ask(...call)) };
}

function requestAttributes(route: Route, request: LlmRequest): Attributes {
  return {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": route.provider ?? "openai",
    "gen_ai.request.model": route.model,
    "gen_ai.request.max_tokens": request.maxOutputTokens,
    ...(request.temperature === undefined ? {} : { "gen_ai.request.temperature": request.temperature }),
    "gen_ai.output.type": request.json === undefined ? "text" : "json",
    "server.address": new URL(route.baseUrl).hostname,
    "report_fleet.route": route.id,
  };
}

/** An unbilled refusal and a lost answer differ by money, and money is on the span. */
function outcomeAttributes(asked: Asked): Attributes {
  if (asked.outcome === "failed") {
    const { evidence, billing } = asked;
    const status = evidence.http?.status;
    const type = status === undefined ? (evidence.node?.code ?? evidence.surface) : status;
    return { "error.type": String(type), "report_fleet.billing": billing };
  }
  const { model, finishReason, requestId, tokens, micros, exact } = asked.answer;
  return {
    "gen_ai.response.model": model,
    ...(requestId === null ? {} : { "gen_ai.response.id": requestId }),
    ...(finishReason === null ? {} : { "gen_ai.response.finish_reasons": [finishReason] }),
    ...(tokens === null
      ? {}
      : {
          "gen_ai.usage.input_tokens": tokens.inputTokens,
          "gen_ai.usage.cache_read.input_tokens": tokens.cachedInputTokens,
          "gen_ai.usage.output_tokens": tokens.outputTokens,
          "gen_ai.usage.reasoning.output_tokens": tokens.reasoningTokens,
        }),
    "report_fleet.spend_micros": micros,
    "report_fleet.spend_exact": exact,
  };
}

function promptAttributes(messages: readonly Message[]): Attributes {
  return {
    "gen_ai.input.messages": JSON.stringify(
      messages.map(({ role, content }) => ({ role, parts: [{ type: "text", content }] })),
    ),
  };
}

function answerAttributes(text: string): Attributes {
  return {
    "gen_ai.output.messages": JSON.stringify([
      { role: "assistant", parts: [{ type: "text", content: text }] },
    ]),
  };
}
