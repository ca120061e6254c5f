/**
 * Groups failures that are the same trouble: equal kind, code and message once everything that differs from one call to
 * the next is taken out. A store or a person looking at 300 parked sections sees three groups.
 */
import { createHash } from "node:crypto";

const HEX_DIGITS = 16;

export function fingerprintOf(kind: string, code: string, message: string): string {
  return createHash("sha256")
    .update([kind, code, normalised(message)].join("\n"))
    .digest("hex")
    .slice(0, HEX_DIGITS);
}

/** Addresses, quotations (a customer's words or a name), ids and numbers are what differs. */
export function normalised(message: string): string {
  return message
    .slice(0, 2_000)
    .toLowerCase()
    .replaceAll(/\bhttps?:\/\/\S{1,500}/g, "<url>")
    .replaceAll(
      /"[^"]{0,2000}"|“[^”]{0,2000}”|`[^`]{0,2000}`|(?<![a-z])'[^'\n]{0,500}'(?![a-z])/g,
      "<quoted>",
    )
    .replaceAll(/\S{1,64}@\S{1,64}/g, "<id>")
    .replaceAll(/\[(?:id|key|email)\]/g, "<id>")
    .replaceAll(/\b[a-z]{1,10}[-_](?=[a-z0-9]*\d)[a-z0-9]{6,64}\b/g, "<id>")
    .replaceAll(/\b(?=[0-9a-f-]*\d)[0-9a-f-]{12,64}\b/g, "<id>")
    .replaceAll(/\d[\d.,:]{0,40}/g, "<n>")
    .replaceAll(/\s+/g, " ")
    .trim();
}
