/** Who writes a section: a prompt, a `write` function, or the plan of a type whose sections depend on the order. */
import { z } from "zod";
import type { ModelConfig } from "../domain/call.ts";
import type { RetryStrategy } from "../domain/failure.ts";
import { PLANNING, type PlannedSection } from "../domain/report.ts";
import type {
  OutputContract,
  ReportType,
  SectionContext,
  SectionDefinition,
} from "../report-types/define-report.ts";
import { definitionsOf, isDynamic } from "../report-types/plan.ts";

export interface Author {
  planned: PlannedSection;
  model: Partial<ModelConfig> | undefined;
  retries: number | Partial<RetryStrategy> | undefined;
  output: OutputContract<unknown>;
  write(context: SectionContext<unknown, unknown>): Promise<unknown>;
}

/** Null where this version of the type has no such section. */
export function authorOf(
  type: ReportType,
  plan: readonly PlannedSection[] | null,
  key: string,
): Author | null {
  if (isDynamic(type) && key === PLANNING.key) return plannerOf(type.sections, type);
  const planned = plan?.find((section) => section.key === key);
  const definition = definitionsOf(type).find((one) => one.key === planned?.template);
  if (planned === undefined || definition === undefined) return null;
  return {
    planned,
    model: layered(type.model, definition.model),
    retries: definition.retries,
    output: definition.output as OutputContract<unknown>,
    write: (context) => writeWith(definition, context),
  };
}

async function writeWith(
  definition: SectionDefinition<unknown, unknown>,
  context: SectionContext<unknown, unknown>,
): Promise<unknown> {
  if ("write" in definition) return definition.write(context);
  return context.call("draft", {
    promptVersion: definition.promptVersion,
    messages: definition.prompt(context),
    output: definition.output,
    ...(definition.cache === undefined ? {} : { cache: definition.cache }),
  });
}

function plannerOf(sections: Extract<ReportType["sections"], { plan: unknown }>, type: ReportType): Author {
  return {
    planned: PLANNING,
    model: type.model,
    retries: undefined,
    // Its bounds are checked where the plan is bound to the report.
    output: { kind: "json", name: "plan", schema: z.array(z.unknown()) },
    write: async (context) => sections.plan(context),
  };
}

function layered(
  type: Partial<ModelConfig> | undefined,
  section: Partial<ModelConfig> | undefined,
): Partial<ModelConfig> {
  return { ...type, ...section };
}
