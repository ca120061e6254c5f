/**
 * A POST to an address that a customer chose, from inside our network.
 *
 * The name is resolved once per request. If any of its addresses is not public, nothing is sent: a name that answers
 * with both is trying something. The connection goes to what was checked, not to a second answer of the resolver, and
 * the address at the other end is looked at once more before a byte is written. Redirects are answers, never followed.
 *
 * What is left open: a public address that forwards into a private network of ours, which only that network can refuse.
 */
import { lookup as systemLookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { Agent, buildConnector, request } from "undici";
import { checkEndpointUrl } from "./endpoint-url.ts";
import { isLoopback, reachOf } from "./public-address.ts";

const LARGEST_HEADERS_BYTES = 16_384;

/** All addresses of a name. */
type Resolve = (hostname: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

export interface Reachable {
  /** Until the status line is there, name resolution and connection included. */
  timeoutMs: number;
  /** Development: this machine and private networks as well. */
  allowPrivate: boolean;
  /** The system's resolver unless a test has its own. */
  resolve?: Resolve;
}

export type Sent =
  | { outcome: "answered"; status: number }
  /** Nothing left: where it leads is no business of a customer. */
  | { outcome: "refused"; because: string }
  | { outcome: "unanswered"; because: "timeout" | "connection_failed" };

class ForbiddenAddress extends Error {}

export async function safePost(
  text: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  reachable: Reachable,
): Promise<Sent> {
  const checked = checkEndpointUrl(text, reachable.allowPrivate);
  if (!checked.ok) return { outcome: "refused", because: checked.because };
  const { url } = checked;
  const timeout = AbortSignal.timeout(reachable.timeoutMs);
  const agent = new Agent({
    connect: connectorFor(url, reachable),
    headersTimeout: reachable.timeoutMs,
    maxHeaderSize: LARGEST_HEADERS_BYTES,
    pipelining: 0,
  });
  try {
    const response = await request(url, {
      method: "POST",
      headers: { ...headers },
      body,
      dispatcher: agent,
      signal: timeout,
    });
    // What the receiver writes is nobody's business here, however much it is.
    response.body.on("error", () => undefined);
    response.body.destroy();
    return { outcome: "answered", status: response.statusCode };
  } catch (error) {
    const forbidden = forbiddenIn(error);
    if (forbidden !== null) return { outcome: "refused", because: forbidden.message };
    return { outcome: "unanswered", because: timeout.aborted ? "timeout" : "connection_failed" };
  } finally {
    await agent.destroy().catch(() => undefined);
  }
}

function connectorFor(url: URL, reachable: Reachable): buildConnector.connector {
  const mayReach = (address: string): boolean => {
    // Without encryption only to this machine itself, whatever the name resolves to by now.
    if (url.protocol === "http:") return reachable.allowPrivate && isLoopback(address);
    const reach = reachOf(address);
    return reach === "public" || (reach === "private" && reachable.allowPrivate);
  };
  const resolve = reachable.resolve ?? resolveAll;
  const lookup: LookupFunction = (hostname, options, callback) => {
    resolve(hostname, (error, addresses) => {
      if (error !== null) return callback(error, "");
      const [first] = addresses;
      if (first === undefined) return callback(new Error(`${hostname} has no address.`), "");
      const forbidden = addresses.find(({ address }) => !mayReach(address));
      if (forbidden !== undefined)
        callback(
          new ForbiddenAddress(`${hostname} leads to ${forbidden.address}, which is no public address`),
          "",
        );
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
  const connect = buildConnector({ lookup, timeout: reachable.timeoutMs, allowH2: false });
  return (options, callback) => {
    connect(options, (error, socket) => {
      if (error !== null) return callback(error, null);
      const address = socket.remoteAddress ?? "";
      if (mayReach(address)) return callback(null, socket);
      socket.destroy();
      callback(new ForbiddenAddress(`${url.hostname} was connected to ${address}`), null);
    });
  };
}

const resolveAll: Resolve = (hostname, done) => {
  systemLookup(hostname, { all: true, verbatim: true }, done);
};

function forbiddenIn(error: unknown): ForbiddenAddress | null {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if (at instanceof ForbiddenAddress) return at;
  return null;
}
