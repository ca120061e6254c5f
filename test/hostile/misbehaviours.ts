/** What a provider may do to whoever asks it. Each is done to every call of a step, for as long as it is asked. */
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { completion, goodContent, reply, type Asked, type Misbehaviour } from "./raw-provider.ts";

const MIB = 1_048_576;
const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const INSIDE = "http://169.254.169.254/latest/meta-data/";

const raw =
  (text: string, end: "end" | "destroy" | "stay" = "end"): Misbehaviour =>
  (socket) => {
    socket.write(text);
    if (end === "end") socket.end();
    if (end === "destroy") socket.destroySoon();
  };
const body =
  (text: string | Buffer, how: Parameters<typeof reply>[2] = {}): Misbehaviour =>
  (socket) =>
    reply(socket, text, how);
const choice =
  (made: (asked: Asked) => Record<string, unknown>): Misbehaviour =>
  (socket, asked) =>
    reply(socket, JSON.stringify(completion(asked, made(asked))));
const message = (made: (asked: Asked) => Record<string, unknown>): Misbehaviour =>
  choice((asked) => ({
    message: { role: "assistant", content: goodContent(asked), refusal: null, ...made(asked) },
  }));
const more =
  (made: Record<string, unknown>): Misbehaviour =>
  (socket, asked) =>
    reply(socket, JSON.stringify(completion(asked, {}, made)));
/** Sent as text, for what `JSON.stringify` cannot write. */
const usage =
  (text: string): Misbehaviour =>
  (socket, asked) =>
    reply(socket, JSON.stringify(completion(asked, {}, { usage: "USAGE" })).replace('"USAGE"', text));
const limited = (retryAfter: string): Misbehaviour =>
  body('{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}', {
    status: "429 Too Many Requests",
    headers: { "Retry-After": retryAfter },
  });
const redirect = (to: string): Misbehaviour => body("", { status: "302 Found", headers: { Location: to } });

/** Writes until the other side has had enough. */
const endless =
  (head: string, piece: (nth: number) => string): Misbehaviour =>
  async (socket) => {
    socket.write(head);
    for (let nth = 0; !socket.destroyed && nth < 2_000; nth++)
      if (!socket.write(piece(nth))) await drained(socket);
    socket.destroySoon();
  };

async function drained(socket: Socket): Promise<void> {
  await new Promise<void>((done) => {
    socket.once("drain", () => done());
    socket.once("close", () => done());
  });
}

/** One byte at a time, faster than any silence, for longer than anybody should wait. */
const drip =
  (head: string, byte: string): Misbehaviour =>
  async (socket) => {
    socket.write(head);
    await new Promise<void>((done) => {
      const timer = setInterval(() => socket.write(byte), 20);
      socket.once("close", () => {
        clearInterval(timer);
        done();
      });
    });
  };

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const pad = " ".repeat(MIB);

export const MISBEHAVIOURS: Readonly<Record<string, Misbehaviour>> = {
  "a status line that is no HTTP": raw("HTTP/9.9 banana\r\n\r\n"),
  "a greeting in another protocol": raw("220 mail.example ESMTP ready\r\n"),
  "a TLS record on a plain connection": raw("\u0015\u0003\u0001\u0000\u0002\u0002\u0028"),
  "an empty response": raw(""),
  "a reset before the first byte": (socket) => void socket.resetAndDestroy(),
  "a reset in the status line": (socket) => void socket.write("HTTP/1.1 20", () => socket.resetAndDestroy()),
  "a reset in the headers": (socket) => void socket.write(`${HEAD}X-More: `, () => socket.resetAndDestroy()),
  "a reset in the body": (socket) =>
    void socket.write(`${HEAD}Content-Length: 900\r\n\r\n{"id":`, () => socket.resetAndDestroy()),
  "silence before the headers": () => undefined,
  "silence in the headers": raw(HEAD, "stay"),
  "silence in the body": raw(`${HEAD}Content-Length: 900\r\n\r\n{"id":`, "stay"),
  "headers that come one byte at a time": drip(HEAD, "x"),
  "a body that comes one byte at a time": drip(CHUNKED, chunk(" ")),
  "a flood of 1xx": endless("", () => "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(500)),
  "headers of a megabyte": raw(`${HEAD}X-Big: ${"x".repeat(MIB)}\r\n\r\n`),
  "ten thousand headers": raw(
    `${HEAD}${Array.from({ length: 10_000 }, (_, nth) => `X-${nth}: 1\r\n`).join("")}\r\n`,
  ),
  "a header with a NUL": raw(`${HEAD}X-Nul: a\u0000b\r\n\r\n{}`),
  "a length that is too long": (socket, asked) => {
    reply(socket, JSON.stringify(completion(asked)), { headers: { "Content-Length": "999999" } });
    socket.end();
  },
  "a length that is too short": (socket, asked) =>
    reply(socket, JSON.stringify(completion(asked)), { headers: { "Content-Length": "20" } }),
  "two lengths that differ": raw(`${HEAD}Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}`),
  "a negative length": raw(`${HEAD}Content-Length: -1\r\n\r\n{}`),
  "chunks that are cut": raw(`${CHUNKED}ff\r\n{"id":"chat`),
  "chunks with a length that is no number": raw(`${CHUNKED}zz\r\n{}\r\n0\r\n\r\n`),
  "chunks without an end": raw(`${CHUNKED}${chunk('{"id":1}')}`),
  "a stream without an end": endless(CHUNKED, () => chunk(pad)),
  "twenty megabytes": body(Buffer.alloc(20 * MIB, 32)),
  "a gzip bomb": body(gzipSync(Buffer.alloc(200 * MIB, 32)), { headers: { "Content-Encoding": "gzip" } }),
  "gzip that is none": body("{}", { headers: { "Content-Encoding": "gzip" } }),
  "gzip that is cut": body(gzipSync(JSON.stringify({ id: "x".repeat(5_000) })).subarray(0, 20), {
    headers: { "Content-Encoding": "gzip" },
  }),
  "an encoding nobody knows": body("{}", { headers: { "Content-Encoding": "zstd, x-unknown" } }),
  "a page with a 200": body("<!DOCTYPE html><script>alert(1)</script>", {
    headers: { "Content-Type": "text/html" },
  }),
  "nothing with a 200": body(""),
  "a 204": raw("HTTP/1.1 204 No Content\r\n\r\n", "stay"),
  "a 304": raw("HTTP/1.1 304 Not Modified\r\n\r\n", "stay"),
  "a redirect to an inside address": redirect(INSIDE),
  "a redirect to a file": redirect("file:///etc/passwd"),
  "a redirect to itself": redirect("/v1/chat/completions"),
  "a 418 with a page": body("<html></html>", {
    status: "418 Teapot",
    headers: { "Content-Type": "text/html" },
  }),
  "a 999": body("{}", { status: "999 Denied" }),
  "a wait until the year 9999": limited("Fri, 31 Dec 9999 23:59:59 GMT"),
  "a negative wait": limited("-5"),
  "a wait in words": limited("soon, I promise"),
  "a wait that is no finite number": limited("1e999"),
  "an event stream nobody asked for": body("data: {}\n\ndata: [DONE]\n\n", {
    headers: { "Content-Type": "text/event-stream" },
  }),
  "an event stream without framing": body("{}{}{}", { headers: { "Content-Type": "text/event-stream" } }),
  "JSON that is nested a hundred thousand deep": body(`${"[".repeat(100_000)}${"]".repeat(100_000)}`),
  "objects that are nested a hundred thousand deep": body(
    `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`,
  ),
  "usage that is nested a hundred thousand deep": usage(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`),
  "an error that is nested a thousand deep": body(`{"error":${"[".repeat(5_000)}${"]".repeat(5_000)}}`, {
    status: "400 Bad Request",
  }),
  "content of JSON that is nested a hundred thousand deep": message(() => ({
    content: `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
  })),
  "JSON that stops in the middle": body('{"choices":[{"message":{"content":"A te'),
  "JSON with a NUL in it": body('{"id":"\u0000"'),
  "bytes that are no UTF-8": body(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])),
  "a list instead of an object": body("[[[1]]]"),
  "null instead of an object": body("null"),
  "a number that is no number": body('{"choices":NaN}'),
  "keys that pollute": body(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"choices":[{"__proto__":{"polluted":1},"message":{"__proto__":{"polluted":1}}}]}',
  ),
  "no choices": more({ choices: undefined }),
  "choices that are null": more({ choices: null }),
  "choices without one": more({ choices: [] }),
  "a choice that is null": more({ choices: [null] }),
  "a thousand choices": (socket, asked) =>
    reply(
      socket,
      JSON.stringify(completion(asked, {}, { choices: Array.from({ length: 1_000 }, () => ({})) })),
    ),
  "content that is null": message(() => ({ content: null })),
  "content that is a number": message(() => ({ content: 42 })),
  "content in parts that are none": message(() => ({ content: [null, 1, { text: { text: "x" } }, "y"] })),
  "content of NULs": message(() => ({ content: "\u0000".repeat(100) })),
  "content of lone surrogates": message(() => ({ content: "\ud800".repeat(100) })),
  "content of a megabyte of brackets": message(() => ({ content: "[{".repeat(MIB / 2) })),
  "a refusal": message(() => ({ content: null, refusal: "I would rather not." })),
  "a refusal that is an object": message(() => ({ content: null, refusal: { because: "no" } })),
  "tool calls nobody asked for": message(() => ({
    content: null,
    tool_calls: [{ id: "1", type: "function", function: { name: "exec", arguments: '{"cmd":"id"}' } }],
  })),
  "another role": message(() => ({ role: "system" })),
  "another model": more({ model: "../../etc/passwd\n" }),
  "an id of a megabyte": more({ id: "x".repeat(MIB) }),
  "a finish nobody knows": choice(() => ({ finish_reason: "banana" })),
  "a finish that is an object": choice(() => ({ finish_reason: { reason: "stop" } })),
  "a server that gave up": choice(() => ({ finish_reason: "error" })),
  "usage below zero": usage('{"prompt_tokens":-100,"completion_tokens":-50}'),
  "usage in words": usage('{"prompt_tokens":"many","completion_tokens":"few"}'),
  "usage beyond all numbers": usage('{"prompt_tokens":1e999,"completion_tokens":1e999}'),
  "usage beyond whole numbers": usage('{"prompt_tokens":9007199254740993,"completion_tokens":9e300}'),
  "usage in fractions": usage('{"prompt_tokens":0.5,"completion_tokens":1.5}'),
  "usage that is a list": usage("[1,2,3]"),
  "usage said twice": usage('{"prompt_tokens":1,"prompt_tokens":-7,"completion_tokens":1}'),
};
