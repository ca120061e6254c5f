/** What must hold for the compose files without starting anything; `npm run test:compose` runs them for real. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../../src/config.ts";
import { listSettings } from "../../../src/config/settings.ts";
import { DEFAULT_POOL } from "../../../src/domain/warm-pool.ts";
import { asDuration, poolNumbersIn } from "../../support/pool-numbers.ts";

const root = resolve(import.meta.dirname, "../../..");

interface Service {
  image: string;
  command?: string | string[];
  environment?: Record<string, string>;
  ports?: string[];
  volumes?: string[];
  deploy?: { replicas: number | string };
  stop_grace_period?: string;
  healthcheck?: { test: string };
  depends_on?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  privileged?: boolean;
}

const read = (file: string) => readFileSync(join(root, file), "utf8");
const servicesOf = (file: string) =>
  (parse(read(file), { merge: true }) as { services: Record<string, Service> }).services;

const services = servicesOf("docker-compose.yml");
const simulated = servicesOf("docker-compose.simulated.yml");
const pooled = servicesOf("docker-compose.pool.yml");
const roles = ["api", "orchestrator", "worker"] as const;

function service(name: string, among = services): Service {
  const found = among[name];
  if (found === undefined) throw new Error(`There is no service ${name}.`);
  return found;
}

const wordsOf = ({ command = [] }: Service) => (typeof command === "string" ? command.split(" ") : command);

/** `${NAME:-fallback}` → fallback. */
const fallback = (text: string | number) => /:-([^}]*)\}/.exec(String(text))?.[1] ?? String(text);

test("only workers are given the provider's key", () => {
  const holders = Object.entries(services).filter(([, { environment = {} }]) =>
    Object.keys(environment).some((name) => name.startsWith("OPENAI_")),
  );
  expect(holders.map(([name]) => name)).toEqual(["worker"]);
});

test("nothing listens beyond the loopback of the machine", () => {
  const ports = [...Object.values(services), ...Object.values(simulated)].flatMap(
    ({ ports: some = [] }) => some,
  );
  expect(ports.length).toBeGreaterThan(0);
  expect(ports.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual([]);
});

test("every container has a read-only root, no capability, and no way to new privileges", () => {
  const added = Object.entries(simulated).filter(([name]) => !(name in services));
  for (const [name, one] of [...Object.entries(services), ...added])
    expect([name, one.read_only, one.cap_drop, one.security_opt, one.privileged]).toEqual([
      name,
      true,
      ["ALL"],
      ["no-new-privileges:true"],
      undefined,
    ]);
});

test("a role that is stopped gets longer than the calls in flight get to answer", () => {
  const graceMs = loadConfig({}).durations.graceMs;
  for (const role of roles)
    expect(asDuration(service(role).stop_grace_period ?? "0s")).toBeGreaterThan(graceMs + 10_000);
  const poolEndMs = loadConfig({}).durations.poolEndMs;
  expect(asDuration(service("worker", pooled).stop_grace_period ?? "0s")).toBeGreaterThan(
    graceMs + poolEndMs,
  );
});

test("Redis keeps what it acknowledged, refuses instead of forgetting, and has a password that no process list shows", () => {
  const { environment = {} } = service("redis");
  const settings = wordsOf(service("redis")).join("\n");
  for (const line of ["appendonly yes", "appendfsync always", "maxmemory-policy noeviction"])
    expect(settings).toContain(line);
  expect(settings).toContain("requirepass $$REDISCLI_AUTH");
  expect(environment["REDISCLI_AUTH"]).toMatch(/^\$\{REDIS_PASSWORD:\?/);
});

test("Redis is stopped after every role, and no role needs it to be healthy to be started", () => {
  for (const role of roles) expect(service(role).depends_on).toEqual(["redis"]);
});

test("workers are as many and write as many sections as the pool that is kept warm", () => {
  const worker = service("worker");
  expect(Number(fallback(worker.deploy?.replicas ?? 0))).toBe(DEFAULT_POOL.replicas.least);
  const command = wordsOf(worker);
  expect(Number(command[command.indexOf("--concurrency") + 1])).toBe(DEFAULT_POOL.concurrency);
});

test("the pool in a container has the four numbers of the domain", () => {
  const worker = service("worker", pooled);
  // Debian's podman-compose adds lists to each other, and refuses a list in the place of a text.
  expect(typeof worker.command).toBe("string");
  expect(typeof service("worker").command).toBe("string");
  expect(poolNumbersIn(wordsOf(worker))).toEqual(DEFAULT_POOL);
  expect(fallback(worker.deploy?.replicas ?? 0)).toBe("1");
});

test("every variable that the files take is explained in .env.example, and no secret stands there", () => {
  const example = read(".env.example");
  const files = ["docker-compose.yml", "docker-compose.simulated.yml", "docker-compose.pool.yml"]
    .map(read)
    .join("\n");
  const taken = new Set([...files.matchAll(/(?<!\$)\$\{([A-Z_]+)/g)].map(([, name = ""]) => name));
  // Images, users and the like are for tests and mirrors.
  const known = [...taken].filter(
    (name) => !/(_IMAGE|REDIS_USER|POOL_REPLICAS|FLEET|LOG_LEVEL|SIMULATED_LATENCY)$/.test(name),
  );
  expect(known.filter((name) => !new RegExp(`^(# )?${name}=`, "m").test(example))).toEqual([]);
  expect([...example.matchAll(/^([A-Z_]+)=(.+)$/gm)].map(([line]) => line)).toEqual([]);
});

test("every setting that a role is given is one that it knows", () => {
  const known = new Set(listSettings().map(({ name }) => name));
  for (const role of roles)
    expect(Object.keys(service(role).environment ?? {}).filter((name) => !known.has(name))).toEqual([]);
});

test("a setting that one role is given, every role that needs it is given as well", () => {
  const lacking = listSettings().flatMap(({ name, roles: needed }) => {
    const needing = roles.filter((role) => needed.includes(role));
    const without = needing.filter((role) => !(name in (service(role).environment ?? {})));
    return without.length < needing.length ? without.map((role) => `${role} lacks ${name}`) : [];
  });
  expect(lacking).toEqual([]);
});

test("what a container is given of this repository is there", () => {
  const mounted = Object.values(services)
    .flatMap(({ volumes = [] }) => volumes)
    .filter((volume) => volume.startsWith("./"))
    .map((volume) => volume.split(":")[0] ?? "");
  expect(mounted.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test("the image brings neither a package manager nor root, and every base image of it is the same", () => {
  const dockerfile = read("Dockerfile");
  expect(new Set([...dockerfile.matchAll(/^FROM (docker\.io\S+)/gm)].map(([, image]) => image))).toEqual(
    new Set(["docker.io/library/node:24-bookworm-slim"]),
  );
  expect(dockerfile).toMatch(/^USER 10001:10001$/m);
  expect(dockerfile).toContain("rm -rf /usr/local/lib/node_modules");
});
