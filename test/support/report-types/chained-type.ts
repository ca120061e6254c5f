import { z } from "zod";
import { defineReport, defineSection, json, text } from "../../../src/report-types/define-report.ts";
import { Topic, type Mark } from "./topic-type.ts";

const Outline = z.object({ points: z.array(z.string()).min(1).max(5) });

/** Three rounds: each section reads the one before, and the first is JSON. The chaos suite orders them too. */
export function threeRounds<Source extends Topic>(mark: Mark<Source>) {
  return {
    outline: defineSection<Source, undefined, z.infer<typeof Outline>>({
      key: "outline",
      title: "Outline",
      promptVersion: "1",
      output: json("outline", Outline),
      prompt: ({ source }) => [
        { role: "user", content: `${mark("outline", source)} Outline a text about ${source.topic}.` },
      ],
    }),
    body: defineSection<Source, undefined, string>({
      key: "body",
      title: "Body",
      after: ["outline"],
      promptVersion: "1",
      output: text({ minChars: 10 }),
      prompt: ({ source, sections }) => [
        {
          role: "user",
          content: `${mark("body", source)} Write about ${source.topic}, by this outline: ${JSON.stringify(sections["outline"])}`,
        },
      ],
    }),
    summary: defineSection<Source, undefined, string>({
      key: "summary",
      title: "Summary",
      after: ["body"],
      promptVersion: "1",
      output: text({ minChars: 10 }),
      prompt: ({ source, sections }) => [
        {
          role: "user",
          content: `${mark("summary", source)} Write a summary about ${source.topic}, of: ${String(sections["body"])}`,
        },
      ],
    }),
  };
}

const { outline, body, summary } = threeRounds<Topic>((section) => `[[chained/${section}/write]]`);

export const aChainedType = defineReport<Topic>({
  type: "chained",
  version: 1,
  title: "Chained",
  source: Topic,
  credits: 5,
  budget: { usd: 1 },
  sections: [outline, body, summary],
  assemble: ({ source, sections }) => ({
    title: source.topic,
    markdown: sections
      .filter((section) => typeof section.output === "string")
      .map(({ title, output }) => `## ${title}\n\n${String(output)}`)
      .join("\n\n"),
  }),
  sample: { topic: "bridges" },
});
