/**
 * `npm run test:compose`: the compose files and the image, built and run for real with podman. Needs Linux and root; brings
 * podman from apt. Where no registry of images is reached, a program that makes local stand-ins takes its place:
 * `LOCAL_IMAGES`, or `shared/tools/local-images` in a folder above.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { installWithApt } from "./redis/install-with-apt.ts";
import { runQuietly } from "./redis/run-quietly.ts";
import { root, run, runTool } from "./tools.ts";

const IMAGES = {
  node: "docker.io/library/node:24-bookworm-slim",
  redis: "docker.io/library/redis:8",
  prometheus: "docker.io/prom/prometheus:v3",
};
const PACKAGES = ["podman", "podman-compose", "runc", "netavark", "aardvark-dns", "iptables"];
const IMAGE = "localhost/report-fleet:compose-test";
const PULL_WITHIN_S = "120";

if (process.getuid?.() !== 0) fail("This starts containers and networks, and needs root.");
await bringPodman();
await bringImages();
console.log(`Building ${IMAGE} ...`);
const built = await runQuietly("podman", [
  "build",
  "--format",
  "docker",
  "--network=host",
  "-t",
  IMAGE,
  root,
]);
if (built.code !== 0) fail(`The image does not build:\n${built.output}`);

process.env["COMPOSE_IMAGE"] = IMAGE;
process.env["COMPOSE_REDIS_IMAGE"] = IMAGES.redis;
process.env["COMPOSE_PROMETHEUS_IMAGE"] = IMAGES.prometheus;
process.exitCode = (
  await runTool("vitest", ["run", "--config", "vitest.compose.config.ts", ...process.argv.slice(2)])
).code;

async function bringPodman(): Promise<void> {
  const known = await Promise.all(PACKAGES.map((name) => runQuietly("dpkg", ["-s", name])));
  const missing = PACKAGES.filter((_, index) => known[index]?.code !== 0);
  if (missing.length === 0) return;
  console.log(`Installing ${missing.join(", ")} ...`);
  const ended = await installWithApt(["install", "-y", ...missing]);
  if (ended.code !== 0) fail(`apt-get could not install ${missing.join(", ")}:\n${ended.output}`);
}

async function bringImages(): Promise<void> {
  const missing: string[] = [];
  for (const image of Object.values(IMAGES))
    if ((await runQuietly("podman", ["image", "exists", image])).code !== 0) missing.push(image);
  if (missing.length === 0) return;
  const standIns = localImages();
  if (standIns !== null) {
    console.log(`Making stand-ins for ${missing.join(", ")} ...`);
    const made = await run("bash", [standIns, IMAGES.node, IMAGES.redis, IMAGES.prometheus], { cwd: root });
    if (made.code !== 0) fail("The stand-ins could not be made; its own message is above.");
    return;
  }
  for (const image of missing) {
    console.log(`Pulling ${image} ...`);
    const pulled = await runQuietly("timeout", [PULL_WITHIN_S, "podman", "pull", "-q", image]);
    if (pulled.code !== 0)
      fail(`${image} cannot be pulled, and no LOCAL_IMAGES makes a stand-in for it:\n${pulled.output}`);
  }
}

function localImages(): string | null {
  const named = process.env["LOCAL_IMAGES"];
  if (named !== undefined && named !== "") return named;
  for (let folder = dirname(root.replace(/\/$/, "")); ; folder = dirname(folder)) {
    const program = join(folder, "shared/tools/local-images");
    if (existsSync(program)) return program;
    if (folder === dirname(folder)) return null;
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
