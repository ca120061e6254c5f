/**
 * A program that a test needs and a machine may not have: found, or got from the machine's package manager. As root on
 * Debian it is installed, without a service of it left running; elsewhere the error says what to do.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programOnPath } from "../redis/find-redis.ts";
import { installWithApt } from "../redis/install-with-apt.ts";
import { withLock } from "../redis/lock.ts";

const INSTALL_WAIT_MS = 300_000;

export interface Wanted<Found> {
  /** As people call it. */
  name: string;
  packages: readonly string[];
  /** The service that the package would start; null where it has none. */
  service: string | null;
  /** Null while it is not there. */
  find: () => Found | null;
}

export async function findOrInstall<Found>(
  { name, packages, service, find }: Wanted<Found>,
  say: (line: string) => void,
): Promise<Found> {
  const there = find();
  if (there !== null) return there;
  return withLock(
    join(tmpdir(), `report-fleet-install-${packages[0] ?? name}.lock`),
    INSTALL_WAIT_MS,
    async () => {
      const since = find();
      if (since !== null) return since;
      if (programOnPath("apt-get") !== null && process.getuid?.() === 0) {
        say(`No ${name} here: installing one with \`apt-get install -y ${packages.join(" ")}\` ...`);
        const ended = await installWithApt(["install", "-y", ...packages], service);
        if (ended.code !== 0) say(ended.output.trimEnd());
      }
      const installed = find();
      if (installed !== null) return installed;
      throw new Error(`There is no ${name}, and none could be got: install ${packages.join(", ")}.`);
    },
  );
}
