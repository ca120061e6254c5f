import { z } from "zod";
import { defineReport, json, text, type PlannedSections } from "../../../src/report-types/define-report.ts";
import { Topic, type Mark } from "./topic-type.ts";

const Chapters = z.object({ chapters: z.array(z.string()).min(2).max(4) });

/** Planned by a call to a model, and the last section reads all others. The chaos suite orders them too. */
export function plannedChapters<Source extends Topic>(
  mark: Mark<Source>,
): PlannedSections<Source, undefined> {
  return {
    maxSections: 5,
    promptVersions: ["1"],
    plan: async (context) => {
      const { chapters } = await context.call("plan", {
        promptVersion: "1",
        output: json("chapters", Chapters),
        messages: [
          {
            role: "user",
            content: `${mark("plan", context.source)} Name the chapters of a text about ${context.source.topic}.`,
          },
        ],
      });
      const planned = chapters.map((chapter, index) => ({
        key: `chapter-${index + 1}`,
        title: chapter,
        template: "chapter",
        params: { chapter },
      }));
      const close = { key: "close", title: "Close", template: "close", after: planned.map(({ key }) => key) };
      return [...planned, close];
    },
    templates: [
      {
        key: "chapter",
        title: "Chapter",
        promptVersion: "1",
        output: text({ minChars: 10 }),
        prompt: ({ source, section }) => [
          {
            role: "user",
            content: `${mark(section.key, source)} Write the chapter ${section.title} of a text about ${source.topic}.`,
          },
        ],
      },
      {
        key: "close",
        title: "Close",
        promptVersion: "1",
        output: text({ minChars: 10 }),
        prompt: ({ source, sections }) => [
          {
            role: "user",
            content: `${mark("close", source)} Write a summary about ${source.topic}, of: ${Object.values(sections).map(String).join("\n")}`,
          },
        ],
      },
    ],
  };
}

export const aPlannedType = defineReport<Topic>({
  type: "planned",
  version: 1,
  title: "Planned",
  source: Topic,
  credits: 5,
  budget: { usd: 1 },
  sections: plannedChapters((section) => `[[planned/${section}/${section === "plan" ? "plan" : "write"}]]`),
  assemble: ({ source, sections }) => ({
    title: source.topic,
    markdown: sections.map(({ title, output }) => `## ${title}\n\n${String(output)}`).join("\n\n"),
  }),
  sample: { topic: "harbours" },
});
