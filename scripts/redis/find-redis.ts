/**
 * Finds something that can run a Redis here, getting one where there is none.
 *
 * In this order: a server on PATH; the machine's package manager (as root, or Homebrew, which wants no root); a
 * container engine. Without root nothing is installed: asking for a password from inside `npm start` is no manners,
 * so the error names the command to run.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { installWithApt } from "./install-with-apt.ts";
import { withLock } from "./lock.ts";
import { runQuietly } from "./run-quietly.ts";

export type RedisEngine =
  | { kind: "program"; path: string }
  | { kind: "container"; engine: string; image: string };

/** Scripts with flags came with it; older ones refuse ours. */
const OLDEST = { major: 7, minor: 0 };
const CONTAINER_IMAGE = "docker.io/library/redis:7.4-alpine";
const INSTALL_WAIT_MS = 300_000;

const PACKAGE_MANAGERS: readonly { program: string; needsRoot: boolean; attempts: readonly string[][] }[] = [
  { program: "apt-get", needsRoot: true, attempts: [["install", "-y", "redis-server"]] },
  {
    program: "dnf",
    needsRoot: true,
    attempts: [
      ["install", "-y", "valkey"],
      ["install", "-y", "redis"],
    ],
  },
  { program: "apk", needsRoot: true, attempts: [["add", "--no-cache", "redis"]] },
  { program: "brew", needsRoot: false, attempts: [["install", "redis"]] },
];

export async function findRedis(say: (line: string) => void): Promise<RedisEngine> {
  const there = serverOnPath(say);
  if (there !== null) return there;
  // Two set-ups at once (`npm start` and `npm test`) would fight over the package manager's own lock.
  return withLock(join(tmpdir(), "report-fleet-install-redis.lock"), INSTALL_WAIT_MS, async () => {
    const sinceInstalled = serverOnPath(say);
    if (sinceInstalled !== null) return sinceInstalled;
    return (await installed(say)) ?? containerEngine(say) ?? noRedis();
  });
}

function serverOnPath(say: (line: string) => void): RedisEngine | null {
  for (const name of ["redis-server", "valkey-server"]) {
    const path = programOnPath(name);
    if (path === null) continue;
    const banner = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? "";
    const version = /v=(\d+)\.(\d+)/.exec(banner);
    const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
    if (major > OLDEST.major || (major === OLDEST.major && minor >= OLDEST.minor)) {
      return { kind: "program", path };
    }
    say(
      `${path} is too old (${banner.trim() || "no version"}); ${OLDEST.major}.${OLDEST.minor} or newer is needed.`,
    );
  }
  return null;
}

async function installed(say: (line: string) => void): Promise<RedisEngine | null> {
  for (const { program, needsRoot, attempts } of PACKAGE_MANAGERS) {
    if (programOnPath(program) === null) continue;
    if (needsRoot && process.getuid?.() !== 0) continue;
    for (const args of attempts) {
      say(`No Redis here: installing one with \`${program} ${args.join(" ")}\` ...`);
      const ended =
        program === "apt-get" ? await installWithApt(args, "redis-server") : await runQuietly(program, args);
      if (ended.code !== 0) say(ended.output.trimEnd());
      const server = serverOnPath(say);
      if (server !== null) return server;
    }
  }
  return null;
}

function containerEngine(say: (line: string) => void): RedisEngine | null {
  for (const engine of ["docker", "podman"]) {
    if (programOnPath(engine) === null) continue;
    if (spawnSync(engine, ["info"], { stdio: "ignore", timeout: 10_000 }).status !== 0) continue;
    say(`No Redis here: running ${CONTAINER_IMAGE} with ${engine}.`);
    return { kind: "container", engine, image: CONTAINER_IMAGE };
  }
  return null;
}

function noRedis(): never {
  const command = PACKAGE_MANAGERS.find(({ program }) => programOnPath(program) !== null);
  const advice =
    command === undefined
      ? `install Redis ${OLDEST.major}.${OLDEST.minor} or newer`
      : `run \`${command.needsRoot ? "sudo " : ""}${command.program} ${command.attempts[0]?.join(" ")}\``;
  throw new Error(`There is no Redis, and none could be got: ${advice}, or set REDIS_URL to one that runs.`);
}

export function programOnPath(name: string): string | null {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return null;
}
