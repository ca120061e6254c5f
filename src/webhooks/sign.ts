/** Signatures of the Standard Webhooks specification 1.0: HMAC-SHA-256 over id, time and body, one for each secret. */
import { createHmac, randomBytes } from "node:crypto";

const PREFIX = "whsec_";
const SECRET_BYTES = 32;

export function newSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString("base64")}`;
}

export function signedHeaders(
  message: string,
  nowMs: number,
  body: string,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  return {
    "content-type": "application/json",
    "user-agent": "report-fleet-webhooks/1",
    "webhook-id": message,
    "webhook-timestamp": timestamp,
    "webhook-signature": secrets
      .map((secret) => signature(secret, `${message}.${timestamp}.${body}`))
      .join(" "),
  };
}

function signature(secret: string, content: string): string {
  const key = Buffer.from(secret.slice(PREFIX.length), "base64");
  return `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
}
