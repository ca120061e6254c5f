/** What a team imports to define its report types and to order reports from its own services. */
export { defineReport, defineSection, json, text } from "./report-types/define-report.ts";
export type {
  AssembledReport,
  AssembleInput,
  CallRequest,
  OutputContract,
  PlannedSections,
  PlannedWith,
  PromptedSection,
  ReportDefinition,
  ReportType,
  SectionContext,
  SectionDefinition,
  SectionInput,
  StepOptions,
  WrittenSection,
} from "./report-types/define-report.ts";
export { Critique, refine } from "./report-types/refine.ts";
export { nestHeadings } from "./report-types/nest-headings.ts";
export { escapeMarkdown, tableMarkdown } from "./report-types/table-markdown.ts";
export { FleetError, isFleetError } from "./domain/fleet-error.ts";
export type { FleetErrorCode } from "./domain/fleet-error.ts";
export type { Message, ModelConfig } from "./domain/call.ts";
export type { RetryStrategy } from "./domain/failure.ts";
