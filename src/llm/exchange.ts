/**
 * One HTTP exchange with a provider, and everything it left behind.
 *
 * This takes the place of `fetch`, also under the openai client, because three facts decide about money and the global fetch
 * keeps all three to itself: whether the request had left when the connection broke (else nothing was billed), which
 * bytes had arrived before it broke (an answer may be complete in them), and the raw body of an error (the client drops
 * whatever has no `error` key). It also gives up on headers after five minutes, where a long answer may take ten.
 *
 * So the whole body is read here, streamed or not, within bounds of time and size, and then parsed from memory. Redirects are not followed: they would carry the key and the prompt to another host.
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline, type Duplex, type Readable } from "node:stream";
import { TLSSocket } from "node:tls";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { isNestedTooDeeply } from "../domain/nesting.ts";

/** An answer of the longest model is well under 1 MiB; beyond this, somebody is sending something else. */
export const MAX_BODY_BYTES = 16 * 1_048_576;

export interface ExchangeLimits {
  connectMs: number;
  /** The longest silence, counted from the moment the request left. */
  idleMs: number;
  maxBodyBytes: number;
  /** Fires on the total timeout and on a cancel; its reason is the error to report. */
  signal: AbortSignal;
}

export interface Exchange {
  /** True once the request was on an open connection; before that a provider cannot have billed it. */
  sent: boolean;
  /** Null while no response header has arrived. */
  status: number | null;
  headers: Record<string, string>;
  /** What arrived of the body, decoded, even where the rest never did. */
  body: Buffer;
  /** Why the exchange ended early; null where the response is whole. */
  error: Error | null;
}

/** A limit of ours that ended an exchange. The name tells which; the code is the one Node uses for the same thing. */
export class ExchangeError extends Error {
  readonly code: string;

  constructor(name: string, code: string, message: string) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

export function newExchange(): Exchange {
  return { sent: false, status: null, headers: {}, body: Buffer.alloc(0), error: null };
}

/** What a request carries through the client to `exchangeFetch`: the client hands on the options of `fetch` as they are. */
const CARRIED = Symbol("exchange");

interface Carried {
  exchange: Exchange;
  limits: ExchangeLimits;
}

/** As the `fetchOptions` of one request, so that one client serves all of them. */
export function carrying(exchange: Exchange, limits: ExchangeLimits): object {
  return { [CARRIED]: { exchange, limits } satisfies Carried };
}

function carriedBy(init: RequestInit | undefined): Carried {
  const carried = (init as { [CARRIED]?: Carried } | undefined)?.[CARRIED];
  if (carried === undefined) throw new Error("A request came without the exchange that it is to fill.");
  return carried;
}

/** A `fetch` that fills the exchange its request carries, and rejects only where no response header arrived. */
export const exchangeFetch: typeof fetch = async (input, init) => {
  const { exchange, limits } = carriedBy(init);
  await fillExchange(exchange, limits, {
    url: new URL(input instanceof Request ? input.url : input),
    method: init?.method ?? "GET",
    headers: Object.fromEntries(init?.headers instanceof Headers ? init.headers : new Headers(init?.headers)),
    body: typeof init?.body === "string" ? init.body : "",
  });
  if (exchange.error !== null && exchange.status === null) throw exchange.error;
  return responseOf(exchange);
};

/** One request and what came of it. Never throws: what went wrong is in the exchange. */
export async function fillExchange(
  exchange: Exchange,
  limits: ExchangeLimits,
  sending: Sending,
): Promise<void> {
  try {
    await perform(exchange, limits, sending);
  } catch (error) {
    exchange.error = error instanceof Error ? error : new Error(String(error));
  }
}

interface Sending {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body: string;
}

async function perform(
  exchange: Exchange,
  limits: ExchangeLimits,
  { url, method, headers, body }: Sending,
): Promise<void> {
  limits.signal.throwIfAborted();
  // Without this a server may choose any encoding, also one that cannot be undone here.
  headers["accept-encoding"] = "gzip";
  const request = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, { method, headers });
  // The first reason counts; everything after it is only the sound of the socket closing.
  let ended: Error | null = null;
  function end(reason: Error): void {
    ended ??= reason;
    request.destroy(reason);
  }
  function abort(): void {
    const reason: unknown = limits.signal.reason;
    end(reason instanceof Error ? reason : new ExchangeError("AbortError", "ABORT_ERR", String(reason)));
  }
  limits.signal.addEventListener("abort", abort, { once: true });
  // A socket that fails after the response was read must not become an uncaught exception.
  request.on("error", ignore);
  const silence = watchSilence(exchange, limits, request, end);
  try {
    const response = await responseTo(request, body);
    silence.heard();
    exchange.status = response.statusCode ?? 0;
    exchange.headers = plainHeaders(response);
    await readBody(exchange, limits, response, silence.heard);
    requireFlat(exchange);
  } catch (error) {
    throw ended ?? (exchange.status === null ? error : brokenOff(error));
  } finally {
    silence.stop();
    limits.signal.removeEventListener("abort", abort);
  }
}

function responseTo(request: ClientRequest, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", reject);
    request.end(body);
  });
}

/** Node calls a body that was cut off "aborted", as if somebody here had wanted it. */
function brokenOff(error: unknown): unknown {
  const reset = error instanceof Error && "code" in error && error.code === "ECONNRESET";
  return reset ? connectionBroke() : error;
}

function connectionBroke(): ExchangeError {
  return new ExchangeError(
    "SocketError",
    "ECONNRESET",
    "The connection broke before the response was complete.",
  );
}

function ignore(): void {}

/** Two clocks that never run together: the connection's, and from then on the longest silence. */
function watchSilence(
  exchange: Exchange,
  limits: ExchangeLimits,
  request: ClientRequest,
  end: (reason: Error) => void,
): { heard: () => void; stop: () => void } {
  const connecting = setTimeout(
    () =>
      end(
        new ExchangeError(
          "ConnectTimeoutError",
          "UND_ERR_CONNECT_TIMEOUT",
          `No connection within ${limits.connectMs} ms (connect timeout).`,
        ),
      ),
    limits.connectMs,
  );
  let silent: NodeJS.Timeout | null = null;
  function heard(): void {
    clearTimeout(connecting);
    if (silent !== null) return void silent.refresh();
    silent = setTimeout(
      () =>
        end(
          new ExchangeError(
            "IdleTimeoutError",
            "ETIMEDOUT",
            `No byte arrived for ${limits.idleMs} ms (idle timeout).`,
          ),
        ),
      limits.idleMs,
    );
  }
  function left(): void {
    if (exchange.sent) return;
    exchange.sent = true;
    heard();
  }
  request.once("socket", (socket) => {
    if (request.reusedSocket) left();
    else socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", left);
  });
  // Behind a proxy the socket may have been ready before it was handed over; its first bytes tell as well.
  request.once("finish", left);
  request.on("information", heard);
  return {
    heard,
    stop() {
      clearTimeout(connecting);
      if (silent !== null) clearTimeout(silent);
    },
  };
}

async function readBody(
  exchange: Exchange,
  limits: ExchangeLimits,
  response: IncomingMessage,
  heard: () => void,
): Promise<void> {
  response.on("data", heard);
  const decoder = decoderOf(exchange.headers["content-encoding"]);
  const bytes: Readable = decoder === null ? response : pipeline(response, decoder, ignore);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      bytes.on("data", (chunk: Buffer) => {
        size += chunk.length;
        // Counted after decoding: a bomb is small on the wire.
        if (size <= limits.maxBodyBytes) chunks.push(chunk);
        else
          reject(
            new ExchangeError(
              "BodyTooLargeError",
              "ERR_BODY_TOO_LARGE",
              `The response is larger than ${limits.maxBodyBytes} bytes.`,
            ),
          );
      });
      bytes.once("end", resolve);
      bytes.once("error", reject);
      bytes.once("close", () => {
        if (!bytes.readableEnded) reject(connectionBroke());
      });
    });
  } finally {
    // Nothing in a flood is worth parsing, and parsing it would hold up every other call of this process.
    exchange.body = size > limits.maxBodyBytes ? Buffer.alloc(0) : Buffer.concat(chunks);
    if (!response.complete) response.destroy();
  }
}

/** What is nested without end is no answer, and whoever walks it later runs out of stack. */
function requireFlat(exchange: Exchange): void {
  if (!isNestedTooDeeply(exchange.body.toString("utf8"))) return;
  exchange.body = Buffer.alloc(0);
  throw new ExchangeError(
    "BodyTooDeepError",
    "ERR_BODY_TOO_DEEP",
    "The response is nested deeper than any answer.",
  );
}

function decoderOf(encoding: string | undefined): Duplex | null {
  switch (encoding?.trim().toLowerCase()) {
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    case "br":
      return createBrotliDecompress();
    default:
      return null;
  }
}

/** Lower-case names. Cookies of a gateway identify a session and explain nothing, so they are not kept. */
function plainHeaders(response: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value === undefined || name === "set-cookie") continue;
    headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}

/** The response for the client, made of what arrived. Headers that described the wire would now be wrong. */
function responseOf(exchange: Exchange): Response {
  const headers = new Map(Object.entries(exchange.headers));
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) headers.delete(name);
  const status = exchange.status ?? 0;
  const bodyless = status === 204 || status === 205 || status === 304;
  return new Response(bodyless ? null : new Uint8Array(exchange.body), { status, headers: [...headers] });
}
