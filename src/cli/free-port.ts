/** Ports for programs that have to be told theirs, or that must find it free again when they come back. */
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Kernels take the ports of outgoing connections from 32768 on, or higher; such a connection may hold a port just when its
 * server is down or not up yet.
 */
const FIRST = 20_000;
const COUNT = 12_000;
const MOST_TRIES = 100;

/** One on 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error(`None of ${MOST_TRIES} ports tried from ${FIRST} to ${FIRST + COUNT} is free.`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
