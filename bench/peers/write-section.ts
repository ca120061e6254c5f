/** One section as both peers write it: three questions through the `openai` package as it comes, its own retries included. */
import { OpenAI } from "openai";
import { draftQuestion, finalQuestion, Notes, NOTES_SCHEMA, notesQuestion } from "../workload.ts";
import type { Message } from "../../src/domain/call.ts";

const MODEL = "simulated-writer";

export type Ask = (messages: Message[], asJson: boolean) => Promise<string>;

export function openProvider(baseURL: string): Ask {
  const client = new OpenAI({ baseURL, apiKey: "simulated" });
  return async (messages, asJson) => {
    const completion = await client.chat.completions.create({
      model: MODEL,
      messages,
      ...(asJson
        ? {
            response_format: {
              type: "json_schema",
              json_schema: { name: "notes", schema: NOTES_SCHEMA, strict: true },
            },
          }
        : {}),
    });
    const text = completion.choices[0]?.message.content ?? "";
    if (text === "") throw new Error("The model gave no answer.");
    return text;
  };
}

export async function writeSection(
  ask: Ask,
  topic: string,
  section: string,
  /** Runs one call with its check; where a peer retries calls, it does it here. */
  call: <T>(attempt: () => Promise<T>) => Promise<T>,
): Promise<string> {
  const draft = await call(() => ask(draftQuestion(topic, section), false));
  const { remarks } = await call(async () =>
    Notes.parse(JSON.parse(await ask(notesQuestion(topic, section, draft), true))),
  );
  const final = await call(() => ask(finalQuestion(topic, section, draft, remarks), false));
  return `${draft}\n\n${final}`;
}

/** As Report Fleet's own document, so that both have the same to store. */
export function assemble(topic: string, parts: Readonly<Record<string, string>>): string {
  const markdown = Object.entries(parts)
    .map(([title, text]) => `## ${title}\n\n${text}`)
    .join("\n\n");
  return JSON.stringify({ title: topic, markdown });
}
