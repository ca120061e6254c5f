import { defineReport, text } from "../../../src/report-types/define-report.ts";
import { Topic } from "./topic-type.ts";

/** One section of two calls with a step between them: a crash may hit before, between or after any of the three. */
export const aSteppedType = defineReport<Topic>({
  type: "stepped",
  version: 1,
  title: "Stepped",
  source: Topic,
  credits: 5,
  budget: { usd: 1 },
  sections: [
    {
      key: "body",
      title: "Body",
      output: text({ minChars: 10 }),
      promptVersions: ["1"],
      write: async (context) => {
        const draft = await context.call("draft", {
          promptVersion: "1",
          output: text({ minChars: 10 }),
          messages: [
            { role: "user", content: `[[stepped/body/draft]] Write about ${context.source.topic}.` },
          ],
        });
        const words = await context.step("count", draft, () => Promise.resolve(draft.split(/\s+/).length));
        return context.call("polish", {
          promptVersion: "1",
          output: text({ minChars: 10 }),
          messages: [
            {
              role: "user",
              content: `[[stepped/body/polish]] Polish this text about ${context.source.topic}, of ${words} words: ${draft}`,
            },
          ],
        });
      },
    },
  ],
  assemble: ({ source, sections }) => ({
    title: source.topic,
    markdown: sections.map(({ output }) => String(output)).join("\n\n"),
  }),
  sample: { topic: "mills" },
});
