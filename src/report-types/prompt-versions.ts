/** Which prompt versions a report type uses now, by section or template. */
import type { ReportType, SectionDefinition } from "./define-report.ts";

export interface PromptVersion {
  section: string;
  version: string;
}

/** Where a plan makes calls of its own, they count under this name. */
const PLAN = "plan";

export function promptVersionsOf(type: ReportType): PromptVersion[] {
  const { sections } = type;
  if (!("templates" in sections)) return sections.flatMap(versionsOf);
  const planned = (sections.promptVersions ?? []).map((version) => ({ section: PLAN, version }));
  return [...planned, ...sections.templates.flatMap(versionsOf)];
}

function versionsOf(section: SectionDefinition<unknown, unknown>): PromptVersion[] {
  const versions = "promptVersion" in section ? [section.promptVersion] : (section.promptVersions ?? []);
  return [...new Set(versions)].map((version) => ({ section: section.key, version }));
}
