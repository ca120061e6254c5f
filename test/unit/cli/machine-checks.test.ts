/** The checks of a machine against real folders, ports and HTTP servers, each seen failing. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  checkConsole,
  checkDataDir,
  checkPort,
  checkProvider,
  checkSpool,
} from "../../../src/cli/doctor/machine-checks.ts";
import { loadConfig } from "../../../src/config.ts";
import { NO_LIMITS } from "../../../src/domain/route.ts";
import { SIMULATED_MODELS } from "../../../src/llm/prices.ts";
import { startSimulatedProvider } from "../../../src/llm/simulated-provider.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function aDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-test-"));
  closing.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function aServer(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  closing.push(() => new Promise((closed) => server.close(closed)));
  return (server.address() as AddressInfo).port;
}

function aRoute(baseUrl: string, model: string = SIMULATED_MODELS[0] ?? "") {
  return {
    baseUrl,
    apiKey: "simulated",
    model,
    responseFormat: "auto",
    stream: false,
    limits: NO_LIMITS,
  } as const;
}

function port(number: number) {
  return checkPort({ host: "127.0.0.1", port: number });
}

test("a folder that can be written is left as it was, and one that cannot be is named with what to do", () => {
  const dir = aDir();
  expect(checkDataDir(dir).level).toBe("ok");
  expect(checkDataDir(join(dir, "not", "yet")).level).toBe("ok");
  expect(readdirSync(dir)).toEqual([]);
  writeFileSync(join(dir, "a-file"), "");
  const found = checkDataDir(join(dir, "a-file"));
  expect(found).toMatchObject({ level: "fail", says: expect.stringContaining("EEXIST") });
  expect(found.advice).toContain("Mount a volume");
});

test("paid answers that wait in the spool are counted, and nobody is told to remove them", () => {
  const dir = aDir();
  expect(checkSpool(dir).level).toBe("ok");
  mkdirSync(join(dir, "spool"));
  writeFileSync(join(dir, "spool", "1.answer.json"), "{}");
  const found = checkSpool(dir);
  expect(found).toMatchObject({ level: "warn", says: expect.stringMatching(/^1 paid answer waits/) });
  expect(found.advice).toContain("Do not remove");
});

test("a port is free, or ours, or somebody else's", async () => {
  const foreign = await aServer((_request, response) => response.end("hello"));
  const ours = await aServer((_request, response) => response.end('{"alive":true}'));
  expect(await port(ours)).toMatchObject({ level: "ok", says: expect.stringContaining("answers") });
  const taken = await port(foreign);
  expect(taken.level).toBe("fail");
  expect(taken.advice).toContain("Set PORT");
  await closing.shift()?.();
  expect(await port(foreign)).toMatchObject({
    level: "ok",
    says: expect.stringContaining("Nothing listens"),
  });
});

test("a HOST that is no address of this machine is said to be that, and not somebody else's port", async () => {
  expect(await checkPort({ host: "no-such-host.invalid", port: 3_000 })).toMatchObject({
    level: "fail",
    says: expect.stringMatching(/^HOST is no-such-host\.invalid, and that is no address of this machine/),
    advice: expect.stringContaining("127.0.0.1"),
  });
});

test("a list of people that cannot be read, and a console that would be left out, are said before the API starts", async () => {
  expect(await checkConsole(loadConfig({}))).toMatchObject({ level: "ok" });
  expect(await checkConsole(loadConfig({ CONSOLE_USERS: "ada:chief:nonsense" }))).toMatchObject({
    level: "fail",
    says: expect.stringContaining("Line 1 of CONSOLE_USERS"),
    advice: expect.stringContaining("does not start"),
  });
  expect(await checkConsole(loadConfig({ HOST: "0.0.0.0" }))).toMatchObject({
    level: "warn",
    says: expect.stringContaining("CONSOLE_USERS_FILE"),
    advice: expect.stringContaining("docs/desk.md"),
  });
});

test("a provider is asked for its models, which it does not bill: key, model, list and network are told apart", async () => {
  const provider = await startSimulatedProvider({ latency: "none" });
  closing.push(() => provider.close());
  const [well] = await checkProvider([aRoute(provider.url)]);
  expect(well).toMatchObject({ level: "ok", says: expect.stringContaining("the key is taken") });
  expect(provider.ledger()).toEqual([]);
  expect(await checkProvider([aRoute(provider.url, "gpt-none")])).toMatchObject([
    { level: "warn", advice: expect.stringContaining("OPENAI_MODEL") },
  ]);

  const refusing = await aServer((_request, response) => response.writeHead(401).end("{}"));
  expect(await checkProvider([aRoute(`http://127.0.0.1:${refusing}/v1`)])).toMatchObject([
    {
      level: "fail",
      says: expect.stringContaining("401"),
      advice: expect.stringContaining("OPENAI_API_KEY"),
    },
  ]);
  const listless = await aServer((_request, response) => response.writeHead(404).end("{}"));
  expect(await checkProvider([aRoute(`http://127.0.0.1:${listless}/v1`)])).toMatchObject([
    { level: "warn", advice: expect.stringContaining("--live") },
  ]);
  expect(await checkProvider([aRoute("http://127.0.0.1:1/v1")])).toMatchObject([
    {
      level: "fail",
      says: expect.stringContaining("cannot be reached"),
      advice: expect.stringContaining("firewall"),
    },
  ]);
});
