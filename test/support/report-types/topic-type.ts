import { z } from "zod";
import { defineReport, text, type SectionDefinition } from "../../../src/report-types/define-report.ts";

export const Topic = z.object({ topic: z.string().min(1) });
export type Topic = z.infer<typeof Topic>;

/**
 * What the prompt of a section opens with. It is what the simulated provider's ledger shows, so a test can say which call
 * was paid how often.
 */
export type Mark<Source> = (section: string, source: Source) => string;

/** The chaos suite orders these sections too, under marks of its own. */
export function twoParts<Source extends Topic>(mark: Mark<Source>): SectionDefinition<Source, undefined>[] {
  return ["first", "second"].map((key) => ({
    key,
    title: `The ${key} part`,
    promptVersion: "1",
    output: text({ minChars: 10 }),
    prompt: ({ source }) => [
      { role: "user", content: `${mark(key, source)} Write the ${key} part about ${source.topic}.` },
    ],
  }));
}

/** The smallest type with two sections that do not wait for each other. */
export const aTopicType = defineReport<Topic>({
  type: "topic",
  version: 1,
  title: "Topic",
  source: Topic,
  credits: 5,
  budget: { usd: 1 },
  sections: twoParts((section) => `[[topic/${section}/write]]`),
  assemble: ({ source, sections }) => ({
    title: source.topic,
    markdown: sections.map(({ title, output }) => `## ${title}\n\n${String(output)}`).join("\n\n"),
  }),
  sample: { topic: "rivers" },
});
