import { z } from "zod";
import { defineReport, text } from "../../../src/report-types/define-report.ts";

export const Topic = z.object({ topic: z.string().min(1) });
export type Topic = z.infer<typeof Topic>;

/**
 * The smallest type with two sections that do not wait for each other. The mark in each prompt is what the simulated
 * provider's ledger shows, so a test can say which call was paid how often.
 */
export const aTopicType = defineReport<Topic>({
  type: "topic",
  version: 1,
  title: "Topic",
  source: Topic,
  credits: 5,
  budget: { usd: 1 },
  sections: ["first", "second"].map((key) => ({
    key,
    title: `The ${key} part`,
    promptVersion: "1",
    output: text({ minChars: 10 }),
    prompt: ({ source }) => [
      { role: "user", content: `[[topic/${key}/write]] Write the ${key} part about ${source.topic}.` },
    ],
  })),
  assemble: ({ source, sections }) => ({
    title: source.topic,
    markdown: sections.map(({ title, output }) => `## ${title}\n\n${String(output)}`).join("\n\n"),
  }),
  sample: { topic: "rivers" },
});
