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
  if (!parsed.ok && answer.finishReason === "length") return poorCompletion(answer);
  // JSON of another shape, which salvage leaves alone: only the contract can say where it breaks.
  const read = parsed.ok ? parsed : strictly(answer.text);
  const checked = read === null ? null : checkOutput(contract, read.value);
  if (parsed.ok && checked?.ok === true)
    return { ok: true, value: checked.value, salvaged: parsed.repairs.length > 0 };
  if (answer.finishReason === "length") return poorCompletion(answer);
  const evidence = { surface: "parse", stage: "parse", text: answer.text, schemaHint: schema } as const;
  if (checked === null || checked.ok) {
    const why = parsed.ok ? "" : `: ${parsed.why}`;
    return { ok: false, evidence, problems: [`The answer is not valid JSON${why}.`] };
  }
  const { code, path, message, problems } = checked;
  return {
    ok: false,
    evidence: { ...evidence, surface: "domain", domain: { code, message: `${path} ${message}`, path } },
    problems: problems.map((problem) => `${problem.path} ${problem.message}`),
  };
}

function strictly(text: string): { value: unknown } | null {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return null;
  }
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
