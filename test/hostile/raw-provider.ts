/**
 * A provider written on a bare socket, so that it can do what no HTTP server would: break off anywhere, lie about lengths,
 * send what is no HTTP at all. What it is asked well it answers well, by the contract in the request.
 */
import { createServer, type Socket } from "node:net";

export interface Asked {
  /** All messages of the question. */
  prompt: string;
  messages: number;
  /** The name of the schema that was asked for; null for plain text. */
  schema: string | null;
}

/** Writes what it likes, and answers when it is done; the socket may be gone by then. */
export type Misbehaviour = (socket: Socket, asked: Asked) => void | Promise<void>;

export interface RawProvider {
  url: string;
  /** Every chat request, in order. */
  asked: Asked[];
  /** Bytes it wrote to clients. */
  written(): number;
  close(): Promise<void>;
}

export async function startRawProvider(
  respond: (asked: Asked, nth: number) => Misbehaviour,
): Promise<RawProvider> {
  const sockets = new Set<Socket>();
  const asked: Asked[] = [];
  let written = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      sockets.delete(socket);
      written += socket.bytesWritten;
    });
    let waiting = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (;;) {
        const request = requestIn(waiting);
        if (request === null) return;
        waiting = waiting.subarray(request.bytes);
        asked.push(request.asked);
        void respond(request.asked, asked.length)(socket, request.asked);
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("It listens nowhere.");
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    asked,
    written: () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, written),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** The first whole request in these bytes; the client always says how long its body is. */
function requestIn(bytes: Buffer): { bytes: number; asked: Asked } | null {
  const head = bytes.indexOf("\r\n\r\n");
  if (head < 0) return null;
  const length = Number(/content-length: (\d+)/i.exec(bytes.subarray(0, head).toString("latin1"))?.[1] ?? 0);
  const end = head + 4 + length;
  if (bytes.length < end) return null;
  const body = JSON.parse(bytes.subarray(head + 4, end).toString("utf8")) as {
    messages: { content: string }[];
    response_format?: { json_schema?: { name?: string } };
  };
  return {
    bytes: end,
    asked: {
      prompt: body.messages.map(({ content }) => content).join("\n"),
      messages: body.messages.length,
      schema: body.response_format?.json_schema?.name ?? null,
    },
  };
}

const GOOD_JSON: Readonly<Record<string, unknown>> = {
  outline: { points: ["a first point", "a second one"] },
  chapters: { chapters: ["One", "Two"] },
};

/** What the question's contract wants. */
export function goodContent({ schema }: Asked): string {
  return schema === null ? "A plain text that is long enough to be one." : JSON.stringify(GOOD_JSON[schema]);
}

/** A chat completion; `choice` and `more` take the place of what an honest one says. */
export function completion(
  asked: Asked,
  choice: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    id: "chatcmpl-raw",
    object: "chat.completion",
    created: 1,
    model: "simulated-writer",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: goodContent(asked), refusal: null },
        finish_reason: "stop",
        ...choice,
      },
    ],
    usage: { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 },
    ...more,
  };
}

/** A whole response whose length is true unless `headers` say otherwise. */
export function reply(
  socket: Socket,
  body: string | Buffer,
  { status = "200 OK", headers = {} }: { status?: string; headers?: Record<string, string> } = {},
): void {
  const all = {
    "Content-Type": "application/json",
    "Content-Length": String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`);
  socket.write(body);
}

export const well: Misbehaviour = (socket, asked) => reply(socket, JSON.stringify(completion(asked)));
