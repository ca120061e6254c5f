/** What a process says and does when it is started on a Redis that a fleet should not, or may, live on. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { quickClient, startRedisServer, type RedisServer } from "../../scripts/redis/redis-server.ts";
import { findRedis } from "../../scripts/redis/find-redis.ts";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { startTestFleet } from "../../src/testing.ts";
import { startCommand, type RunningCommand } from "../support/command-line.ts";
import { makeCertificate } from "../support/own-authority.ts";
import { aTopicType } from "../support/report-types/index.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function aDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  closing.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function aRedis(durable: boolean): Promise<RedisServer> {
  const engine = await findRedis((line) => process.stderr.write(`${line}\n`));
  const server = await startRedisServer({ engine, dir: aDir(), durable, diesWithUs: true });
  closing.push(() => server.stop());
  return server;
}

async function configure(server: RedisServer, ...settings: string[]): Promise<void> {
  const redis = quickClient(server.port);
  await redis.call("CONFIG", "SET", ...settings);
  redis.disconnect();
}

/** Without ACCEPT_LOSS, as an operator who has never heard of it. */
function start(url: string, env: NodeJS.ProcessEnv = {}): RunningCommand {
  const running = startCommand(["start", "--roles", "orchestrator"], {
    env: { REDIS_URL: url, ACCEPT_LOSS: "", LOG_LEVEL: "info", ...env },
  });
  closing.push(() => running.child.kill("SIGKILL"));
  return running;
}

test("on a Redis that forgets, nothing starts until the loss is accepted by name, and then the log says so", async () => {
  const server = await aRedis(false);
  const refused = await start(server.url).finished;
  expect(refused.code).toBe(EXIT.usage);
  expect(refused.stdout).toBe("");
  expect(refused.stderr).toContain("Class C");
  expect(refused.stderr).toContain("ACCEPT_LOSS=restart");

  const accepted = start(server.url, { ACCEPT_LOSS: "restart" });
  await accepted.firstLine;
  accepted.child.kill("SIGTERM");
  expect((await accepted.finished).stderr).toContain("Class C, accepted by ACCEPT_LOSS");
});

test("on a Redis that flushes every write, the log says what that is worth", async () => {
  const server = await aRedis(true);
  const running = start(server.url);
  await running.firstLine;
  running.child.kill("SIGTERM");
  const { stderr } = await running.finished;
  expect(stderr).toMatch(/"level":30.*Class A .*a power cut loses nothing that was acknowledged/);
});

test("a Redis that evicts, and one that is a replica, are refused with what to change", async () => {
  const server = await aRedis(true);
  await configure(server, "maxmemory-policy", "allkeys-lru");
  expect((await start(server.url).finished).stderr).toContain("Set maxmemory-policy noeviction.");

  await configure(server, "maxmemory-policy", "noeviction");
  const primary = await aRedis(true);
  const redis = quickClient(server.port);
  await redis.call("REPLICAOF", "127.0.0.1", primary.port);
  redis.disconnect();
  const refused = await start(server.url).finished;
  expect(refused.code).toBe(EXIT.usage);
  expect(refused.stderr).toContain("Point REDIS_URL at the primary");
});

test("a user with the rights that docs/redis.md names is enough for a fleet, and one without config|get is told of it", async () => {
  const server = await aRedis(true);
  const redis = quickClient(server.port);
  const page = readFileSync(new URL("../../docs/redis.md", import.meta.url), "utf8");
  const rights = /^ACL SETUSER fleet .*?(~.*)$/m.exec(page)?.[1] ?? "";
  await redis.call("ACL", "SETUSER", "fleet", "on", ">secret", ...rights.split(" "));
  const url = `redis://fleet:secret@127.0.0.1:${server.port}`;
  const fleet = await startTestFleet({ redisUrl: url, fleet: "fleet", types: [aTopicType] });
  closing.push(() => fleet.stop());
  await fleet.grant("acme", 5);
  await fleet.delivered(await fleet.submit({ account: "acme", type: "topic", source: { topic: "rights" } }));
  expect(await fleet.store.redis.get("of-somebody-else").catch(String)).toContain("NOPERM");

  await redis.call("ACL", "SETUSER", "fleet", "-config");
  redis.disconnect();
  const untold = start(url);
  await untold.firstLine;
  untold.child.kill("SIGTERM");
  expect((await untold.finished).stderr).toContain("Allow the user config|get");
});

test("a role that comes back while Redis has no room starts all the same, and says what that means", async () => {
  const server = await aRedis(true);
  await configure(server, "maxmemory", "1mb");
  const running = start(server.url);
  await running.firstLine;
  running.child.kill("SIGTERM");
  const { code, stderr } = await running.finished;
  expect(code).toBe(EXIT.ok);
  expect(stderr).toContain("orders are refused and no section is begun");
});

test("a role that Redis lets do too little says so and ends, so that whoever runs it sees it", async () => {
  const server = await aRedis(true);
  const redis = quickClient(server.port);
  await redis.call(
    "ACL",
    "SETUSER",
    "reader",
    "on",
    ">secret",
    "~*",
    "&*",
    "+@read",
    "+@connection",
    "+info",
  );
  redis.disconnect();
  const refused = await start(`redis://reader:secret@127.0.0.1:${server.port}`).finished;
  expect(refused.code).toBe(EXIT.error);
  expect(refused.stderr).toContain("NOPERM");
});

test("a fleet reaches a Redis that speaks TLS only, with an authority of its own, and not without knowing it", async () => {
  const { caFile, keyFile, certFile } = makeCertificate(aDir(), "IP:127.0.0.1");
  const server = await aRedis(true);
  await configure(
    server,
    "tls-cert-file",
    certFile,
    "tls-key-file",
    keyFile,
    "tls-ca-cert-file",
    caFile,
    "tls-auth-clients",
    "no",
    "tls-port",
    "0",
  );
  // Any free port: this one was free a moment ago.
  const port = await aRedis(false).then(async (probe) => (await probe.stop(), probe.port));
  await configure(server, "tls-port", String(port));

  const url = `rediss://127.0.0.1:${port}`;
  const known = start(url, { REDIS_CA_FILE: caFile });
  await known.firstLine;
  known.child.kill("SIGTERM");
  await known.finished;
  const unknown = await startCommand(["ls"], { env: { REDIS_URL: url } }).finished;
  expect(unknown.code).toBe(EXIT.redisUnreachable);
});
