import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { expect, test } from "vitest";
import type { Redis } from "ioredis";
import { connectForBlocking, endForGood } from "../../../src/store/redis.ts";

/** Nobody listens there any more. */
async function aClosedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Whatever errors are told meanwhile. */
function told(link: Redis, event: "reconnecting" | "end"): Promise<void> {
  return new Promise((resolve) => link.once(event, () => resolve()));
}

test("a process that is told to stop while Redis is away ends, its own links and those that BullMQ makes of them", async () => {
  const own = connectForBlocking(`redis://127.0.0.1:${await aClosedPort()}`);
  for (const link of [own, own.duplicate()]) {
    link.on("error", () => undefined);
    if (link.status !== "reconnecting") await told(link, "reconnecting");
    const ended = told(link, "end");
    const answer = link.get("anything").catch(String);
    link.disconnect();
    await ended;
    expect(await answer).toContain("closed");
    expect(link.status).toBe("end");
  }
});

test("nobody opens a link again that a process has ended for good, as BullMQ would while it closes", async () => {
  const own = connectForBlocking(`redis://127.0.0.1:${await aClosedPort()}`);
  const made = own.duplicate();
  const ended = Promise.all([told(own, "end"), told(made, "end")]);
  endForGood(own);
  await ended;
  for (const link of [own, made]) await expect(link.connect()).rejects.toThrow("Connection is closed.");
  expect([own.status, made.status]).toEqual(["end", "end"]);
});
