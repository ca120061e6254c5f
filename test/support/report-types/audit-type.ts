import { z } from "zod";
import { defineReport, json, text } from "../../../src/report-types/define-report.ts";

const Company = z.object({
  company: z.string().min(1).max(200),
  country: z.string().length(2),
  employees: z.int().positive(),
});
type Company = z.infer<typeof Company>;

const Findings = z.object({
  findings: z
    .array(
      z.object({
        title: z.string().min(3),
        severity: z.enum(["low", "medium", "high"]),
        recommendation: z.string().min(10),
      }),
    )
    .min(1),
  confidence: z.number().min(0).max(1),
});

/** A structured section beside a plain one, and one that reads both: what a person at the review desk has to do with. */
export const anAuditType = defineReport<Company>({
  type: "audit",
  version: 3,
  title: "Security audit",
  source: Company,
  credits: 12,
  budget: { usd: 0.5 },
  breaker: { threshold: 100 },
  sections: [
    {
      key: "findings",
      title: "Findings",
      weight: 2,
      promptVersion: "4",
      output: json("findings", Findings),
      prompt: ({ source }) => [
        {
          role: "system",
          content: "You audit the security of companies. Answer with JSON, and nothing else.",
        },
        {
          role: "user",
          content: `[[audit/findings]] List the findings about ${source.company}, ${source.country}, with ${source.employees} employees.`,
        },
      ],
    },
    {
      key: "background",
      title: "Background",
      promptVersion: "1",
      output: text({ minChars: 40 }),
      prompt: ({ source }) => [
        { role: "user", content: `[[audit/background]] Write the background of ${source.company}.` },
      ],
    },
    {
      key: "summary",
      title: "Summary",
      promptVersion: "2",
      after: ["findings", "background"],
      optional: ["findings"],
      output: text({ minChars: 40 }),
      prompt: ({ source, sections }) => [
        {
          role: "user",
          content: `[[audit/summary]] Sum up for ${source.company}: ${JSON.stringify(sections)}`,
        },
      ],
    },
  ],
  assemble: ({ source, sections }) => ({
    title: `Audit of ${source.company}`,
    markdown: sections.map(({ title, output }) => `## ${title}\n\n${JSON.stringify(output)}`).join("\n\n"),
  }),
  sample: { company: "Northwind", country: "NO", employees: 120 },
});
