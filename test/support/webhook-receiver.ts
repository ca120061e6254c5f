/** Somebody else's server: keeps what it was sent, byte for byte, and answers as the test says. */
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

export interface ReceivedWebhook {
  id: string;
  headers: Record<string, string>;
  body: string;
  message: { type: string; timestamp: string; data: Record<string, unknown> };
}

export interface WebhookReceiver {
  url: string;
  received: readonly ReceivedWebhook[];
  /** What was sent for events of this type. */
  of(type: string): ReceivedWebhook[];
  /** The status for a request; `hang` never answers. */
  answer: (webhook: ReceivedWebhook) => number | "hang";
  close(): Promise<void>;
}

/** With a certificate it speaks TLS, and is called by the name in it. */
export async function startWebhookReceiver(tls?: {
  key: string;
  cert: string;
  host: string;
}): Promise<WebhookReceiver> {
  const received: ReceivedWebhook[] = [];
  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      const webhook: ReceivedWebhook = {
        id: headers["webhook-id"] ?? "",
        headers,
        body,
        message: JSON.parse(body) as ReceivedWebhook["message"],
      };
      received.push(webhook);
      const status = receiver.answer(webhook);
      if (status !== "hang") response.writeHead(status).end();
    });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const receiver: WebhookReceiver = {
    url: `${tls === undefined ? "http://127.0.0.1" : `https://${tls.host}`}:${(server.address() as AddressInfo).port}/hooks`,
    received,
    of: (type) => received.filter(({ message }) => message.type === type),
    answer: () => 204,
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections();
        server.close(() => closed());
      }),
  };
  return receiver;
}

/** The reference library's own judgement. */
export function isSignedWith(secret: string, { body, headers }: ReceivedWebhook): boolean {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}
