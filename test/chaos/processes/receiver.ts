/**
 * Somebody else's server that is told by webhooks. It writes down what it was sent and whether the signature holds, and
 * now and then answers badly: a fixed share of the messages is refused the first time.
 */
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { accountsIn, writeDown, type WebhookRow } from "../witnesses.ts";

export type ToReceiver = { endpoint: string; secret: string };
export type FromReceiver = { url: string };

const [file = "", seed = ""] = process.argv.slice(2);
const REFUSED_SHARE = 0.15;

const secrets = new Map<string, string>();
process.on("message", ({ endpoint, secret }: ToReceiver) => secrets.set(endpoint, secret));
process.on("disconnect", () => process.exit(0));

const refused = new Set<string>();

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString("utf8");
    const endpoint = (request.url ?? "").slice(1);
    const id = request.headers["webhook-id"]?.toString() ?? "";
    const message = JSON.parse(body) as { type: string; data: Record<string, unknown> };
    const answered = refusesFirst(id) ? 503 : 204;
    writeDown(file, {
      at: Date.now(),
      endpoint,
      id,
      signed: isSigned(endpoint, body, request.headers),
      answered,
      type: message.type,
      data: message.data,
      canaries: [...accountsIn(body)],
    } satisfies WebhookRow);
    response.writeHead(answered).end();
  });
});
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}` } satisfies FromReceiver);
});

function refusesFirst(id: string): boolean {
  if (refused.has(id)) return false;
  refused.add(id);
  return (createHash("sha1").update(`${seed}/${id}`).digest()[0] ?? 0) / 256 < REFUSED_SHARE;
}

function isSigned(endpoint: string, body: string, headers: NodeJS.Dict<string | string[]>): boolean {
  try {
    const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
    new Webhook(secrets.get(endpoint) ?? "").verify(body, named);
    return true;
  } catch {
    return false;
  }
}
