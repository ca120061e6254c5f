import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../../scripts/redis/lock.ts";
import { startPrivateRedis, testRedisUrl, uniqueFleet } from "../../support/redis.ts";

function connect(url: string): Redis {
  const redis = new Redis(url);
  onTestFinished(() => redis.disconnect());
  // Its connection breaks in these tests on purpose.
  redis.on("error", () => {});
  return redis;
}

test("the test run has a Redis that never evicts a key", async () => {
  const redis = connect(testRedisUrl());
  expect(await redis.config("GET", "maxmemory-policy")).toEqual(["maxmemory-policy", "noeviction"]);
});

test("two fleets of one test run never share a key", () => {
  expect(uniqueFleet("a")).not.toBe(uniqueFleet("a"));
});

test("an operator's write is still there after Redis was killed and started again", async () => {
  const server = await startPrivateRedis({ aof: true });
  onTestFinished(() => server.stop());
  const redis = connect(server.url);
  await redis.set("kept", "yes");

  const killed = server.pid;
  await server.kill("SIGKILL");
  expect(isAlive(killed)).toBe(false);
  await server.restart();

  expect(server.pid).not.toBe(killed);
  expect(await redis.get("kept")).toBe("yes");
});

test("a frozen Redis answers again once it is thawed", async () => {
  const server = await startPrivateRedis({ aof: false });
  onTestFinished(() => server.stop());
  const redis = connect(server.url);
  await redis.set("kept", "yes");

  await server.kill("SIGSTOP");
  const answer = redis.get("kept");
  await server.kill("SIGCONT");

  expect(await answer).toBe("yes");
});

test("a stopped Redis leaves no process behind", async () => {
  const server = await startPrivateRedis({ aof: false });
  const { pid } = server;
  await server.stop();
  expect(isAlive(pid)).toBe(false);
});
