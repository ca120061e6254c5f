/** The ways in which the bytes of an answer reach a client, or fail to. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createGzip } from "node:zlib";
import type { Fault } from "./faults.ts";

/** How the pieces of a response leave: in what portions, how far apart, and what happens after the last. */
export interface Delivery {
  pieces: string[];
  everyMs: number;
  gzip: boolean;
  end: "end" | "silence" | "cut";
}

export function deliveryOf(fault: Fault | null, pieces: string[], generationMs: number): Delivery {
  const usual: Delivery = { pieces, everyMs: generationMs / pieces.length, gzip: false, end: "end" };
  switch (fault?.kind) {
    case "hang_mid_body":
      return { ...usual, pieces: firstHalf(pieces), end: "silence" };
    case "cut_mid_body":
      return { ...usual, pieces: firstHalf(pieces), end: "cut" };
    case "slow_drip":
      return { ...usual, pieces: inPortions(pieces.join(""), fault.chunks), everyMs: fault.everyMs };
    case "huge":
      // White space in front is valid in both formats, so that only the size is wrong.
      return { ...usual, pieces: [...padding(fault.megabytes), ...pieces], everyMs: 0, gzip: fault.gzip };
    default:
      return usual;
  }
}

function firstHalf(pieces: readonly string[]): string[] {
  if (pieces.length > 1) return pieces.slice(0, Math.ceil(pieces.length / 2));
  const [only = ""] = pieces;
  return [only.slice(0, Math.floor(only.length / 2))];
}

function inPortions(text: string, count: number): string[] {
  const size = Math.max(1, Math.ceil(text.length / count));
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
}

function padding(megabytes: number): string[] {
  const block = "\n".repeat(65_536);
  return Array.from({ length: Math.ceil(megabytes * 16) }, () => block);
}

export async function deliver(
  response: ServerResponse,
  type: string,
  delivery: Delivery,
  pause: (ms: number) => Promise<void>,
  closing: AbortSignal,
  beforeLast: () => void,
): Promise<void> {
  if (response.destroyed) return;
  // Registered before anything is written: a client may leave between a write and the wait for its drain.
  const gone = new Promise<void>((resolve) => response.once("close", () => resolve()));
  response.writeHead(200, {
    "content-type": type,
    ...(delivery.gzip ? { "content-encoding": "gzip" } : {}),
  });
  // As providers do, before the first piece; Node would wait for it.
  response.flushHeaders();
  const gzip = delivery.gzip ? createGzip() : null;
  gzip?.pipe(response);
  const sink = gzip ?? response;
  for (const [index, piece] of delivery.pieces.entries()) {
    if (response.destroyed || closing.aborted) return;
    if (delivery.everyMs > 0) await pause(delivery.everyMs);
    if (index === delivery.pieces.length - 1) beforeLast();
    if (!sink.write(piece)) await Promise.race([once(sink, "drain"), gone]);
  }
  if (delivery.end === "end") sink.end();
  // After what was written has left, so that half a body is what arrives.
  if (delivery.end === "cut") response.socket?.destroySoon();
}
