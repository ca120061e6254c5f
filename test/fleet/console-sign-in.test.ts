/** Coming in and staying in: how long a session lasts, what its cookie is, how often one may guess, and the commands for it. */
import { createHash } from "node:crypto";
import type { Request } from "express";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import { loadConfig } from "../../src/config.ts";
import { LONGEST_PASSWORD } from "../../src/console/password.ts";
import { signInByPassword } from "../../src/console/sign-in.ts";
import { readAudit } from "../../src/store/audit.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import type { TestApi } from "../support/api.ts";
import { runCommand } from "../support/command-line.ts";
import { PASSWORD, signedIn, startTestConsole, Visitor } from "../support/console.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { openTestStore } from "../support/store-for-tests.ts";

const HOUR_MS = 3_600_000;
const { consoleIdleMs, consoleLongestMs, ...durations } = loadConfig({}).durations;

let fleet: TestFleet;
let api: TestApi;
beforeAll(async () => {
  fleet = await startTestFleet({ redisUrl: testRedisUrl(), fleet: uniqueFleet("sign-in"), types: [] });
  api = await startTestConsole(fleet);
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

async function aConsole(more: Parameters<typeof startTestConsole>[1]): Promise<TestApi> {
  const other = await startTestConsole(fleet, more);
  onTestFinished(() => other.close());
  return other;
}

/** As the store keeps it, under the hash of what the browser holds. */
function sessionKey({ cookie }: Visitor): string {
  const secret = (cookie ?? "").split("=")[1] ?? "";
  return fleet.store.keys.consoleSession(createHash("sha256").update(secret).digest("hex"));
}

test("a session ends 30 minutes after a person was last there, however long the page goes on asking by itself", async () => {
  expect(consoleIdleMs).toBe(HOUR_MS / 2);
  const visitor = await signedIn(api, fleet.store, "viewer");
  const { redis } = fleet.store;
  const left = () => redis.pttl(sessionKey(visitor));
  await redis.pexpire(sessionKey(visitor), 60_000);
  for (const path of ["/console", "/console/reports"])
    expect((await visitor.get(path, { "X-Live": "1" })).status).toBe(200);
  expect((await visitor.get("/admin/queues/api/queues")).status).toBe(200);
  expect(await left()).toBeLessThanOrEqual(60_000);
  expect((await visitor.get("/console/reports")).status).toBe(200);
  expect(await left()).toBeGreaterThan(consoleIdleMs - 60_000);
  expect(await left()).toBeLessThanOrEqual(consoleIdleMs);
});

test("nothing that a page asks for by itself keeps a session alive, and then the person signs in again", async () => {
  const brief = await aConsole({ durations: { ...durations, consoleIdleMs: 300, consoleLongestMs } });
  const visitor = await signedIn(brief, fleet.store, "viewer");
  const ended = await waitFor(
    async () => {
      const asked = await visitor.get("/console/reports", { "X-Live": "1" });
      return asked.status === 303 && asked;
    },
    () => "the session does not end",
  );
  expect(ended.to).toBe("/console/login?to=%2Fconsole%2Freports");
  const acted = await visitor.post("/console/spending/stop", { why: "too late" });
  expect([acted.status, acted.text]).toEqual([401, expect.stringContaining("nothing was changed")]);
});

test("a session ends 12 hours after it began, however busy the person is", async () => {
  expect(consoleLongestMs).toBe(12 * HOUR_MS);
  const visitor = await signedIn(api, fleet.store, "viewer");
  const { redis } = fleet.store;
  const beganAgo = async (ms: number) =>
    redis.hset(
      sessionKey(visitor),
      "since",
      String(Number(await redis.time().then(([s]) => s)) * 1_000 - ms),
    );
  await beganAgo(consoleLongestMs - 60_000);
  expect((await visitor.get("/console")).status).toBe(200);
  expect(await redis.pttl(sessionKey(visitor))).toBeLessThanOrEqual(60_000);
  await beganAgo(consoleLongestMs);
  expect((await visitor.get("/console")).status).toBe(303);
  expect(await redis.exists(sessionKey(visitor))).toBe(0);
});

test("reached over https the cookie is bound to this host and to https; over http it has its plain name", async () => {
  const https = await aConsole({ users: { ada: "admin" }, url: "https://fleet.example" });
  const secure = new Visitor(https);
  const { headers } = await secure.post("/console/login", { name: "ada", password: PASSWORD });
  const [cookie = ""] = headers.getSetCookie();
  expect(cookie).toMatch(/^__Host-rf-console=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  expect((await secure.get("/console")).status).toBe(200);
  // Somebody on the way of a plain request could have set that one.
  secure.cookie = (secure.cookie ?? "").replace("__Host-", "");
  expect((await secure.get("/console")).status).toBe(303);

  const plain = new Visitor(await aConsole({ users: { ada: "admin" }, url: "http://127.0.0.1:8080" }));
  const set = (
    await plain.post("/console/login", { name: "ada", password: PASSWORD })
  ).headers.getSetCookie();
  expect(set[0]).toMatch(/^rf-console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
});

test("guessing ends by address alone and by name alone, whoever and wherever it is tried as", async () => {
  const store = openTestStore("guesses");
  onTestFinished(() => store.close());
  const desk = { store, users: new Map(), durations: { consoleIdleMs, consoleLongestMs } };
  // Longer than any password: wrong at once, and counted like any other.
  const password = "x".repeat(LONGEST_PASSWORD + 1);
  const guess = async (name: string, remoteAddress: string) => {
    const request = { socket: { remoteAddress } } as Request;
    return (await signInByPassword(desk, { name, password }, request)).outcome;
  };
  const all = async (count: number, one: (nth: number) => ReturnType<typeof guess>) => {
    const outcomes = [];
    for (let nth = 0; nth < count; nth++) outcomes.push(await one(nth));
    return outcomes;
  };
  const fromOnePlace = await all(51, (nth) => guess(`name-${nth}`, "203.0.113.9"));
  expect(fromOnePlace).toEqual([...Array<string>(50).fill("wrong"), "wait"]);
  const forOneName = await all(101, (nth) => guess("ada", `203.0.113.${nth + 10}`));
  expect(forOneName).toEqual([...Array<string>(100).fill("wrong"), "wait"]);
  // Nobody else waits for it.
  expect(await guess("vera", "203.0.113.200")).toBe("wrong");
  for (const key of await store.redis.keys(store.keys.consoleTries("*")))
    expect(await store.redis.pttl(key)).toBeLessThanOrEqual(15 * 60_000);
});

test("`console link` prints a link that signs in the person it names, with their role, and the audit knows of it", async () => {
  const env = { REDIS_URL: testRedisUrl(), FLEET: fleet.store.fleet };
  const asked = ["console", "link", "--name", "gus", "--role", "reviewer"];
  const made = await runCommand([...asked, "--url", `${api.url}/`], { env });
  expect([made.code, made.stderr.trim()]).toEqual([
    EXIT.ok,
    'Signs in "gus" as reviewer, once, within about 15 min.',
  ]);
  const link = made.stdout.trim();
  expect(link).toMatch(new RegExp(`^${api.url}/console/link/[\\w-]{43}$`));
  expect((await readAudit(fleet.store, 1))[0]).toMatchObject({
    action: "sign_in_link",
    by: "the command line",
    why: "for gus, reviewer",
  });
  const visitor = new Visitor(api);
  expect((await visitor.post(new URL(link).pathname, {})).to).toBe("/console");
  expect((await visitor.get("/console")).text).toMatch(/gus <small>reviewer<\/small>/);
  expect((await new Visitor(api).post(new URL(link).pathname, {})).status).toBe(401);

  const known = await runCommand(["console", "link", "--json"], {
    env: { ...env, CONSOLE_URL: "https://fleet.example" },
  });
  expect(JSON.parse(known.stdout)).toEqual({
    link: expect.stringMatching(/^https:\/\/fleet\.example\/console\/link\//) as string,
    name: "operator",
    role: "admin",
    validMs: 900_000,
  });
  for (const wrong of [
    ["--role", "root"],
    ["--name", "two words"],
  ])
    expect((await runCommand(["console", "link", ...wrong], { env })).code).toBe(EXIT.usage);
});

test("`console hash` prints a line with which the person signs in, and refuses a password that is soon guessed", async () => {
  const asked = ["console", "hash", "--name", "ada", "--role", "admin"];
  const made = await runCommand(asked, { input: `${PASSWORD}\n` });
  expect(made.code).toBe(EXIT.ok);
  expect(made.stdout).not.toContain(PASSWORD);
  const own = await aConsole({ lines: [made.stdout.trim()] });
  const visitor = new Visitor(own);
  expect((await visitor.post("/console/login", { name: "ada", password: `${PASSWORD}!` })).status).toBe(401);
  expect((await visitor.post("/console/login", { name: "ada", password: PASSWORD })).to).toBe("/console");

  const short = await runCommand(asked, { input: "hunter2" });
  expect([short.code, short.stdout]).toEqual([EXIT.usage, ""]);
  expect(short.stderr).toContain("A password has 12 to 200 characters.");
  expect(short.stderr).not.toContain("hunter2");
  expect((await runCommand(["console", "hash", "--name", "ada"], { input: PASSWORD })).code).toBe(EXIT.usage);
});
