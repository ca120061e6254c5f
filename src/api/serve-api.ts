/** Listens and stops listening. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createApi, type ApiSettings } from "./app.ts";

export interface ServedApi {
  url: string;
  /** Answers what is under way, ends event streams (their readers resume elsewhere), and takes no new connection. */
  close(): Promise<void>;
}

const HEADERS_WITHIN_MS = 10_000;
const REQUEST_WITHIN_MS = 60_000;
const CLOSE_WITHIN_MS = 5_000;

export async function serveApi(
  settings: Omit<ApiSettings, "isDraining" | "streams">,
  where: { host: string; port: number },
): Promise<ServedApi> {
  let draining = false;
  const streams: ApiSettings["streams"] = new Set();
  const { health } = settings;
  const app = createApi({
    ...settings,
    streams,
    isDraining: () => draining,
    health: { unreadyBecause: () => (draining ? "It is shutting down." : health.unreadyBecause()) },
  });
  const server = createServer(
    { headersTimeout: HEADERS_WITHIN_MS, requestTimeout: REQUEST_WITHIN_MS, maxHeaderSize: 16 * 1_024 },
    app,
  );
  server.maxHeadersCount = 100;
  await listen(server, where);
  const { port } = server.address() as AddressInfo;
  const host = where.host.includes(":") ? `[${where.host}]` : where.host;
  return {
    url: `http://${host}:${port}`,
    async close() {
      draining = true;
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      for (const stream of streams) stream.end();
      settings.pages?.close();
      server.closeIdleConnections();
      const late = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS);
      await closed;
      clearTimeout(late);
    },
  };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
