/**
 * A provider to practise on: OpenAI-compatible over real HTTP, answering from the prompt's own facts and schema, failing
 * on demand, and keeping a ledger of every chat request that it saw and of what it billed.
 *
 * It bills as providers do. What was generated is billed, also when the client hung up meanwhile and also when the
 * bytes never arrived; what was refused, or broke before it was generated, is not. The fleet's own books are checked
 * against this ledger, so a row is written before the last byte of its response leaves.
 *
 *     POST /v1/chat/completions    with and without `stream`
 *     GET  /v1/models
 *     GET  /_simulated/ledger      { "data": [row, …] }
 *     POST /_simulated/faults      replaces the fault script; for tests in other processes
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { isFleetError } from "../domain/fleet-error.ts";
import type { Price } from "./port.ts";
import { NO_OVERRIDES, SIMULATED_MODELS, costMicros, priceOf } from "./prices.ts";
import { answerTo, promptTokens, readChatBody } from "./simulated/answers.ts";
import type { ChatBody, SimulatedAnswer } from "./simulated/answers.ts";
import { deliver, deliveryOf } from "./simulated/delivery.ts";
import { FaultScript, parseFaultScript, type Fault, type FaultRule } from "./simulated/faults.ts";
import { Ledger, markerOf, promptHash, type LedgerRow } from "./simulated/ledger.ts";
import { seededRandom } from "./simulated/random.ts";
import { contextExceeded, invalidRequest, refusalOf, type PlainResponse } from "./simulated/refusals.ts";
import { completionBody, streamEvents } from "./simulated/wire.ts";

export interface SimulatedLatency {
  /** Time to the first byte, drawn between the two. */
  firstByteMs: readonly [number, number];
  perTokenMs: number;
}

export interface SimulatedProviderOptions {
  /** 0, the default, takes a free one. */
  port?: number;
  host?: string;
  seed?: number;
  latency?: SimulatedLatency | "none";
  faults?: readonly FaultRule[];
  ledgerFile?: string;
}

export interface SimulatedProvider {
  /** The base URL for a client, with `/v1`. */
  url: string;
  port: number;
  ledger(): LedgerRow[];
  setFaults(rules: readonly FaultRule[]): void;
  close(): Promise<void>;
}

/** About 0.3 to 1.5 s for the answers of a report: fast for a model, slow enough to watch. */
const USUAL_LATENCY: SimulatedLatency = { firstByteMs: [150, 450], perTokenMs: 0.6 };
const NO_LATENCY: SimulatedLatency = { firstByteMs: [0, 0], perTokenMs: 0 };
const MAX_REQUEST_BYTES = 32 * 1_048_576;
/** Longer than any client keeps a free socket, so that the race for a closing one is never lost here. */
const KEEP_ALIVE_MS = 65_000;
const USUAL_MODEL = "simulated-writer";

export async function startSimulatedProvider(
  options: SimulatedProviderOptions = {},
): Promise<SimulatedProvider> {
  const host = options.host ?? "127.0.0.1";
  const seed = options.seed ?? 1;
  const latency = options.latency === "none" ? NO_LATENCY : (options.latency ?? USUAL_LATENCY);
  const script = new FaultScript(options.faults ?? []);
  const ledger = new Ledger(options.ledgerFile ?? null);
  const closing = new AbortController();
  const open = new Set<Promise<void>>();
  let requests = 0;

  /** Ends early, without an error, when the provider closes. */
  async function pause(ms: number): Promise<void> {
    if (ms > 0) await delay(ms, undefined, { signal: closing.signal }).catch(() => undefined);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? "/", "http://simulated").pathname;
    const route = `${request.method ?? "GET"} ${path}`;
    if (route === "POST /v1/chat/completions") return chat(request, response);
    if (route === "GET /v1/models") {
      const data = SIMULATED_MODELS.map((id) => ({ id, object: "model", created: 0, owned_by: "simulated" }));
      return send(response, ok({ object: "list", data }));
    }
    if (route === "GET /_simulated/ledger") return send(response, ok({ data: ledger.rows() }));
    if (route === "POST /_simulated/faults") return replaceFaults(request, response);
    const nothing = invalidRequest(`Unknown request URL: ${request.method} ${path}.`);
    return send(response, { ...nothing, status: 404 });
  }

  async function replaceFaults(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const rules = parseFaultScript(await readJson(request));
      script.replace(rules);
      return send(response, ok({ rules: rules.length }));
    } catch (error) {
      if (!isFleetError(error)) throw error;
      return send(response, invalidRequest(error.message));
    }
  }

  async function chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = Date.now();
    const body = readChatBody(await readJson(request));
    if (body === null) return send(response, invalidRequest("`messages` is required and must be an array."));
    requests += 1;
    const n = requests;
    const prompt = body.messages.map((message) => message.content).join("\n");
    const fault = script.next({ prompt, format: body.format });
    const { model, messages, stream } = body;
    const askedBy = request.headers["x-asked-by"]?.toString() ?? null;
    const asked = {
      n,
      at,
      askedBy,
      model,
      promptHash: promptHash(messages),
      marker: markerOf(prompt),
      stream,
    };
    function book(outcome: LedgerRow["outcome"], answer: SimulatedAnswer | null): void {
      ledger.append({
        ...asked,
        bookedAt: Date.now(),
        outcome,
        billed: answer !== null,
        inputTokens: answer?.tokens.inputTokens ?? 0,
        outputTokens: answer?.tokens.outputTokens ?? 0,
        micros: answer === null ? 0 : costMicros(priceFor(model), answer.tokens),
      });
    }

    const refusal = (fault === null ? null : refusalOf(fault, body.model, new Date())) ?? tooLong(body);
    if (refusal !== null) {
      book(fault?.kind ?? "context_length", null);
      return send(response, refusal);
    }
    if (fault?.kind === "hang") return book("hang", null);
    if (fault?.kind === "reset") {
      book("reset", null);
      request.socket.resetAndDestroy();
      return;
    }
    return generate({ body, fault, n, at, response, book });
  }

  async function generate(call: GeneratedCall): Promise<void> {
    const { body, fault, response, book } = call;
    const answer = answerTo(body, seed, fault);
    const random = seededRandom(`${seed}/${promptHash(body.messages)}/latency`);
    const [least, most] = latency.firstByteMs;
    const generationMs = latency.perTokenMs * answer.tokens.outputTokens;
    await pause(least + random() * (most - least) + (body.stream ? 0 : generationMs));

    const [type, pieces] = wireOf(call, answer);
    const delivery = deliveryOf(fault, pieces, body.stream ? generationMs : 0);
    // What is scripted to break is booked before it breaks, and what streams is booked before its end.
    let booked = false;
    function settle(): void {
      if (booked) return;
      booked = true;
      book(fault?.kind ?? (response.destroyed ? "client_gone" : "answered"), answer);
    }
    if (fault !== null || !body.stream) settle();
    await deliver(response, type, delivery, pause, closing.signal, settle);
    settle();
  }

  const server = createServer((request, response) => {
    const served = serve(request, response)
      .catch(() => {
        // A client that hangs up in the middle of its own request; nothing was asked, nothing is billed.
        response.destroy();
      })
      .finally(() => open.delete(served));
    open.add(served);
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  // A hang is a fault to be scripted, not a limit of this server.
  server.requestTimeout = 0;
  server.listen(options.port ?? 0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;

  async function close(): Promise<void> {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
    // Only now, so that a generation under way finds its client gone; it is booked before this returns.
    closing.abort();
    await Promise.all(open);
  }

  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${port}/v1`,
    port,
    ledger: () => ledger.rows(),
    setFaults: (rules) => script.replace(rules),
    close,
  };
}

interface GeneratedCall {
  body: ChatBody;
  fault: Fault | null;
  n: number;
  at: number;
  response: ServerResponse;
  book: (outcome: LedgerRow["outcome"], answer: SimulatedAnswer) => void;
}

function priceFor(model: string): Price {
  const price = priceOf(model, null, NO_OVERRIDES) ?? priceOf(USUAL_MODEL, null, NO_OVERRIDES);
  if (price === null) throw new Error(`The built-in price table has no row for ${USUAL_MODEL}.`);
  return price;
}

function tooLong(body: ChatBody): PlainResponse | null {
  const limit = priceFor(body.model).contextTokens;
  const asked = promptTokens(body);
  return limit !== null && asked > limit ? contextExceeded(limit, asked) : null;
}

function wireOf(call: GeneratedCall, answer: SimulatedAnswer): [type: string, pieces: string[]] {
  const { body, fault, n, at } = call;
  const usage =
    fault?.kind === "usage_missing" ? "missing" : fault?.kind === "usage_negative" ? "negative" : "true";
  const completion = { n, at, model: body.model, answer, usage } as const;
  if (!body.stream) return ["application/json", [completionBody(completion)]];
  return ["text/event-stream", streamEvents(completion, body.includeUsage)];
}

function ok(body: unknown): PlainResponse {
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

function send(response: ServerResponse, { status, headers, body }: PlainResponse): void {
  response.writeHead(status, headers);
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES)
      throw new RangeError(`The request is larger than ${MAX_REQUEST_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch {
    return null;
  }
}
