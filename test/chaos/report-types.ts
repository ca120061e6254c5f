/**
 * What the load client orders. Every prompt opens with a mark `[[type/section/call/order]]`: by it the provider's ledger
 * knows which question of which order it was asked, whatever the fleet says of itself.
 */
import { z } from "zod";
import { defineReport, defineSection, json, text } from "../../src/report-types/define-report.ts";
import type { CallRequest } from "../../src/report-types/define-report.ts";

const Order = z.object({
  topic: z.string().min(1),
  order: z.number().int(),
  /** Where it names a number of milliseconds, writing kills the process that does it: an input that crashes its worker. */
  poison: z.boolean().optional(),
});
export type Order = z.infer<typeof Order>;

/** A rolling restart brings the next version. */
const version = Number(process.env["CHAOS_TYPE_VERSION"] ?? "1");
const common = {
  version,
  source: Order,
  budget: { usd: 1 },
  retries: { backoff: { baseMs: 400, factor: 2, maxMs: 3_000 } },
};

function mark(type: string, section: string, call: string, { order }: Order): string {
  return `[[${type}/${section}/${call}/${order}]]`;
}

function asked(content: string): CallRequest<string> {
  return { promptVersion: "1", output: text({ minChars: 10 }), messages: [{ role: "user", content }] };
}

function joined(sections: readonly { title: string; output: unknown }[]): string {
  return sections
    .map(
      ({ title, output }) => `## ${title}\n\n${typeof output === "string" ? output : JSON.stringify(output)}`,
    )
    .join("\n\n");
}

const document = ({
  source,
  sections,
}: {
  source: Order;
  sections: readonly { title: string; output: unknown }[];
}) => ({
  title: source.topic,
  markdown: joined(sections),
});

/** Two sections that do not wait for each other. */
export const aPair = defineReport<Order>({
  ...common,
  type: "pair",
  title: "Pair",
  credits: 4,
  sections: ["first", "second"].map((key) => ({
    key,
    title: `The ${key} part`,
    promptVersion: "1",
    output: text({ minChars: 10 }),
    prompt: ({ source }) => [
      {
        role: "user",
        content: `${mark("pair", key, "draft", source)} Write the ${key} part about ${source.topic}.`,
      },
    ],
  })),
  assemble: document,
  sample: { topic: "rivers", order: 0 },
});

/** One section of three calls with a step between them: a fault may hit before, between or after any of them. */
export const aStaircase = defineReport<Order>({
  ...common,
  type: "stairs",
  title: "Stairs",
  credits: 3,
  sections: [
    {
      key: "body",
      title: "Body",
      output: text({ minChars: 10 }),
      promptVersions: ["1"],
      write: async (context) => {
        const { source } = context;
        // Dies as a worker dies that runs out of memory over one input: at once, and again with the next one.
        if (source.poison === true) process.kill(process.pid, "SIGKILL");
        const draft = await context.call(
          "draft",
          asked(`${mark("stairs", "body", "draft", source)} Write about ${source.topic}.`),
        );
        const words = await context.step("count", draft, () => Promise.resolve(draft.split(/\s+/).length));
        const polished = await context.call(
          "polish",
          asked(
            `${mark("stairs", "body", "polish", source)} Polish these ${words} words about ${source.topic}: ${draft}`,
          ),
        );
        return context.call(
          "close",
          asked(
            `${mark("stairs", "body", "close", source)} Write a summary about ${source.topic}, of: ${polished}`,
          ),
        );
      },
    },
  ],
  assemble: document,
  sample: { topic: "mills", order: 0 },
});

const Outline = z.object({ points: z.array(z.string()).min(1).max(5) });

/** Three rounds: each section reads the one before, and the first is JSON. */
export const aChain = defineReport<Order>({
  ...common,
  type: "chain",
  title: "Chain",
  credits: 7,
  sections: [
    defineSection<Order, undefined, z.infer<typeof Outline>>({
      key: "outline",
      title: "Outline",
      promptVersion: "1",
      output: json("outline", Outline),
      prompt: ({ source }) => [
        {
          role: "user",
          content: `${mark("chain", "outline", "draft", source)} Outline a text about ${source.topic}.`,
        },
      ],
    }),
    defineSection<Order, undefined, string>({
      key: "body",
      title: "Body",
      after: ["outline"],
      promptVersion: "1",
      output: text({ minChars: 10 }),
      prompt: ({ source, sections }) => [
        {
          role: "user",
          content: `${mark("chain", "body", "draft", source)} Write about ${source.topic}, by this outline: ${JSON.stringify(sections["outline"])}`,
        },
      ],
    }),
    defineSection<Order, undefined, string>({
      key: "summary",
      title: "Summary",
      after: ["body"],
      optional: ["body"],
      promptVersion: "1",
      output: text({ minChars: 10 }),
      prompt: ({ source, sections }) => [
        {
          role: "user",
          content: `${mark("chain", "summary", "draft", source)} Write a summary about ${source.topic}, of: ${String(sections["body"])}`,
        },
      ],
    }),
  ],
  assemble: document,
  sample: { topic: "bridges", order: 0 },
});

const Chapters = z.object({ chapters: z.array(z.string()).min(2).max(4) });

/** Its sections are planned by a call to a model. */
export const aPlanned = defineReport<Order>({
  ...common,
  type: "planned",
  title: "Planned",
  credits: 9,
  sections: {
    maxSections: 5,
    promptVersions: ["1"],
    plan: async (context) => {
      const { chapters } = await context.call("plan", {
        promptVersion: "1",
        output: json("chapters", Chapters),
        messages: [
          {
            role: "user",
            content: `${mark("planned", "plan", "plan", context.source)} Name the chapters of a text about ${context.source.topic}.`,
          },
        ],
      });
      return chapters.map((chapter, index) => ({
        key: `chapter-${index + 1}`,
        title: chapter,
        template: "chapter",
        params: { chapter },
      }));
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
            content: `${mark("planned", section.key, "draft", source)} Write the chapter ${section.title} of a text about ${source.topic}.`,
          },
        ],
      },
    ],
  },
  assemble: document,
  sample: { topic: "harbours", order: 0 },
});

const Table = z.object({ rows: z.array(z.object({ name: z.string(), amount: z.number() })).min(1) });

/** The type that breaks: its first orders are answered in another shape than they ask for. */
export const aBrittle = defineReport<Order>({
  ...common,
  type: "brittle",
  title: "Brittle",
  credits: 2,
  breaker: { threshold: 3, probes: 1, whenOpen: "hold", successResets: false },
  sections: [
    defineSection<Order, undefined, z.infer<typeof Table>>({
      key: "table",
      title: "Table",
      promptVersion: "1",
      output: json("table", Table),
      prompt: ({ source }) => [
        { role: "user", content: `${mark("brittle", "table", "draft", source)} Tabulate ${source.topic}.` },
      ],
    }),
  ],
  assemble: document,
  sample: { topic: "tolls", order: 0 },
});
