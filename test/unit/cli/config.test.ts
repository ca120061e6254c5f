import { expect, test } from "vitest";
import { EXIT } from "../../../src/cli/exit-codes.ts";
import { runCommand } from "../../support/command-line.ts";

const SECRET = "sk-very-secret";

test("an operator sees every setting in force and where it comes from, and no secret", async () => {
  const { code, stdout } = await runCommand(["config", "print"], {
    env: { OPENAI_API_KEY: SECRET, REDIS_URL: `redis://fleet:${SECRET}@10.0.0.5:6379`, CONCURRENCY: "3" },
  });
  expect(code).toBe(EXIT.ok);
  expect(stdout).not.toContain(SECRET);
  expect(stdout).toMatch(/^REDIS_URL +environment +redis:\/\/fleet:\*\*\*@10\.0\.0\.5:6379$/m);
  expect(stdout).toMatch(/^OPENAI_API_KEY +environment +\*\*\*$/m);
  expect(stdout).toMatch(/^CONCURRENCY +environment +3$/m);
  expect(stdout).toMatch(/^FLEET +default +fleet$/m);
});

test("a wrong setting is named instead, as everywhere", async () => {
  const { code, stderr } = await runCommand(["config", "print", "--json"], { env: { CONCURRENCY: "many" } });
  expect(code).toBe(EXIT.usage);
  expect(JSON.parse(stderr)).toMatchObject({ error: { fields: [{ path: "CONCURRENCY" }] } });
});
