/**
 * Where Redis is, in one line of text that every part hands on:
 *
 *     redis://user:password@host:6379/0
 *     rediss://…?ca=/run/secrets/redis-ca.pem                       TLS, with a certificate authority of one's own
 *     redis://user:password@NAME?sentinel=host:26379&sentinel=…     the primary that the sentinels know as NAME
 *
 * Settings of their own (REDIS_CA_FILE, REDIS_SENTINELS, …) become such parameters once, when they are read.
 */
import { readFileSync } from "node:fs";
import type { RedisOptions } from "ioredis";
import { FleetError } from "../domain/fleet-error.ts";

export interface SentinelPlace {
  host: string;
  port: number;
}

const PARAMETERS = ["sentinel", "sentinel-password", "ca"];
const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;

export function redisOptions(address: string) {
  const url = parsed(address);
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined)
    throw unusable(`it has a parameter "${unknown}"; there are ${PARAMETERS.join(", ")}`);
  const sentinels = sentinelsOf(address);
  const ca = url.searchParams.get("ca");
  const trusted = ca === null ? {} : { ca: readCertificates(ca) };
  const tls = url.protocol === "rediss:" ? trusted : null;
  const sentinelPassword = url.searchParams.get("sentinel-password");
  const db = Number(url.pathname.slice(1) || "0");
  if (!Number.isInteger(db)) throw unusable("what follows the host is no number of a database");
  return {
    ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
    db,
    ...(tls === null ? {} : { tls }),
    ...(sentinels.length === 0
      ? { host: unbracketed(url.hostname), port: Number(url.port || REDIS_PORT) }
      : {
          name: url.hostname,
          sentinels,
          ...(sentinelPassword === null ? {} : { sentinelPassword }),
          // Who speaks TLS to the servers speaks it to the sentinels, too.
          ...(tls === null ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
        }),
  } satisfies RedisOptions;
}

export function sentinelsOf(address: string): SentinelPlace[] {
  return parsed(address)
    .searchParams.getAll("sentinel")
    .map((place) => {
      const { hostname, port } = parsed(`redis://${place}`);
      return { host: unbracketed(hostname), port: Number(port || SENTINEL_PORT) };
    });
}

/** Every host that is asked for this address: the server's own, or the sentinels'. */
export function hostsOf(address: string): string[] {
  const sentinels = sentinelsOf(address);
  return sentinels.length > 0 ? sentinels.map(({ host }) => host) : [unbracketed(parsed(address).hostname)];
}

function parsed(address: string): URL {
  if (!URL.canParse(address)) throw unusable("it is no URL");
  return new URL(address);
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new FleetError(
      "usage",
      `The certificate authority of Redis cannot be read from ${file}; see REDIS_CA_FILE.`,
      {
        cause,
      },
    );
  }
}

/** The address itself is not repeated: it may hold a password. */
function unusable(because: string): FleetError {
  return new FleetError("usage", `The address of Redis cannot be used: ${because}.`);
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}
