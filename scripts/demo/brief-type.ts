import { z } from "zod";
import { defineReport, json, text, type ReportType } from "../../src/report-types/define-report.ts";

const Topic = z.object({ topic: z.string().min(1) });
const Figures = z.object({ figures: z.array(z.string()).min(1) });

/** Figures that a parser reads, a body that nothing can break, and a close that reads both. */
export function briefType(type: string, title: string): ReportType {
  return defineReport<z.infer<typeof Topic>>({
    type,
    version: 1,
    title,
    source: Topic,
    credits: 5,
    budget: { usd: 1 },
    sections: [
      {
        key: "figures",
        title: "Key figures",
        promptVersion: "3",
        output: json("figures", Figures),
        prompt: ({ source }) => [
          { role: "system", content: "You name figures that are generally known, as JSON." },
          { role: "user", content: `[[${type}/figures/write]] Name figures about ${source.topic}.` },
        ],
      },
      {
        key: "body",
        title: "Body",
        weight: 3,
        promptVersion: "1",
        output: text({ minChars: 10 }),
        prompt: ({ source }) => [
          { role: "user", content: `[[${type}/body/write]] Write about ${source.topic}.` },
        ],
      },
      {
        key: "close",
        title: "Outlook",
        after: ["body"],
        promptVersion: "1",
        output: text({ minChars: 10 }),
        prompt: ({ source }) => [
          { role: "user", content: `[[${type}/close/write]] Close a text about ${source.topic}.` },
        ],
      },
    ],
    assemble: ({ source, sections }) => ({
      title: source.topic,
      markdown: sections
        .map(({ title: heading, output }) => `## ${heading}\n\n${proseOf(output)}`)
        .join("\n\n"),
    }),
    sample: { topic: "rivers" },
  });
}

function proseOf(output: unknown): string {
  const figures = Figures.safeParse(output);
  return figures.success ? figures.data.figures.map((figure) => `- ${figure}`).join("\n") : String(output);
}
