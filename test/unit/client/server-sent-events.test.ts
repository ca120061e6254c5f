import { expect, test } from "vitest";
import { readServerSentEvents } from "../../../src/client/server-sent-events.ts";

async function* inPieces(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

test("messages are whole however the network cuts them, also within a letter", async () => {
  const stream =
    'retry: 3000\n\n: hb\n\nid: 7-0\nevent: progress\ndata: {"title":"Wärme"}\n\nevent: end\ndata: 1\ndata: 2\n\ndata: cut';
  for (const size of [1, 2, 3, 7, 1_000]) {
    const messages = [];
    for await (const message of readServerSentEvents(inPieces(stream, size))) messages.push(message);
    expect(messages).toEqual([
      { id: "7-0", event: "progress", data: '{"title":"Wärme"}' },
      { id: null, event: "end", data: "1\n2" },
    ]);
  }
});
