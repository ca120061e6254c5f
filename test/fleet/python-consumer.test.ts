/** A program in another language that knows our documents and nothing else of us. */
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { startTestFleet } from "../../src/testing.ts";
import { aKey, call, startTestApi } from "../support/api.ts";
import { pythonWithRedis } from "../support/python-redis.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const CONSUMER = resolve(import.meta.dirname, "../../docs/examples/consumer.py");
const run = promisify(execFile);

async function aFleetWithCredits(credits: number) {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("python"),
    types: [aTopicType],
  });
  const api = await startTestApi(fleet);
  onTestFinished(async () => {
    await api.close();
    await fleet.stop();
  });
  if (credits > 0) await fleet.grant("acme", credits);
  const key = await aKey(fleet.store, "acme", "reports:read", "reports:write");
  return { fleet, env: { ...process.env, FLEET_URL: api.url, FLEET_KEY: key.text, FLEET_TYPE: "topic" } };
}

test("a consumer in Python orders over HTTP, follows the writing and reads the document", async () => {
  const { fleet, env } = await aFleetWithCredits(20);
  const { stdout, stderr } = await run("python3", [CONSUMER, "harbour seals"], { env });
  expect(stdout).toContain("# harbour seals");
  expect(stdout).toContain("## The second part");
  expect(stderr).toMatch(/ordered rp-\w+ for 5 credits/);
  expect(stderr).toContain("100 %");
  expect(await fleet.balance("acme")).toMatchObject({ available: 15, committed: 5 });
});

test("a consumer without credits is told so in a sentence, and nothing is held", async () => {
  const { fleet, env } = await aFleetWithCredits(0);
  await expect(run("python3", [CONSUMER, "harbour seals"], { env })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('insufficient_credits: A "topic" costs 5 credits'),
  });
  expect((await fleet.balance("acme")).held).toBe(0);
});

test("a consumer in Python orders through the stream, is told by a webhook that it verifies, and reads the report over HTTP", async () => {
  const { fleet, env } = await aFleetWithCredits(20);
  const key = await aKey(fleet.store, "acme", "reports:read", "webhooks");
  const secretOf = await call({ url: env.FLEET_URL }, key, "POST", "/v1/accounts/acme/callback-secret");
  const receiver = spawn("python3", ["-c", codeOf("webhooks.md")], {
    env: { ...process.env, WEBHOOK_SECRET: secretOf.json.secret, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void receiver.kill());
  const told = createInterface(receiver.stdout)[Symbol.asyncIterator]();
  const next = async () => String((await told.next()).value);
  const url = `http://127.0.0.1:${(await next()).replace("listening on ", "")}/`;

  // As on the page, for this fleet and its type, with the optional field that names the receiver.
  const program = codeOf("intake.md")
    .replaceAll("{fleet}", `{${fleet.store.fleet}}`)
    .replace("topic-report", "topic")
    .replace('"tags":', `"callback": "${url}", "tags":`);
  const { stdout } = await run(await pythonWithRedis(), ["-c", program], {
    env: { ...env, REDIS_URL: testRedisUrl() },
  });
  const [, id = ""] = /^(rp-\w+) completed$/m.exec(stdout) ?? [];
  expect(stdout).toContain("section.status second completed");
  expect(await next()).toMatch(new RegExp(`^report\\.completed .*"${id}"`));
  const document = await call({ url: env.FLEET_URL }, key, "GET", `/v1/reports/${id}/output`);
  expect(document.text).toContain("# Solar roofs on schools");
});

/** What a reader would copy from the page. */
function codeOf(page: string): string {
  const text = readFileSync(resolve(import.meta.dirname, "../../docs", page), "utf8");
  const [, code] = /```python\n([\s\S]*?)```/.exec(text) ?? [];
  if (code === undefined) throw new Error(`${page} has no example in Python.`);
  return code;
}
