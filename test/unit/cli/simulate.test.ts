import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EXIT } from "../../../src/cli/exit-codes.ts";
import { runCommand, startCommand } from "../../support/command-line.ts";

function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test("a developer starts the simulated provider, asks it, reads its ledger, and ends it with Ctrl-C", async () => {
  const ledger = join(scratchDir(), "ledger.jsonl");
  const { child, firstLine, finished } = startCommand([
    "simulate",
    "--port",
    "0",
    "--seed",
    "7",
    "--latency",
    "none",
    "--ledger",
    ledger,
    "--json",
  ]);
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  const { url } = JSON.parse(await firstLine) as { url: string };

  const response = await fetch(`${url.replace(/\/v1$/, "")}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer x" },
    body: JSON.stringify({
      model: "simulated-writer",
      messages: [{ role: "user", content: "Write a sentence about rivers." }],
    }),
  });
  expect(response.status).toBe(200);
  await response.text();
  expect(readFileSync(ledger, "utf8").trimEnd().split("\n")).toHaveLength(1);

  child.kill("SIGINT");
  expect(await finished).toMatchObject({ code: EXIT.ok });
});

test("a fault script that is not JSON is refused with the name of the file", async () => {
  const file = join(scratchDir(), "faults.json");
  writeFileSync(file, "{");
  const { code, stderr } = await runCommand(["simulate", "--port", "0", "--faults", file]);
  expect(code).toBe(EXIT.usage);
  expect(stderr).toContain("faults.json");
});

test("a fault script that is not there is refused as not found", async () => {
  const { code } = await runCommand(["simulate", "--port", "0", "--faults", join(scratchDir(), "none.json")]);
  expect(code).toBe(EXIT.notFound);
});
