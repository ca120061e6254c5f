/** `npm start` as a newcomer runs it, in processes of its own, with its data in a folder of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../scripts/redis/lock.ts";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { SIMULATED_MODELS } from "../../src/llm/prices.ts";
import { startSimulatedProvider, waitFor, type SimulatedProvider } from "../../src/testing.ts";
import { runCommand } from "../support/command-line.ts";
import { billedMicros } from "../support/ledger.ts";

const DEMO = fileURLToPath(new URL("../../scripts/demo.ts", import.meta.url));

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
});

interface Demo {
  child: ChildProcess;
  /** What it has said so far. */
  said: () => string;
  ended: Promise<{ code: number | null; lines: string[] }>;
}

/** The provider answers that much sooner; the demo's own times shrink with it. */
const QUICKLY = { TIME_SCALE: "0.2" };

function startDemo(args: readonly string[], env: NodeJS.ProcessEnv = {}): Demo {
  const child = spawn(process.execPath, [DEMO, ...args], {
    env: { ...process.env, REDIS_URL: "", FLEET: "", REPORT_TYPES: "", DATA_DIR: dataDir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString("utf8")));
  const ended = new Promise<{ code: number | null; lines: string[] }>((resolve) => {
    child.once("close", (code) => resolve({ code, lines: stdout.split("\n").filter((line) => line !== "") }));
  });
  return { child, said: () => stderr, ended };
}

/** The private Redis writes its process id while it runs, and removes the file when it ends cleanly. */
function redisIsRunning(): boolean {
  const file = join(dataDir, "redis", "redis.pid");
  return existsSync(file) && isAlive(Number(readFileSync(file, "utf8")));
}

test("a newcomer gets delivered reports of both types, written to files, and nothing is left running", async () => {
  const first = startDemo(["--once"], {
    ...QUICKLY,
    OPENAI_API_KEY: "sk-not-for-you",
    OPENAI_MODEL: "gpt-4.1",
  });
  const { code, lines } = await first.ended;
  expect(code).toBe(EXIT.ok);
  expect(first.said()).toContain("OPENAI_API_KEY is set and was not used.");
  expect(lines).toHaveLength(3);
  for (const line of lines) {
    const [, id = "", type = "", credits, path = ""] =
      /^(rp-\w{25})  (\S+) +completed +\$0\.\d{4} +(\d+) credits  (\S+)$/.exec(line) ?? [];
    expect(credits).toBe(type === "dependency-review" ? "40" : "10");
    expect(readFileSync(path, "utf8")).toContain(id);
  }
  expect(new Set(lines.map((line) => line.split(/ +/)[1]))).toEqual(
    new Set(["dependency-review", "topic-report"]),
  );
  expect(readdirSync(join(dataDir, "reports")).filter((file) => file.endsWith(".md"))).toHaveLength(3);
  expect(redisIsRunning()).toBe(false);

  const second = startDemo(["--once"], QUICKLY);
  const again = await second.ended;
  expect(again.code).toBe(EXIT.ok);
  expect(second.said()).toContain("3 reports of earlier runs");
  expect(second.said()).toContain("has 940 credits");
  expect(again.lines.map((line) => line.slice(0, 28))).not.toEqual(lines.map((line) => line.slice(0, 28)));
  expect(redisIsRunning()).toBe(false);
});

test("without --once it stays up, the command line finds it, and Ctrl-C ends everything", async () => {
  const demo = startDemo([], QUICKLY);
  await waitFor(
    async () => demo.said().includes("Order more from a second terminal"),
    () => `it does not say how to go on: ${demo.said()}`,
  );
  const env = { REDIS_URL: "", FLEET: "", REPORT_TYPES: "", DATA_DIR: dataDir, ...QUICKLY };
  const more = await runCommand(
    ["submit", "topic-report", "--account", "demo", "--wait", "--input", '{"topic":"A second terminal"}'],
    { env },
  );
  expect(more.code).toBe(EXIT.ok);
  const ls = async (account: string) => {
    const listed = await runCommand(["ls", "--account", account, "--json"], { env });
    return (JSON.parse(listed.stdout) as { data: unknown[] }).data;
  };
  expect(await ls("demo")).toHaveLength(4);
  // For the console there is a day of other customers.
  await waitFor(
    async () => (await ls("globex")).length > 0,
    () => "nothing is played",
  );
  await waitFor(
    async () => /listens on (\S+) /.exec(demo.said())?.[1] !== undefined,
    () => `it names no address: ${demo.said()}`,
  );
  const url = /listens on (\S+) /.exec(demo.said())?.[1] ?? "";
  expect((await fetch(`${url}/readyz`)).status).toBe(200);

  demo.child.kill("SIGINT");
  expect((await demo.ended).code).toBe(EXIT.ok);
  expect(redisIsRunning()).toBe(false);
  expect((await runCommand(["ls"], { env })).code).toBe(EXIT.redisUnreachable);
});

test("interrupted while it writes, it leaves no process behind, and the next start finishes the reports", async () => {
  const demo = startDemo([]);
  await waitFor(
    async () => demo.said().includes("inventory running"),
    () => `nothing is written: ${demo.said()}`,
  );
  demo.child.kill("SIGINT");
  expect((await demo.ended).code).toBe(EXIT.interrupted);
  expect(redisIsRunning()).toBe(false);

  const next = startDemo(["--once"], QUICKLY);
  expect((await next.ended).code).toBe(EXIT.ok);
  expect(next.said()).toMatch(/3 reports of earlier runs; \d unfinished, which go on now/);
});

test("an option it does not know is refused before anything is started", async () => {
  const demo = startDemo(["--onec"]);
  expect((await demo.ended).code).toBe(EXIT.usage);
  expect(demo.said()).toContain("--once, --live, --max-usd");
  expect(readdirSync(dataDir)).toEqual([]);
});

async function aLiveProvider(): Promise<{ provider: SimulatedProvider; env: NodeJS.ProcessEnv }> {
  const provider = await startSimulatedProvider({ latency: "none" });
  onTestFinished(() => provider.close());
  const env = { OPENAI_API_KEY: "live", OPENAI_BASE_URL: provider.url, OPENAI_MODEL: SIMULATED_MODELS[0] };
  return { provider, env };
}

test("--live without a key names the variables and starts nothing", async () => {
  const demo = startDemo(["--live"]);
  expect((await demo.ended).code).toBe(EXIT.usage);
  expect(demo.said()).toContain("OPENAI_API_KEY and OPENAI_MODEL");
  expect(readdirSync(dataDir)).toEqual([]);
});

test("--live says what it may cost, asks the configured provider, and stays within --max-usd", async () => {
  const { provider, env } = await aLiveProvider();
  const demo = startDemo(["--live"], env);
  const { code, lines } = await demo.ended;
  expect(code).toBe(EXIT.ok);
  expect(demo.said()).toMatch(
    /This costs money: at most \$0\.\d+ is expected for 3 reports, and they stop at/,
  );
  expect(lines).toHaveLength(3);
  expect(provider.ledger().length).toBeGreaterThan(9);
  expect(billedMicros(provider.ledger())).toBeLessThan(500_000);
});

test("--live orders only what fits into --max-usd, and nothing where nothing fits", async () => {
  const { provider, env } = await aLiveProvider();
  const some = startDemo(["--live", "--max-usd", "0.08"], env);
  const { code, lines } = await some.ended;
  expect(code).toBe(EXIT.ok);
  expect(some.said()).toContain("Not ordered: ");
  expect(lines.length).toBeLessThan(3);
  const billed = billedMicros(provider.ledger());
  expect(billed).toBeGreaterThan(0);
  expect(billed).toBeLessThanOrEqual(80_000);

  const none = startDemo(["--live", "--max-usd", "0.001"], env);
  expect((await none.ended).code).toBe(EXIT.usage);
  expect(billedMicros(provider.ledger())).toBe(billed);
  expect(redisIsRunning()).toBe(false);
});

test("on somebody's own Redis the demo keeps to a fleet of its own", async () => {
  const { testRedisUrl, uniqueFleet } = await import("../support/redis.ts");
  const fleet = uniqueFleet("own");
  const demo = startDemo(["--once"], {
    ...QUICKLY,
    REDIS_URL: testRedisUrl(),
    FLEET: fleet,
  });
  expect((await demo.ended).code).toBe(EXIT.ok);
  expect(demo.said()).toContain(`fleet "${fleet}-demo"`);
  expect(existsSync(join(dataDir, "redis"))).toBe(false);
});
