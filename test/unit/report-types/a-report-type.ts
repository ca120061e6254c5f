import { z } from "zod";
import { defineReport, text } from "../../../src/report-types/define-report.ts";
import type { ReportDefinition, ReportType } from "../../../src/report-types/define-report.ts";

const Source = z.object({ topic: z.string() });

/** A sound type; each test spoils what it is about. */
export function aReportType(changed: Partial<ReportDefinition<{ topic: string }, unknown>> = {}): ReportType {
  return defineReport<{ topic: string }, unknown>({
    type: "essay",
    version: 1,
    title: "Essay",
    source: Source,
    credits: 3,
    budget: { usd: 0.5 },
    sections: [aSection("body")],
    assemble: () => ({ title: "Essay", markdown: "" }),
    ...changed,
  });
}

export function aSection(key: string, changed: object = {}) {
  return {
    key,
    title: `Part ${key}`,
    promptVersion: "1",
    output: text({ minChars: 10 }),
    prompt: () => [{ role: "user" as const, content: "Write." }],
    ...changed,
  };
}
