/**
 * What the load client orders. Every prompt opens with a mark `[[type/section/call/order]]`: by it the provider's ledger
 * knows which question of which order it was asked, whatever the fleet says of itself.
 */
import { z } from "zod";
import { defineReport, defineSection, json, text } from "../../src/report-types/define-report.ts";
import type {
  AssembleInput,
  CallRequest,
  SectionContext,
  SectionDefinition,
} from "../../src/report-types/define-report.ts";
import { threeRounds } from "../support/report-types/chained-type.ts";
import { plannedChapters } from "../support/report-types/planned-type.ts";
import { twoParts } from "../support/report-types/topic-type.ts";
import { writeDown, type KillingRow } from "./witnesses.ts";

const Order = z.object({
  topic: z.string().min(1),
  order: z.number().int(),
  /** Writing it kills the process that does it: an input that crashes its worker. */
  poison: z.boolean().optional(),
});
type Order = z.infer<typeof Order>;

const common = {
  /** A rolling restart brings the next one. */
  version: Number(process.env["CHAOS_TYPE_VERSION"] ?? "1"),
  source: Order,
  budget: { usd: 1 },
  retries: { backoff: { baseMs: 400, factor: 2, maxMs: 3_000 } },
  assemble: ({ source, sections }: AssembleInput<Order, undefined>) => ({
    title: source.topic,
    markdown: sections
      .map(
        ({ title, output }) =>
          `## ${title}\n\n${typeof output === "string" ? output : JSON.stringify(output)}`,
      )
      .join("\n\n"),
  }),
};

function mark(type: string, section: string, call: string, { order }: Order): string {
  return `[[${type}/${section}/${call}/${order}]]`;
}

/** Two sections that do not wait for each other. */
export const aPair = defineReport<Order>({
  ...common,
  type: "pair",
  title: "Pair",
  credits: 4,
  sections: twoParts((section, source) => mark("pair", section, "draft", source)),
  sample: { topic: "rivers", order: 0 },
});

/** One section of three calls with a step between them: a fault may hit before, between or after any of them. */
export const aStaircase = defineReport<Order>({
  ...common,
  type: "stairs",
  title: "Stairs",
  credits: 3,
  sections: aBody(async (context) => {
    const { source } = context;
    // Dies as a worker dies that runs out of memory over one input: at once, and again with the next one.
    if (source.poison === true) {
      writeDown(process.env["CHAOS_KILLINGS"] ?? "", {
        at: Date.now(),
        order: source.order,
      } satisfies KillingRow);
      process.kill(process.pid, "SIGKILL");
    }
    const ask = (name: string, what: string) =>
      context.call(name, asked(`${mark("stairs", "body", name, source)} ${what}`));
    const draft = await ask("draft", `Write about ${source.topic}.`);
    const words = await context.step("count", draft, () => Promise.resolve(draft.split(/\s+/).length));
    const polished = await ask("polish", `Polish these ${words} words about ${source.topic}: ${draft}`);
    return ask("close", `Write a summary about ${source.topic}, of: ${polished}`);
  }),
  sample: { topic: "mills", order: 0 },
});

/** Asks for more than its budget has, and must stop below it for a person. */
export const aGlutton = defineReport<Order>({
  ...common,
  type: "glutton",
  title: "Glutton",
  credits: 5,
  budget: { usd: 0.005 },
  model: { maxOutputTokens: 800 },
  sections: aBody(async (context) => {
    const { source } = context;
    for (const bite of ["first", "second", "third", "fourth", "fifth", "sixth"])
      await context.call(
        bite,
        asked(`${mark("glutton", "body", bite, source)} Write about ${source.topic}.`),
      );
    return "It was never full.";
  }),
  sample: { topic: "markets", order: 0 },
});

function aBody(
  write: (context: SectionContext<Order, undefined>) => Promise<string>,
): SectionDefinition<Order, undefined, string>[] {
  return [{ key: "body", title: "Body", output: text({ minChars: 10 }), promptVersions: ["1"], write }];
}

function asked(content: string): CallRequest<string> {
  return { promptVersion: "1", output: text({ minChars: 10 }), messages: [{ role: "user", content }] };
}

const { outline, body, summary } = threeRounds<Order>((section, source) =>
  mark("chain", section, "draft", source),
);

/** Three rounds: each section reads the one before, and what a person skips is done without. */
export const aChain = defineReport<Order>({
  ...common,
  type: "chain",
  title: "Chain",
  credits: 7,
  sections: [outline, body, { ...summary, optional: ["body"] }],
  sample: { topic: "bridges", order: 0 },
});

/** Its sections are planned by a call to a model. */
export const aPlanned = defineReport<Order>({
  ...common,
  type: "planned",
  title: "Planned",
  credits: 9,
  sections: plannedChapters((section, source) =>
    mark("planned", section, section === "plan" ? "plan" : "draft", source),
  ),
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
  sample: { topic: "tolls", order: 0 },
});
