import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startReplica } from "../../../src/cli/start-replica.ts";

function aProgram(text: string): string {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, "program.mjs"), text);
  return join(dir, "program.mjs");
}

test("a report type that prints something while it is loaded does not end the pool", async () => {
  const replica = startReplica({
    program: aProgram(`
      console.log("town-guide: 3 prompts loaded");
      console.log(JSON.stringify({ loaded: true }));
      console.log(JSON.stringify({ process: "host-1", roles: ["worker"], url: null }));
      setInterval(() => undefined, 1_000);
    `),
    concurrency: 1,
    env: process.env,
  });
  onTestFinished(() => replica.signal("SIGKILL"));
  expect(await replica.started).toBe("host-1");
});

test("a replica that ends before it runs has no name, and says how it ended", async () => {
  const replica = startReplica({ program: aProgram("process.exit(2);"), concurrency: 1, env: process.env });
  expect(await replica.started).toBeNull();
  expect(await replica.ended).toEqual({ code: 2, signal: null });
});
