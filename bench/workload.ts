/**
 * What every system of the bench writes: reports of 8 sections with 3 calls each (a draft, notes on it as JSON, the final
 * text), about 14 KB of text a report. `REPORT_TYPES` names this file; the peers use the questions and the schema.
 */
import { z } from "zod";
import type { Message } from "../src/domain/call.ts";
import { defineReport, json, text } from "../src/report-types/define-report.ts";

export const SECTIONS = ["aims", "past", "present", "means", "costs", "risks", "law", "outlook"] as const;
export const CALLS_PER_REPORT = SECTIONS.length * 3;
export const CREDITS = 1;

export const Notes = z.object({ score: z.int(), remarks: z.array(z.string()) });
export const NOTES_SCHEMA = {
  type: "object",
  properties: { score: { type: "integer" }, remarks: { type: "array", items: { type: "string" } } },
  required: ["score", "remarks"],
  additionalProperties: false,
} as const;

/** The provider knows by the mark which call is asked, however often and by whom. */
function question(topic: string, section: string, call: string, task: string): Message[] {
  return [
    { role: "system", content: "You write parts of reports for a trade journal." },
    { role: "user", content: `[[${topic}/${section}/${call}]] ${task}` },
  ];
}

export function draftQuestion(topic: string, section: string): Message[] {
  return question(topic, section, "draft", `Draft the part "${section}" of a report about ${topic}.`);
}

export function notesQuestion(topic: string, section: string, draft: string): Message[] {
  return question(topic, section, "notes", `Score this draft from 0 to 10 and say what to mend.\n\n${draft}`);
}

export function finalQuestion(
  topic: string,
  section: string,
  draft: string,
  remarks: readonly string[],
): Message[] {
  const task = `Write the final text of this draft. Mend: ${remarks.join("; ")}\n\n${draft}`;
  return question(topic, section, "final", task);
}

const Topic = z.object({ topic: z.string() });

export const benchType = defineReport<z.infer<typeof Topic>>({
  type: "bench",
  version: 1,
  title: "Bench",
  source: Topic,
  credits: CREDITS,
  budget: { usd: 5 },
  sections: SECTIONS.map((key) => ({
    key,
    title: key,
    promptVersions: ["1"],
    output: text(),
    write: async (context) => {
      const { topic } = context.source;
      const draft = await context.call("draft", {
        promptVersion: "1",
        messages: draftQuestion(topic, key),
        output: text(),
      });
      const notes = await context.call("notes", {
        promptVersion: "1",
        messages: notesQuestion(topic, key, draft),
        output: json("notes", Notes),
      });
      const final = await context.call("final", {
        promptVersion: "1",
        messages: finalQuestion(topic, key, draft, notes.remarks),
        output: text(),
      });
      return `${draft}\n\n${final}`;
    },
  })),
  assemble: ({ source, sections }) => ({
    title: source.topic,
    markdown: sections.map(({ title, output }) => `## ${title}\n\n${String(output)}`).join("\n\n"),
  }),
});

/** One section of three calls: what a report costs beside its calls, where nothing runs side by side. */
export const shortType = defineReport<z.infer<typeof Topic>>({
  type: "short",
  version: 1,
  title: "Short",
  source: Topic,
  credits: CREDITS,
  budget: { usd: 5 },
  sections: [
    {
      key: "only",
      title: "Only",
      promptVersions: ["1"],
      output: text(),
      write: async (context) => {
        const { topic } = context.source;
        const parts: string[] = [];
        for (const call of ["one", "two", "three"])
          parts.push(
            await context.call(call, {
              promptVersion: "1",
              messages: question(topic, "only", call, `Write part ${call} of a report about ${topic}.`),
              output: text(),
            }),
          );
        return parts.join("\n\n");
      },
    },
  ],
  assemble: ({ source, sections }) => ({
    title: source.topic,
    markdown: sections.map(({ output }) => String(output)).join("\n\n"),
  }),
});

const Verdict = Notes.extend({ verdict: z.string() });

/** Its parser wants what no answer has; the next version is mended. `BENCH_PARSER` says which one a process runs. */
export function fussyType(mended: boolean) {
  return defineReport<z.infer<typeof Topic>>({
    type: "fussy",
    version: mended ? 2 : 1,
    title: "Fussy",
    source: Topic,
    credits: CREDITS,
    budget: { usd: 5 },
    // All of the 80 are to be parked, and not held by the type's breaker.
    breaker: { threshold: 100 },
    sections: [
      {
        key: "law",
        title: "Law",
        promptVersions: ["1"],
        output: json("notes", Notes),
        write: (context) =>
          context.call("notes", {
            promptVersion: "1",
            messages: notesQuestion(context.source.topic, "law", "A draft."),
            output: json("notes", mended ? Notes : Verdict),
          }),
      },
    ],
    assemble: ({ source, sections }) => ({
      title: source.topic,
      markdown: sections.map(({ output }) => JSON.stringify(output)).join("\n\n"),
    }),
  });
}

export const fussy = fussyType(process.env["BENCH_PARSER"] === "mended");
