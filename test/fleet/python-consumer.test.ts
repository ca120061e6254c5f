/** A program in another language that knows our documents and nothing else of us. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { startTestFleet } from "../../src/testing.ts";
import { aKey, startTestApi } from "../support/api.ts";
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
