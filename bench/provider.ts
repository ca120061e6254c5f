/**
 * The provider of the bench, in a process of its own: OpenAI-compatible, with answers made beforehand, so that it is
 * never what a system waits for. It keeps account of what each question was billed, and of the least that was possible.
 *
 * Faults depend on the question and not on the order of arrival: the same calls meet the same faults in each system.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { answerTo, readChatBody } from "../src/llm/simulated/answers.ts";
import { seededRandom } from "../src/llm/simulated/random.ts";
import { CALM, type ProviderOrder, type ProviderReply, type ProviderTotals } from "./provider-script.ts";

/** Per hundred calls, on the first request for each: not billed, or billed and more or less useless. */
const FAULTS: readonly { percent: number; fault: Fault }[] = [
  { percent: 3, fault: "rate_limited" },
  { percent: 3, fault: "overloaded" },
  { percent: 1, fault: "reset" },
  { percent: 3, fault: "sloppy" },
  { percent: 1, fault: "wrong_shape" },
];
type Fault = "rate_limited" | "overloaded" | "reset" | "sloppy" | "wrong_shape";

const TEXT_CHARS = 870;
const KINDS_OF_ANSWER = 400;

interface Made {
  body: Buffer;
  tokens: number;
}

const texts = Array.from({ length: KINDS_OF_ANSWER }, (_, nth) => madeOf(proseOf(nth)));
const notes = Array.from({ length: 20 }, (_, nth) => madeOf(notesOf(nth)));
const sloppy = madeOf(`\`\`\`json\n${notesOf(1).replace(/]}$/, ",]}")}\n\`\`\``);
const wrongShape = madeOf('{"rating":"eight of ten","comment":"Mend the opening."}');

function proseOf(nth: number): string {
  const content = `Write about subject ${nth} of ${KINDS_OF_ANSWER}, its history, costs and risks.`;
  const asked = readChatBody({ model: "simulated-writer", messages: [{ role: "user", content }] });
  if (asked === null) throw new Error("The simulated provider does not read its own chat requests.");
  const written = answerTo(asked, nth, null);
  const whole = (written.content ?? "").replaceAll("\n\n", " ");
  const end = whole.lastIndexOf(". ", TEXT_CHARS);
  return whole.slice(0, end > TEXT_CHARS / 2 ? end + 1 : TEXT_CHARS);
}

function notesOf(nth: number): string {
  return JSON.stringify({
    score: 5 + (nth % 5),
    remarks: [`Say in part ${nth} what it costs.`, "Shorten the end."],
  });
}

function madeOf(content: string): Made {
  const tokens = Math.ceil(content.length / 4);
  const body = JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion",
    created: 1_790_000_000,
    model: "simulated-writer",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content, refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: { prompt_tokens: 100, completion_tokens: tokens, total_tokens: 100 + tokens },
  });
  return { body: Buffer.from(body), tokens: 100 + tokens };
}

/** What one call was answered so far. */
interface Asked {
  requests: number;
  usable: boolean;
  /** The questions that were billed; null where nothing goes wrong, so that nobody waits for the hashing. */
  billed: Set<string> | null;
}

let script = CALM;
let scriptedAt = performance.now();
let released = new AbortController();
let asked = new Map<string, Asked>();
let totals: ProviderTotals = emptyTotals();

function emptyTotals(): ProviderTotals {
  return {
    requests: 0,
    refusedByOutage: 0,
    billedTokens: 0,
    leastTokens: 0,
    duplicates: 0,
    blindRetries: 0,
    open: 0,
    mostOpen: 0,
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString("utf8");
  totals.requests += 1;
  totals.open += 1;
  totals.mostOpen = Math.max(totals.mostOpen, totals.open);
  response.once("close", () => (totals.open -= 1));

  const mark = /\[\[([^\]]+)\]\]/.exec(body)?.[1] ?? "";
  let known = asked.get(mark);
  if (known === undefined) {
    known = { requests: 0, usable: false, billed: goesWrong() ? new Set() : null };
    asked.set(mark, known);
  }
  known.requests += 1;
  const [, section = "", call = ""] = mark.split("/");
  const latencyMs = script.slow?.call === call ? script.slow.ms : script.latencyMs;
  if (latencyMs > 0) await pause(latencyMs);
  if (script.hang) await once(released.signal, "abort").catch(() => undefined);

  if (performance.now() - scriptedAt < script.outageMs) {
    totals.refusedByOutage += 1;
    return refuse(response, 503, {}, "The server is overloaded.");
  }
  const fault = known.requests === 1 ? faultOf(mark) : null;
  if (fault === "rate_limited") return refuse(response, 429, { "retry-after": "1" }, "Rate limit reached.");
  if (fault === "overloaded") return refuse(response, 503, {}, "The server is overloaded.");
  if (fault === "reset") return void request.socket.resetAndDestroy();

  const isNotes = call === "notes";
  const spoilt = isNotes && (fault === "wrong_shape" || section === script.broken);
  const made = spoilt
    ? wrongShape
    : isNotes && fault === "sloppy"
      ? sloppy
      : ((isNotes ? notes[hashOf(mark) % notes.length] : texts[hashOf(mark) % texts.length]) as Made);
  book(known, body, made, !spoilt);
  response.writeHead(200, { "content-type": "application/json", "content-length": made.body.length });
  response.end(made.body);
}

function book(call: Asked, words: string, { tokens }: Made, usable: boolean): void {
  totals.billedTokens += tokens;
  if (call.usable) totals.duplicates += 1;
  else totals.leastTokens += tokens;
  call.usable ||= usable;
  if (call.billed === null) return;
  const question = createHash("sha1").update(words).digest("hex");
  if (call.billed.has(question)) totals.blindRetries += 1;
  call.billed.add(question);
}

function goesWrong(): boolean {
  return script.faults !== "none" || script.broken !== null || script.outageMs > 0;
}

function faultOf(mark: string): Fault | null {
  if (script.faults === "none") return null;
  let drawn = hashOf(mark) % 100;
  for (const { percent, fault } of FAULTS) {
    if (drawn < percent) return fault;
    drawn -= percent;
  }
  return null;
}

const hashes = new Map<string, number>();
function hashOf(mark: string): number {
  // Topics carry the system's name; the fault must not depend on it.
  const neutral = mark.replace(/^[a-z]+-/, "");
  let hash = hashes.get(neutral);
  if (hash === undefined) hashes.set(neutral, (hash = Math.floor(seededRandom(neutral)() * 1_000_000)));
  return hash;
}

function refuse(
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  message: string,
): void {
  response.writeHead(status, { ...headers, "content-type": "application/json" });
  response.end(JSON.stringify({ error: { message, type: "server_error", code: null } }));
}

const server = createServer((request, response) => {
  void answer(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 65_000;
server.requestTimeout = 0;
server.listen(0, "127.0.0.1");
await once(server, "listening");

process.on("message", (order: ProviderOrder) => {
  if (order.order === "script") {
    script = order.script;
    scriptedAt = performance.now();
    const { open } = totals;
    totals = { ...emptyTotals(), open };
    asked = new Map();
    hashes.clear();
    released.abort();
    released = new AbortController();
  }
  const counts = [...asked].map(([mark, { requests }]) => [mark, requests] as const);
  process.send?.({ id: order.id, totals, asked: Object.fromEntries(counts) } satisfies ProviderReply);
});
process.on("disconnect", () => process.exit());
process.send?.({ port: (server.address() as AddressInfo).port });
