import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMMANDS } from "../../../src/cli/main.ts";
import { openOutput } from "../../../src/cli/output.ts";
import { EXIT } from "../../../src/cli/exit-codes.ts";
import { runCommand } from "../../support/command-line.ts";

const manifest = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

test("--version prints the version and nothing else", async () => {
  expect(await runCommand(["--version"])).toMatchObject({
    code: EXIT.ok,
    stdout: `${manifest.version}\n`,
    stderr: "",
  });
});

test("--help names every command on stdout", async () => {
  const { code, stdout } = await runCommand(["--help"]);
  expect(code).toBe(EXIT.ok);
  expect(stdout).toMatch(/classify .*\n.*simulate /);
});

test("every command is found under its own name", async () => {
  const terminal = { output: openOutput({ json: false }), finish: () => undefined };
  for (const [name, load] of Object.entries(COMMANDS)) expect((await load())(terminal).name()).toBe(name);
});

test("no command at all prints the help where it stays out of a pipe", async () => {
  const { code, stdout, stderr } = await runCommand([]);
  expect(code).toBe(EXIT.usage);
  expect(stdout).toBe("");
  expect(stderr).toContain("Usage: report-fleet");
});

test("a mistyped command is answered with the right one", async () => {
  const { code, stderr } = await runCommand(["clasify"]);
  expect(code).toBe(EXIT.usage);
  expect(stderr).toContain("classify");
});

test("a wrong option is a JSON error where JSON was asked for", async () => {
  const { code, stdout, stderr } = await runCommand(["simulate", "--port", "high", "--json"]);
  expect(code).toBe(EXIT.usage);
  expect(stdout).toBe("");
  const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
  expect(error.code).toBe("usage");
  expect(error.message).toContain("0 to 65535");
});
