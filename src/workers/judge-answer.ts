/**
 * Whether a recorded answer is what was asked for: the free rungs of the salvage ladder. A stored answer goes the same
 * way as a fresh one, so a fixed parser or schema redeems it at zero tokens.
 */
import { salvage } from "../classifier/salvage.ts";
import type { Answer } from "../domain/call.ts";
import type { Evidence } from "../domain/evidence.ts";
import { checkOutput } from "../report-types/check-output.ts";
import type { OutputContract } from "../report-types/define-report.ts";
import { jsonSchemaOf } from "../report-types/strict-schema.ts";

export type Judged<T> =
  | { ok: true; value: T; salvaged: boolean }
  /** `problems` is what the repair call shows the model. */
  | { ok: false; evidence: Evidence; problems: readonly string[] };

export function judgeAnswer<T>(contract: OutputContract<T>, answer: Answer): Judged<T> {
  if (answer.refusal !== null || answer.text.trim() === "" || answer.finishReason === "content_filter") {
    return poorCompletion(answer);
  }
  return contract.kind === "text" ? judgeText(contract, answer) : judgeJson(contract, answer);
}

function judgeText<T>(contract: OutputContract<T>, answer: Answer): Judged<T> {
  if (answer.finishReason === "length") return poorCompletion(answer);
  const checked = checkOutput(contract, answer.text, answer.finishReason);
  if (checked.ok) return { ok: true, value: checked.value, salvaged: false };
  return {
    ok: false,
    evidence: {
      surface: "domain",
      stage: "parse",
      text: answer.text,
      domain: { code: checked.code, message: checked.message, path: checked.path },
    },
    problems: [`The text ${checked.message}.`],
  };
}

function judgeJson<T>(contract: Extract<OutputContract<T>, { kind: "json" }>, answer: Answer): Judged<T> {
  const schema = jsonSchemaOf(contract);
  const parsed = salvage(answer.text, schema, answer.finishReason);
  if (!parsed.ok) {
    if (answer.finishReason === "length") return poorCompletion(answer);
    return {
      ok: false,
      evidence: { surface: "parse", stage: "parse", text: answer.text, schemaHint: schema },
      problems: [`The answer is not valid JSON: ${parsed.why}.`],
    };
  }
  const checked = checkOutput(contract, parsed.value);
  if (checked.ok) return { ok: true, value: checked.value, salvaged: parsed.repairs.length > 0 };
  if (answer.finishReason === "length") return poorCompletion(answer);
  return {
    ok: false,
    evidence: {
      surface: "domain",
      stage: "parse",
      text: answer.text,
      schemaHint: schema,
      domain: { code: checked.code, message: `${checked.path} ${checked.message}`, path: checked.path },
    },
    problems: checked.problems.map((problem) => `${problem.path} ${problem.message}`),
  };
}

/** Judged by what the provider says of it: refused, filtered, cut, empty. */
function poorCompletion(answer: Answer): Judged<never> {
  const message = { role: "assistant", content: answer.text, refusal: answer.refusal };
  const evidence: Evidence = {
    surface: "completion",
    stage: "generate",
    completion: {
      object: "chat.completion",
      model: answer.model,
      choices: [{ index: 0, message, finish_reason: answer.finishReason }],
      usage: answer.usage,
    },
  };
  return { ok: false, evidence, problems: [] };
}
