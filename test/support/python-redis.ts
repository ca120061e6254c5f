/**
 * The Python of the system with its Redis client, got from the package manager where it is missing, as Redis is. Not any
 * `python3` on PATH: version managers put one there that does not see the system's packages.
 */
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installWithApt } from "../../scripts/redis/install-with-apt.ts";
import { withLock } from "../../scripts/redis/lock.ts";

const PYTHON = "/usr/bin/python3";
const INSTALL_WAIT_MS = 300_000;

export async function pythonWithRedis(): Promise<string> {
  if (hasRedis()) return PYTHON;
  return withLock(join(tmpdir(), "report-fleet-install-python.lock"), INSTALL_WAIT_MS, async () => {
    if (hasRedis()) return PYTHON;
    const { output } = await installWithApt(["install", "-y", "python3", "python3-redis"]);
    if (hasRedis()) return PYTHON;
    throw new Error(
      `The Python examples need python3-redis: run \`sudo apt-get install python3-redis\`.\n${output}`,
    );
  });
}

function hasRedis(): boolean {
  return spawnSync(PYTHON, ["-c", "import redis"], { stdio: "ignore" }).status === 0;
}
