import { FleetError } from "../domain/fleet-error.ts";

/** An address that cannot be listened on is a setting that is wrong; anything else stays what it is. */
export function listenError(error: unknown, { host, port }: { host: string; port: number }): unknown {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "EADDRNOTAVAIL") return error;
  return new FleetError(
    "usage",
    `This process cannot listen on ${host}:${port} (${code}). Set HOST, and PORT to a free one or to 0.`,
  );
}
