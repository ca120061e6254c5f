/** What may be an endpoint, judged by its text alone; its addresses are judged each time something is sent there. */
import { isIP } from "node:net";
import { isLoopback, reachOf } from "./public-address.ts";

const LONGEST_URL = 2_048;
const PORTS = ["", "443", "8443"];
/** Names that never lead outside, said at once instead of at the first delivery. */
const INSIDE = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa|localdomain)\.?$/;

export type EndpointUrl = { ok: true; url: URL } | { ok: false; because: string };

/** `allowPrivate` is for development: http to this machine, any port, private networks. */
export function checkEndpointUrl(text: string, allowPrivate: boolean): EndpointUrl {
  if (text.length > LONGEST_URL) return no(`it is longer than ${LONGEST_URL} characters`);
  // The parser would drop or turn these silently, and what a person reads were not what is asked.
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes("\\"))
    return no("it has blanks, backslashes or characters outside ASCII");
  if (!URL.canParse(text)) return no("it is no absolute URL");
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const thisMachine = isLoopback(host) || host === "localhost";
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:" && thisMachine))
    return no("it does not start with https://");
  if (url.username !== "" || url.password !== "" || /^[a-z]+:\/\/[^/?#]*@/i.test(text))
    return no("it holds a name or password; the signature says who sends it");
  if (!allowPrivate && !PORTS.includes(url.port)) return no("its port is neither 443 nor 8443");
  if (isIP(host) === 0) {
    if (!(allowPrivate && thisMachine) && (INSIDE.test(host) || !host.includes(".")))
      return no(`${host} is a name inside a network`);
  } else {
    const reach = reachOf(host);
    if (reach === "forbidden" || (reach === "private" && !allowPrivate))
      return no(`${host} is no public address`);
  }
  return { ok: true, url };
}

function no(because: string): EndpointUrl {
  return { ok: false, because };
}
