/**
 * Stored text, compressed where it pays, with a hash that is checked when it is read: Redis starts happily on an
 * append-only file with flipped bytes, and a checkpoint that was paid for must not be served corrupted.
 *
 * Layout: 1 byte codec, 8 bytes of SHA-256 over the text, then the bytes.
 */
import { hash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";

const PLAIN = 1;
const DEFLATED = 2;
const HASH_BYTES = 8;
/** Below this, compressing costs more than all else that is done for an answer, and gains a few hundred bytes. */
const WORTH_COMPRESSING_BYTES = 2_048;
/** No stored text is larger; a corrupt length must not exhaust the memory. */
const LARGEST_TEXT_BYTES = 64 * 1024 * 1024;

export type Unpacked = { ok: true; text: string } | { ok: false; because: string };

export function pack(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length < WORTH_COMPRESSING_BYTES) return Buffer.concat([Buffer.of(PLAIN), hashOf(bytes), bytes]);
  return Buffer.concat([Buffer.of(DEFLATED), hashOf(bytes), deflateRawSync(bytes)]);
}

export function unpack(packed: Buffer): Unpacked {
  const codec = packed[0];
  const stored = packed.subarray(1, 1 + HASH_BYTES);
  const body = packed.subarray(1 + HASH_BYTES);
  let bytes: Buffer;
  try {
    if (codec === PLAIN) bytes = body;
    else if (codec === DEFLATED) bytes = inflateRawSync(body, { maxOutputLength: LARGEST_TEXT_BYTES });
    else return { ok: false, because: `unknown codec ${String(codec)}` };
  } catch (error) {
    return { ok: false, because: error instanceof Error ? error.message : String(error) };
  }
  if (!hashOf(bytes).equals(stored)) return { ok: false, because: "its hash does not match" };
  return { ok: true, text: bytes.toString("utf8") };
}

function hashOf(bytes: Buffer): Buffer {
  return hash("sha256", bytes, "buffer").subarray(0, HASH_BYTES);
}

export function packJson(value: unknown): Buffer {
  return pack(JSON.stringify(value));
}
