/**
 * A provider that says word for word what a test wants it to say, over real HTTP. For texts the simulated provider would
 * never write: a certain mistake at a certain path, or something that wants to be run by whoever looks at it.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface ScriptedProvider {
  url: string;
  /** The prompts so far. */
  asked: string[];
  /** From now on; a refusal where it has a status. */
  answer: (prompt: string) => string | { status: number; body: unknown };
  /** Waited for before anything is answered. */
  before: () => Promise<void>;
  close(): Promise<void>;
}

export async function startScriptedProvider(answer: ScriptedProvider["answer"]): Promise<ScriptedProvider> {
  const server = createServer((request, response) => {
    void (async () => {
      const body = (await json(request)) as { messages: { content: string }[] };
      const prompt = body.messages.map(({ content }) => content).join("\n");
      provider.asked.push(prompt);
      await provider.before();
      const content = provider.answer(prompt);
      if (typeof content !== "string") {
        response.writeHead(content.status, { "Content-Type": "application/json" });
        response.end(JSON.stringify(content.body));
        return;
      }
      const usage = { prompt_tokens: 900, completion_tokens: Math.ceil(content.length / 4), total_tokens: 0 };
      usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
      response.setHeader("Content-Type", "application/json");
      response.end(
        JSON.stringify({
          id: `chatcmpl-${provider.asked.length}`,
          object: "chat.completion",
          created: 1,
          model: "simulated-writer",
          choices: [
            { index: 0, message: { role: "assistant", content, refusal: null }, finish_reason: "stop" },
          ],
          usage,
        }),
      );
    })();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const provider: ScriptedProvider = {
    url: `http://127.0.0.1:${port}/v1`,
    asked: [],
    answer,
    before: () => Promise.resolve(),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return provider;
}
