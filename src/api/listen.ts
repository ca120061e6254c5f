/** Listens and stops listening; the same for the API and for the few paths of a process without it. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Express } from "express";

export interface Address {
  host: string;
  port: number;
}

export interface Listening {
  url: string;
  /** Answers what is under way and takes no new connection. `before` ends what would go on for ever. */
  close(before?: () => void): Promise<void>;
}

const HEADERS_WITHIN_MS = 10_000;
const REQUEST_WITHIN_MS = 60_000;
const CLOSE_WITHIN_MS = 5_000;

export async function listen(app: Express, where: Address): Promise<Listening> {
  const server = createServer(
    { headersTimeout: HEADERS_WITHIN_MS, requestTimeout: REQUEST_WITHIN_MS, maxHeaderSize: 16 * 1_024 },
    app,
  );
  server.maxHeadersCount = 100;
  await begin(server, where);
  const { port } = server.address() as AddressInfo;
  const host = where.host.includes(":") ? `[${where.host}]` : where.host;
  return {
    url: `http://${host}:${port}`,
    async close(before) {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      before?.();
      server.closeIdleConnections();
      const late = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS);
      await closed;
      clearTimeout(late);
    },
  };
}

function begin(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
