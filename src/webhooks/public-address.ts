/**
 * Which addresses a webhook may reach. Only what the whole Internet can reach as well: everything that leads to this
 * machine, its network, its cloud's metadata or through a translator to any of them is refused.
 */
import ipaddr from "ipaddr.js";

export type Reach = "public" | "private" | "forbidden";

/** `private`: loopback and private networks, which development may allow. */
export function reachOf(address: string): Reach {
  // A zone names an interface of this very machine.
  if (address.includes("%") || !ipaddr.isValid(address)) return "forbidden";
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (range === "unicast") {
    // What is not handed out yet belongs to nobody we want to talk to.
    return parsed instanceof ipaddr.IPv6 && !isGlobalUnicast(parsed) ? "forbidden" : "public";
  }
  return range === "loopback" || range === "private" || range === "uniqueLocal" ? "private" : "forbidden";
}

export function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.parse(address).range() === "loopback";
}

function isGlobalUnicast(address: ipaddr.IPv6): boolean {
  return address.match(ipaddr.IPv6.parse("2000::"), 3);
}
