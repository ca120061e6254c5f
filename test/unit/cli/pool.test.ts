import { expect, test } from "vitest";
import { EXIT } from "../../../src/cli/exit-codes.ts";
import { runCommand } from "../../support/command-line.ts";

test.each([
  [["--scaledown-ttl", "29s"], "at least 30s"],
  [["--idle-ttl", "0.5s"], "at least 30s"],
  [["--replicas", "6..2"], "such as 2..6"],
])("a pool with %j is refused with what would be right", async (args, hint) => {
  const { code, stdout, stderr } = await runCommand(["pool", ...args]);
  expect(code).toBe(EXIT.usage);
  expect(stdout).toBe("");
  expect(stderr).toContain(hint);
});

test("a pool whose workers could not start is refused before it starts any", async () => {
  const { code, stdout, stderr } = await runCommand(["pool"], { env: { REDIS_URL: "redis://127.0.0.1:1" } });
  expect(code).toBe(EXIT.usage);
  expect(stdout).toBe("");
  expect(stderr).toContain("set OPENAI_API_KEY and OPENAI_MODEL");
});
