/** Containers and hosts start in any order, so a role may be up before its Redis is. */
import { onTestFinished, expect, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { waitFor } from "../../src/testing.ts";
import { startCommand } from "../support/command-line.ts";
import { startPrivateRedis, uniqueFleet, type PrivateRedis } from "../support/redis.ts";

async function aRedisThatIsDown(): Promise<PrivateRedis> {
  const redis = await startPrivateRedis({ aof: true });
  onTestFinished(() => redis.stop());
  await redis.kill("SIGKILL");
  return redis;
}

/** What it logs can be read while it runs. */
function startRole(redisUrl: string) {
  const command = startCommand(["start", "--roles", "orchestrator", "--json"], {
    env: { REDIS_URL: redisUrl, FLEET: uniqueFleet("waiting"), LOG_LEVEL: "info", PORT: "0" },
  });
  onTestFinished(async () => {
    command.child.kill("SIGKILL");
    await command.finished;
  });
  let logged = "";
  command.child.stderr?.on("data", (chunk: Buffer) => (logged += chunk.toString("utf8")));
  return {
    ...command,
    async says(words: string): Promise<void> {
      await waitFor(
        async () => logged.includes(words),
        () => `it does not say "${words}": ${logged}`,
      );
    },
  };
}

test("a role that is up before its Redis says that it waits, and starts once Redis answers", async () => {
  const redis = await aRedisThatIsDown();
  const role = startRole(redis.url);
  await role.says("does not answer yet (ECONNREFUSED); waiting for it");
  await redis.restart();
  expect(JSON.parse(await role.firstLine)).toMatchObject({ roles: ["orchestrator"] });
  await role.says("answers after");
});

test("a role that waits for its Redis ends when it is told to, as one that runs", async () => {
  const redis = await aRedisThatIsDown();
  const role = startRole(redis.url);
  await role.says("waiting for it");
  role.child.kill("SIGTERM");
  expect(await role.finished).toMatchObject({ code: EXIT.ok, stdout: "" });
});

test("a password that Redis refuses is told at once, without repeating it, since no waiting heals it", async () => {
  const redis = await startPrivateRedis({ aof: false });
  onTestFinished(() => redis.stop());
  const wrong = redis.url.replace("redis://", "redis://nobody:canary-password@");
  const ended = await startRole(wrong).finished;
  expect(ended.code).toBe(EXIT.usage);
  expect(ended.stderr).toMatch(/refuses what REDIS_URL says \(WRONGPASS\)/);
  expect(ended.stderr).not.toContain("canary-password");
});
