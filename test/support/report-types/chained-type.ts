import { z } from "zod";
import { defineReport, defineSection, json, text } from "../../../src/report-types/define-report.ts";
import { Topic } from "./topic-type.ts";

const Outline = z.object({ points: z.array(z.string()).min(1).max(5) });

const outline = defineSection<Topic, undefined, z.infer<typeof Outline>>({
  key: "outline",
  title: "Outline",
  promptVersion: "1",
  output: json("outline", Outline),
  prompt: ({ source }) => [
    { role: "user", content: `[[chained/outline/write]] Outline a text about ${source.topic}.` },
  ],
});

const body = defineSection<Topic, undefined, string>({
  key: "body",
  title: "Body",
  after: ["outline"],
  promptVersion: "1",
  output: text({ minChars: 10 }),
  prompt: ({ source, sections }) => [
    {
      role: "user",
      content: `[[chained/body/write]] Write about ${source.topic}, by this outline: ${JSON.stringify(sections["outline"])}`,
    },
  ],
});

const summary = defineSection<Topic, undefined, string>({
  key: "summary",
  title: "Summary",
  after: ["body"],
  promptVersion: "1",
  output: text({ minChars: 10 }),
  prompt: ({ source, sections }) => [
    {
      role: "user",
      content: `[[chained/summary/write]] Write a summary about ${source.topic}, of: ${String(sections["body"])}`,
    },
  ],
});

/** Three rounds: each section reads the one before. */
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
