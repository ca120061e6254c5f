/** The API on its port, and its orderly end. */
import { createApi, type ApiSettings } from "./app.ts";
import { listen, type Address } from "./listen.ts";

export interface ServedApi {
  url: string;
  /** Answers what is under way, ends event streams (their readers resume elsewhere), and takes no new connection. */
  close(): Promise<void>;
}

export async function serveApi(
  settings: Omit<ApiSettings, "isDraining" | "streams">,
  where: Address,
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
  const listening = await listen(app, where);
  return {
    url: listening.url,
    async close() {
      draining = true;
      await listening.close(() => {
        for (const stream of streams) stream.end();
        settings.pages?.close();
      });
    },
  };
}
