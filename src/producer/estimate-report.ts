/**
 * What a report may cost at most, before anything is asked: every answer at its limit, nothing cached, no retries and
 * no repairs. The report's budget is the bound that holds whatever happens; this is the number to expect less than.
 */
import type { Message } from "../domain/call.ts";
import type { MicroUsd } from "../domain/ids.ts";
import type { Models } from "../llm/models.ts";
import { estimateMicros } from "../llm/prices.ts";
import { estimateTokens } from "../llm/token-estimate.ts";
import type { ReportType, SectionDefinition, SectionInput } from "../report-types/define-report.ts";
import { modelConfig } from "../report-types/model-config.ts";
import { definitionsOf, isDynamic } from "../report-types/plan.ts";

export interface SectionEstimate {
  key: string;
  title: string;
  after: readonly string[];
  model: string;
  calls: number;
  inputTokens: number;
  outputTokens: number;
  micros: MicroUsd;
  /** Its first prompt, where that can be known before anything was written. */
  prompt: readonly Message[] | null;
  /** Why there is no prompt or no better number. */
  note: string | null;
}

export interface ReportEstimate {
  sections: SectionEstimate[];
  micros: MicroUsd;
  /** False where a section gives no estimate; then the budget is the only bound. */
  complete: boolean;
}

export function estimateReport(
  type: ReportType,
  material: { source: unknown; facts: unknown },
  models: Models,
): ReportEstimate {
  const definitions = definitionsOf(type);
  const sections = definitions.map((section) =>
    sectionEstimate(type, section, definitions, material, models),
  );
  const known = sections.every(({ calls }) => calls > 0);
  return {
    sections,
    micros: sections.reduce((sum, { micros }) => sum + micros, 0),
    complete: known && !isDynamic(type),
  };
}

function sectionEstimate(
  type: ReportType,
  section: SectionDefinition<unknown, unknown>,
  all: readonly SectionDefinition<unknown, unknown>[],
  material: { source: unknown; facts: unknown },
  models: Models,
): SectionEstimate {
  const model = modelConfig(type.model, section.model);
  const { key, title, after = [] } = section;
  const of = { key, title, after, model: model.model };
  const { price } = models.routeOf(model);

  if (!("prompt" in section)) {
    const { estimate } = section;
    const note = "makes its calls itself, so its prompts are not known beforehand";
    if (estimate === undefined)
      return { ...of, calls: 0, inputTokens: 0, outputTokens: 0, micros: 0, prompt: null, note };
    const { calls, inputTokens, outputTokens } = estimate;
    // Its calls may use any of its models; the dearest counts.
    const prices = [model.model, ...(section.models ?? [])].map(
      (name) => models.routeOf({ model: name }).price,
    );
    const micros = Math.max(...prices.map((one) => estimateMicros(one, inputTokens, outputTokens)));
    return { ...of, calls, inputTokens, outputTokens, micros, prompt: null, note };
  }

  const reads = all.filter((one) => after.includes(one.key));
  // What it reads is not written yet; each text it reads may be as long as its own limit allows.
  const readTokens = reads.reduce((sum, one) => sum + modelConfig(type.model, one.model).maxOutputTokens, 0);
  const prompt = firstPrompt(type, section, material);
  const promptTokens = prompt === null ? model.maxOutputTokens : estimateTokens(prompt);
  const inputTokens = promptTokens + readTokens;
  return {
    ...of,
    calls: 1,
    inputTokens,
    outputTokens: model.maxOutputTokens,
    micros: estimateMicros(price, inputTokens, model.maxOutputTokens),
    prompt: after.length === 0 ? prompt : null,
    note: noteOf(type, after, prompt),
  };
}

function noteOf(
  type: ReportType,
  after: readonly string[],
  prompt: readonly Message[] | null,
): string | null {
  if (after.length > 0) return `is asked after ${after.join(", ")}, whose texts it reads`;
  if (isDynamic(type))
    return "is a template; the plan decides how often it is used and with which parameters";
  return prompt === null ? "its prompt needs texts that are not written yet" : null;
}

function firstPrompt(
  type: ReportType,
  section: Extract<SectionDefinition<unknown, unknown>, { promptVersion: string }>,
  material: { source: unknown; facts: unknown },
): readonly Message[] | null {
  const input: SectionInput<unknown, unknown> = {
    report: { id: "rp-0000000000000000000000000", type: type.type },
    ...material,
    section: { key: section.key, title: section.title, params: null },
    sections: {},
  };
  const needsMore = (section.after ?? []).length > 0 || isDynamic(type);
  try {
    return section.prompt(input);
  } catch (error) {
    // Without the texts or parameters it reads, a prompt may well fail; with everything there, that is a fault to show.
    if (needsMore) return null;
    throw error;
  }
}
