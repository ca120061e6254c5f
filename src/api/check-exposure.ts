/**
 * Who can reach this process, and the Redis behind it? On loopback that is the machine's own affair. Beyond it, a door
 * without a lock is refused at the start, since afterwards nobody looks.
 */
import { FleetError } from "../domain/fleet-error.ts";
import { hostsOf } from "../store/redis-address.ts";

export function checkRedisExposure(redisUrl: string): void {
  const beyond = hostsOf(redisUrl).find((host) => !isLoopback(host));
  if (beyond === undefined || new URL(redisUrl).password !== "") return;
  throw new FleetError(
    "usage",
    `Redis at ${beyond} is not on this machine and REDIS_URL has no password, so anybody who reaches it could read and change every report. ` +
      "Set a password in Redis (requirepass or an ACL user) and in REDIS_URL: redis://user:password@host:port.",
  );
}

export function checkApiExposure(host: string, hasAdminKey: boolean): void {
  if (isLoopback(host) || hasAdminKey) return;
  throw new FleetError(
    "usage",
    `HOST is ${host}, so the API would be reachable from other machines, and it has no admin key yet. ` +
      "Create one first (`report-fleet keys create --name ops --scopes admin`), or leave HOST at 127.0.0.1.",
  );
}

export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
