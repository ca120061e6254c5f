/** What the containers write: copied into the image beside the package, in two versions. */
import { z } from "zod";
import { defineReport, text, type SectionContext } from "../../src/index.ts";

const Town = z.object({ town: z.string().min(2) });
type Town = z.infer<typeof Town>;

/** Two calls, so that a stop may meet a section between them. */
const section = (key: string, title: string) => ({
  key,
  title,
  output: text({ minChars: 10 }),
  promptVersions: ["1"],
  write: async (context: SectionContext<Town, undefined>): Promise<string> => {
    const ask = (name: string, content: string): Promise<string> =>
      context.call(name, {
        promptVersion: "1",
        output: text({ minChars: 10 }),
        messages: [{ role: "user", content }],
      });
    const draft = await ask("draft", `[[${key}/draft]] Write about ${context.source.town}.`);
    return ask("polish", `[[${key}/polish]] Polish this about ${context.source.town}: ${draft}`);
  },
});

export const townGuide = defineReport({
  type: "town-guide",
  version: 1,
  title: "Town guide",
  source: Town,
  credits: 5,
  budget: { usd: 0.5 },
  sections: [section("history", "History"), section("today", "Today")],
  assemble: ({ source, sections }) => ({
    title: `A guide to ${source.town}`,
    markdown: sections.map(({ title, output }) => `## ${title}\n\n${String(output)}`).join("\n\n"),
  }),
  sample: { town: "Ghent" },
});
