/**
 * The compose files, run for real by podman-compose. Its version in Debian knows neither `--scale` nor
 * `stop_grace_period` nor how to recreate one service, so replicas come from the variable, and stopping says how long.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../../src/cli/free-port.ts";
import type { LedgerRow } from "../../src/llm/simulated/ledger.ts";
import { connectPatiently, openStore, type Store } from "../../src/store/redis.ts";
import { waitFor } from "../../src/testing.ts";

const root = resolve(import.meta.dirname, "../..");
const FILES = ["docker-compose.yml", "docker-compose.simulated.yml"];
/** Beyond the grace period of calls in flight. */
const STOP_SECONDS = "45";
const SERVICES = ["redis", "provider", "api", "orchestrator", "worker", "prometheus"];
const ROLES = ["api", "orchestrator", "worker"] as const;

const exec = promisify(execFile);

export interface ComposeFleet {
  apiUrl: string;
  prometheusUrl: string;
  store(): Promise<Store>;
  /** Brings everything up that is not, with so many workers. */
  up(workers: number): Promise<void>;
  /** Names of the containers of a service that run. */
  containers(service: string): Promise<string[]>;
  podman(...args: string[]): Promise<string>;
  /** The command line, in the orchestrator's container. */
  reportFleet(...args: string[]): Promise<string>;
  /** What the provider was asked, by its own account. */
  ledger(): Promise<LedgerRow[]>;
  /** Stops a role as its grace allows, and starts it from another image. */
  roll(role: (typeof ROLES)[number], image: string): Promise<void>;
  /** Puts the pool in the place of the worker containers. */
  pool(): Promise<void>;
  /** Takes every container away; what is in volumes stays. Afterwards workers are containers of their own again. */
  down(): Promise<void>;
  /** Takes everything away. */
  remove(): Promise<void>;
  /** Last lines of each container, for whoever has to find out why. */
  logs(): Promise<string>;
}

const ofService = (service: string) => `label=com.docker.compose.service=${service}`;

export async function composeFleet(settings: {
  project: string;
  image: string;
  redisImage: string;
  prometheusImage: string;
}): Promise<ComposeFleet> {
  const { project } = settings;
  const [apiPort, prometheusPort] = [await freePort(), await freePort()];
  const redisUser = (
    await podman("run", "--rm", "--entrypoint", "id", settings.redisImage, "-u", "redis")
  ).trim();
  const password = "compose-test-0123456789";
  let image = settings.image;
  let workers = 2;
  let files = FILES;
  let store: { address: string; open: Store } | null = null;

  const compose = (...args: string[]) =>
    exec("podman-compose", ["-p", project, ...files.flatMap((file) => ["-f", file]), ...args], {
      cwd: root,
      maxBuffer: 64 * 1_048_576,
      env: {
        PATH: process.env["PATH"],
        HOME: process.env["HOME"],
        REDIS_PASSWORD: password,
        REDIS_IMAGE: settings.redisImage,
        REDIS_USER: redisUser,
        PROMETHEUS_IMAGE: settings.prometheusImage,
        REPORT_FLEET_IMAGE: image,
        REPORT_TYPES: "types/town-guide.ts",
        // Not started: Grafana is in no package of Debian's, so nothing stands in for its image.
        GRAFANA_PASSWORD: "not-started",
        METRICS_TOKEN: "compose-test-0123456789",
        WORKER_REPLICAS: String(workers),
        API_PORT: String(apiPort),
        PROMETHEUS_PORT: String(prometheusPort),
        SIMULATED_LATENCY: "400-900",
      },
    });
  const ofProject = (...filters: string[]) => [
    "--filter",
    `label=io.podman.compose.project=${project}`,
    ...filters.flatMap((filter) => ["--filter", filter]),
  ];
  const names = async (all: boolean, ...filters: string[]) =>
    (await podman("ps", ...(all ? ["-a"] : []), ...ofProject(...filters), "--format", "{{.Names}}"))
      .split("\n")
      .filter((name) => name !== "")
      .sort();

  async function takeAway(service: string): Promise<void> {
    await compose("stop", "-t", STOP_SECONDS, service);
    for (const name of await names(true, ofService(service))) await podman("rm", name);
  }

  return {
    apiUrl: `http://127.0.0.1:${apiPort}`,
    prometheusUrl: `http://127.0.0.1:${prometheusPort}`,
    podman,
    containers: (service) => names(false, ofService(service)),
    async store() {
      // The container's own address, which may be another one after it was started anew; nothing is published for it.
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      const address = (await podman("inspect", "--format", format, `${project}_redis_1`)).trim();
      if (store?.address !== address) {
        store?.open.redis.disconnect();
        store = {
          address,
          open: openStore(connectPatiently(`redis://:${password}@${address}:6379`), "fleet"),
        };
      }
      return store.open;
    },
    async up(count) {
      workers = count;
      await compose("up", "-d", ...SERVICES);
    },
    reportFleet: (...args) => podman("exec", `${project}_orchestrator_1`, "report-fleet", ...args),
    async ledger() {
      const text = await podman("exec", `${project}_provider_1`, "cat", "/data/ledger.jsonl").catch(() => "");
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as LedgerRow);
    },
    async roll(role, next) {
      await takeAway(role);
      image = next;
      await compose("up", "-d", role);
    },
    async pool() {
      await takeAway("worker");
      files = [...FILES, "docker-compose.pool.yml"];
      await compose("up", "-d", "worker");
    },
    async down() {
      await compose("down", "-t", STOP_SECONDS);
      files = FILES;
    },
    async remove() {
      store?.open.redis.disconnect();
      const left = await names(true);
      if (left.length > 0) await podman("rm", "-f", "-t", "1", ...left);
      const volumes = await podman("volume", "ls", "-q", ...ofProject());
      for (const name of volumes.split("\n").filter((line) => line !== ""))
        await podman("volume", "rm", "-f", name);
      await podman("network", "rm", "-f", `${project}_default`).catch(() => "");
    },
    async logs() {
      const texts = await Promise.all(
        (await names(true)).map(async (name) => {
          const { stdout, stderr } = await exec("podman", ["logs", "--tail", "15", name]).catch(() => ({
            stdout: "",
            stderr: "no log",
          }));
          return `── ${name}\n${stdout}${stderr}`;
        }),
      );
      return texts.join("\n");
    },
  };
}

async function podman(...args: string[]): Promise<string> {
  return (await exec("podman", args, { maxBuffer: 64 * 1_048_576 })).stdout;
}

/** The image with a report type beside the package, as a team would build it, in a version of both. */
export async function imageWithTypes(settings: {
  from: string;
  tag: string;
  packageVersion: string;
  typeVersion: number;
  dir: string;
}): Promise<string> {
  const { from, tag, packageVersion, typeVersion, dir } = settings;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const source = readFileSync(join(root, "test/compose/town-guide.ts"), "utf8")
    .replace("../../src/index.ts", "report-fleet")
    .replace("version: 1,", `version: ${typeVersion},`);
  writeFileSync(join(dir, "town-guide.ts"), source);
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, unknown>;
  writeFileSync(join(dir, "package.json"), JSON.stringify({ ...manifest, version: packageVersion }));
  cpSync(join(root, "test/compose/Dockerfile"), join(dir, "Dockerfile"));
  await podman("build", "-q", "--format", "docker", "--build-arg", `FLEET_IMAGE=${from}`, "-t", tag, dir);
  return tag;
}

/** As `waitFor`, with what the containers say where it does not come true. */
export async function waitForFleet<T>(
  fleet: ComposeFleet,
  condition: () => Promise<T | null | undefined | false>,
  otherwise: () => string,
  limitMs = 120_000,
): Promise<T> {
  try {
    return await waitFor(condition, otherwise, limitMs);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${await fleet.logs()}`, {
      cause: error,
    });
  }
}
