/**
 * Where the console may be served. On loopback it needs no users: whoever is on this machine can make a one-time link.
 * Beyond it, it needs people with passwords and an address that is https, or it is left out, and the log says so.
 */
import type { Pages } from "../api/app.ts";
import type { ApiDesk } from "../api/route.ts";
import { isLoopback } from "../api/check-exposure.ts";
import type { Config } from "../config.ts";
import { createConsole } from "./console.ts";
import { loadUsers } from "./users.ts";

type Settings = Pick<Config, "console" | "caps"> & {
  api: Pick<Config["api"], "host">;
};

/** Null where it may be served, else what is missing. */
export function consoleMissing({ console: { url, users, usersFile }, api }: Settings): string | null {
  if (isLoopback(api.host)) return null;
  if (users === null && usersFile === null)
    return `HOST is ${api.host} and nobody may sign in; set CONSOLE_USERS_FILE (\`report-fleet console hash\` prints its lines)`;
  if (url === null || (!url.startsWith("https:") && !isLoopback(new URL(url).hostname)))
    return `HOST is ${api.host} and CONSOLE_URL is no https address, so passwords would travel in the clear`;
  return null;
}

/** What `startApi` mounts; null where the console may not be served. */
export function openConsole(
  config: Settings,
): ((desk: ApiDesk, onError: (error: unknown, requestId: string) => void) => Pages) | null {
  if (consoleMissing(config) !== null) return null;
  const users = loadUsers(config.console);
  const { environment, url } = config.console;
  return (desk, onError) =>
    createConsole({
      desk: { ...desk, caps: config.caps, environment },
      users,
      secure: url?.startsWith("https:") === true,
      onError,
    });
}
