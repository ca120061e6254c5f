import { expect, test } from "vitest";
import { EXIT } from "../../../src/cli/exit-codes.ts";
import { runCommand } from "../../support/command-line.ts";

function rateLimit(id: string): string {
  const http = { status: 429, headers: { "retry-after": "7" }, body: { error: { message: "Rate limit" } } };
  return JSON.stringify({ id, surface: "http", stage: "generate", http });
}

function answers(stdout: string): Record<string, unknown>[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("a user pipes failures in and gets one answer a line, in order", async () => {
  const input = ["a", "b", "c"].map(rateLimit).join("\n");
  const { code, stdout, stderr } = await runCommand(["classify"], { input });
  expect({ code, stderr }).toEqual({ code: EXIT.ok, stderr: "" });
  expect(answers(stdout).map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(answers(stdout)[0]).toMatchObject({ kind: "transient", retryable: true, cooldownMs: 7_000 });
});

test("one bad line is named by its number, and costs no other line its answer", async () => {
  const input = `${rateLimit("a")}\n\n{broken\n${rateLimit("b")}\n`;
  const { code, stdout, stderr } = await runCommand(["classify"], { input });
  expect(code).toBe(EXIT.usage);
  expect(stderr).toMatch(/^line 3: /);
  expect(answers(stdout).map(({ id }) => id)).toEqual(["a", "b"]);
});

test("with --explain the rule and the verdict are named", async () => {
  const { stdout } = await runCommand(["classify", "--explain"], { input: rateLimit("a") });
  expect(answers(stdout)[0]).toHaveProperty("rule");
  expect(answers(stdout)[0]).toHaveProperty("verdict");
});

test("ten thousand lines pass through a pipe whole", async () => {
  const input = Array.from({ length: 10_000 }, (_, index) => rateLimit(String(index))).join("\n");
  const { stdout } = await runCommand(["classify"], { input });
  expect(answers(stdout).map(({ id }) => id)).toEqual(Array.from({ length: 10_000 }, (_, n) => String(n)));
});
