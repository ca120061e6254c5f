/** The role `api` as a process of its own, started and looked after by the commands an operator has. */
import { expect, onTestFinished, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { SIMULATED_MODELS } from "../../src/llm/prices.ts";
import { startSimulatedProvider, startTestFleet, waitFor } from "../../src/testing.ts";
import { aKey, call } from "../support/api.ts";
import { runCommand, startCommand } from "../support/command-line.ts";
import { startPrivateRedis, testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const TYPES = new URL("../support/report-types/index.ts", import.meta.url).pathname;
const PROVIDER_SECRET = "sk-canary-0123456789abcdef";
const CANARY = "canary-marmalade";

async function startApiProcess(env: NodeJS.ProcessEnv, roles = "api") {
  const command = startCommand(["start", "--roles", roles, "--json"], {
    env: { REPORT_TYPES: TYPES, PORT: "0", LOG_LEVEL: "debug", ...env },
  });
  onTestFinished(async () => {
    command.child.kill("SIGKILL");
    await command.finished;
  });
  const { url } = JSON.parse(await command.firstLine) as { url: string };
  return { ...command, url };
}

async function createKey(env: NodeJS.ProcessEnv, ...args: string[]): Promise<{ id: string; text: string }> {
  const made = await runCommand(["keys", "create", "--name", "shop", ...args, "--json"], { env });
  expect(made).toMatchObject({ code: EXIT.ok });
  const { id, key } = JSON.parse(made.stdout) as { id: string; key: string };
  return { id, text: key };
}

test("a key that is revoked is refused within a second by every process", async () => {
  const env = { REDIS_URL: testRedisUrl(), FLEET: uniqueFleet("api-process") };
  const [first, second] = await Promise.all([startApiProcess(env), startApiProcess(env)]);
  const key = await createKey(env, "--account", "acme", "--scopes", "reports:read");
  for (const api of [first, second]) expect((await call(api, key, "GET", "/v1/reports")).status).toBe(200);

  const revoked = await runCommand(["keys", "revoke", key.id, "--by", "ada"], { env });
  expect(revoked.code).toBe(EXIT.ok);
  for (const api of [first, second]) expect((await call(api, key, "GET", "/v1/reports")).status).toBe(401);
  const listed = await runCommand(["keys", "ls"], { env });
  expect(listed.stdout).toContain(key.id);
  expect(listed.stdout).not.toContain(key.text);
});

test("no secret and no word of a customer or a model is in logs, jobs, key listings or refusals", async () => {
  const provider = await startSimulatedProvider({ latency: "none" });
  onTestFinished(() => provider.close());
  const env = {
    REDIS_URL: testRedisUrl(),
    FLEET: uniqueFleet("canary"),
    OPENAI_API_KEY: PROVIDER_SECRET,
    OPENAI_BASE_URL: provider.url,
    OPENAI_MODEL: SIMULATED_MODELS[0],
  };
  const api = await startApiProcess(env, "api,orchestrator,worker");
  const key = await createKey(env, "--account", "acme", "--scopes", "reports:read,reports:write");
  await runCommand(["credits", "grant", "--account", "acme", "--amount", "50", "--reference", "1"], { env });
  const order = (source: object) =>
    call(api, key, "POST", "/v1/reports", {
      body: { type: "topic", source },
      headers: { "Idempotency-Key": JSON.stringify(source).replaceAll(" ", "") },
    });
  const { json } = await order({ topic: CANARY });
  await waitFor(
    async () => (await call(api, key, "GET", `/v1/reports/${json.id}`)).json.status === "completed",
    () => "it is not delivered",
  );
  const refusals = await Promise.all([
    order({ topik: CANARY }),
    order({ topic: [CANARY] }),
    call(api, key, "POST", "/v1/reports", { raw: `{"${CANARY}"`, headers: { "Idempotency-Key": "x" } }),
    call(api, { text: `${key.text}x` }, "GET", "/v1/reports"),
  ]);
  const document = await call(api, key, "GET", `/v1/reports/${json.id}/output`);
  // A sentence of the model: it must be where it belongs, and nowhere below.
  const [, sentence = ""] =
    /\n\n([A-Z][^.\n]{30,})\./.exec(document.text.split("## The first part")[1] ?? "") ?? [];
  expect(sentence.length).toBeGreaterThan(30);

  const store = await startTestFleet({
    redisUrl: env.REDIS_URL,
    fleet: env.FLEET,
    types: [aTopicType],
    roles: [],
    provider,
  });
  onTestFinished(() => store.stop());
  const { redis } = store.store;
  const jobs: string[] = [];
  for (const name of await redis.keys(`{${env.FLEET}}:*`))
    if (/:(reports|sections\.topic):/.test(name) && (await redis.type(name)) === "hash")
      jobs.push(JSON.stringify(await redis.hgetall(name)));
  expect(jobs.length).toBeGreaterThan(2);
  const events = JSON.stringify(await redis.xrange(`{${env.FLEET}}:events`, "-", "+"));

  api.child.kill("SIGTERM");
  const { stdout, stderr, code } = await api.finished;
  expect(code).toBe(EXIT.ok);
  expect(stderr).toContain("report.submitted");
  // One line tells the whole story to whoever has the id.
  const stories = stderr.split("\n").filter((line) => line.includes('"tookMs"'));
  expect(stories.map((line) => JSON.parse(line))).toMatchObject([
    {
      report: json.id,
      status: "completed",
      delivery: "full",
      sections: { done: 2, total: 2 },
      calls: { asked: 2, answered: 2 },
      wastedMicros: 0,
      charged: 5,
      msg: expect.stringMatching(
        /delivered after .*; 2 of 2 sections; 2 calls; \$.* spent; 5 of 5 credits charged$/,
      ),
    },
  ]);
  const secret = key.text.slice(-43);
  const sinks = {
    stdout,
    stderr,
    jobs: jobs.join("\n"),
    events,
    refusals: refusals.map(({ text }) => text).join("\n"),
  };
  const leaks = Object.entries(sinks).flatMap(([sink, text]) =>
    [CANARY, PROVIDER_SECRET, secret, sentence]
      .filter((mark) => text.includes(mark))
      .map((mark) => [sink, mark]),
  );
  expect(leaks).toEqual([]);
});

test("a door without a lock is not opened: beyond this machine it takes an admin key, and a password for Redis", async () => {
  const env = { REDIS_URL: testRedisUrl(), FLEET: uniqueFleet("exposed"), REPORT_TYPES: TYPES, PORT: "0" };
  const open = await runCommand(["start", "--roles", "api"], { env: { ...env, HOST: "0.0.0.0" } });
  expect(open.code).toBe(EXIT.usage);
  expect(open.stderr).toContain("report-fleet keys create --name ops --scopes admin");
  const redis = await runCommand(["start", "--roles", "api"], {
    env: { ...env, REDIS_URL: "redis://redis.example.com:6379" },
  });
  expect(redis.code).toBe(EXIT.usage);
  expect(redis.stderr).toContain("no password");
  await createKey(env, "--scopes", "admin");
  expect((await call(await startApiProcess({ ...env, HOST: "0.0.0.0" }), null, "GET", "/livez")).status).toBe(
    200,
  );
});

test("a list of people that cannot be read ends the start with what is wrong with it, and leaves nothing running", async () => {
  const { child, finished } = startCommand(["start", "--roles", "api,orchestrator"], {
    env: {
      REDIS_URL: testRedisUrl(),
      FLEET: uniqueFleet("people"),
      REPORT_TYPES: TYPES,
      PORT: "0",
      CONSOLE_USERS: "ada:chief:nonsense",
    },
  });
  const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const { code, stderr } = await finished.finally(() => clearTimeout(late));
  expect(stderr).toContain("Line 1 of CONSOLE_USERS is no user: its role is none of");
  expect(code).toBe(EXIT.usage);
});

test("while Redis is away a caller is told within seconds, and once it is back the same request is answered", async () => {
  const redis = await startPrivateRedis({ aof: true });
  onTestFinished(() => redis.stop());
  const fleet = await startTestFleet({
    redisUrl: redis.url,
    fleet: uniqueFleet("redis-away"),
    types: [aTopicType],
    roles: [],
  });
  const key = await aKey(fleet.store, "acme", "reports:read");
  await fleet.stop();
  const api = await startApiProcess({ REDIS_URL: redis.url, FLEET: fleet.store.fleet });
  expect((await call(api, null, "GET", "/readyz")).json).toMatchObject({ ready: true, durability: "always" });

  await redis.kill("SIGKILL");
  expect(await call(api, key, "GET", "/v1/reports")).toMatchObject({
    status: 503,
    json: { code: "redis_unavailable", retryable: true },
  });
  expect((await call(api, null, "GET", "/livez")).status).toBe(200);
  expect(await call(api, null, "GET", "/readyz")).toMatchObject({ status: 503, json: { ready: false } });
  await redis.restart();
  await waitFor(
    async () => (await call(api, key, "GET", "/v1/reports")).status === 200,
    () => "it does not answer again",
  );
});
