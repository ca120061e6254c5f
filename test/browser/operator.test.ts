/** Coming in, looking, watching and stopping, as an operator does it in a browser; and what somebody else's page cannot do. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { readSpendingStop } from "../../src/store/spending.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import type { TestApi } from "../support/api.ts";
import { PASSWORD, startTestConsole } from "../support/console.ts";
import { makeCertificate } from "../support/own-authority.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";
import { startScriptedProvider, type ScriptedProvider } from "../support/scripted-provider.ts";
import { listen, openBrowser, visit } from "./support/browser.ts";

let provider: ScriptedProvider;
let fleet: TestFleet;
let api: TestApi;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  provider = await startScriptedProvider(() => "A text that is long enough to be taken for a part.");
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("operator"),
    types: [aTopicType],
    provider,
  });
  api = await startTestConsole(fleet, { users: { ada: "admin", vera: "viewer" } });
  await fleet.grant("acme", 100);
  await fleet.delivered(await order("a first one"));
});
afterAll(async () => {
  await browser.close();
  await api.close();
  await fleet.stop();
  await provider.close();
  expect(api.errors).toEqual([]);
});

function order(topic: string) {
  return fleet.submit({ account: "acme", type: "topic", source: { topic } });
}

async function signInAs(page: Page, name: string, password: string): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("a person signs in where they wanted to go, and after signing out nothing is left in the browser", async () => {
  const context = await browser.newContext({ baseURL: api.url });
  const page = await context.newPage();
  const complaints = listen(page, api.url);
  await page.goto("/console/reports?status=completed");
  await page.waitForURL(/\/console\/login/);
  await signInAs(page, "ada", "not the password");
  await page.getByText("do not belong together").waitFor();
  await signInAs(page, "ada", PASSWORD);
  await page.waitForURL(/\/console\/reports\?status=completed$/);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/console\/login$/);
  expect(await context.cookies()).toEqual([]);
  await page.goBack();
  await page.waitForURL(/\/console\/login/);
  // The one complaint is that of the wrong password.
  expect(complaints.filter((one) => !one.includes("401"))).toEqual([]);
  await context.close();
});

test("a report is watched live from its order to its delivery, and the page stands still while it is paused", async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  provider.before = () => held;
  const visitor = await visit(browser, api, fleet.store);
  const { page } = visitor;
  await visitor.goTo("/console/reports");
  await page.getByText("live", { exact: true }).waitFor();
  const id = await order("something to watch");
  // It appears by itself, and is opened by keyboard.
  await page.locator(`#row-${id}`).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(`${api.url}/console/reports/${id}`);
  await page.locator("#report-head .status", { hasText: "running" }).waitFor();
  await page.getByText("live", { exact: true }).waitFor();

  await page.keyboard.press("p");
  await page.getByText("paused", { exact: true }).waitFor();
  release();
  provider.before = () => Promise.resolve();
  await fleet.delivered(id);
  expect(await page.locator("#report-head .status").textContent()).toContain("running");
  await page.keyboard.press("p");
  await page.locator("#report-head .status", { hasText: "completed" }).waitFor();
  await visitor.expectClean();
  await visitor.close();
});

test("hands stay on the keyboard: help, search, places and rows", async () => {
  const visitor = await visit(browser, api, fleet.store);
  const { page } = visitor;
  await page.keyboard.press("?");
  await page.getByRole("heading", { name: "Keys" }).waitFor();
  await visitor.expectClean();
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.waitForURL(/\/console\/reports$/);
  await page.keyboard.press("/");
  await page.keyboard.type("status:completed topic");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=status%3Acompleted\+topic/);
  expect(await page.locator("[data-rows] > tr").count()).toBeGreaterThan(0);
  // While somebody types, letters are letters.
  await page.keyboard.press("/");
  await page.keyboard.type("gr");
  expect(page.url()).toContain("/console/reports");
  await visitor.close();
});

test.each([true, false])(
  "an admin stops all spending and starts it again, with scripts %s",
  async (script) => {
    const visitor = await visit(browser, api, fleet.store, { script });
    const { page } = visitor;
    await page.getByLabel("Why").fill("the bill looks wrong");
    await page.getByRole("button", { name: "Stop all spending" }).click();
    await page.getByText("Spending is stopped.").first().waitFor();
    expect(await readSpendingStop(fleet.store)).toMatchObject({
      reason: "the bill looks wrong",
      by: "ada (console)",
    });
    await visitor.goTo("/console/reports");
    await page.getByText("No call begins anywhere").waitFor();
    await visitor.expectClean();
    await visitor.goTo("/console");
    await page.getByLabel("Why").fill("it was right");
    await page.getByRole("button", { name: "Let calls begin again" }).click();
    await page.getByText("Calls may begin again").waitFor();
    expect(await readSpendingStop(fleet.store)).toBeNull();
    await visitor.close();
  },
);

test("a page of somebody else can neither act in a person's name, nor frame the console, nor read it", async () => {
  const evil = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>evil</title><iframe src="${api.url}/console"></iframe>
      <form method="post" action="${api.url}/console/spending/stop"><input name="why" value="evil"><button>go</button></form>
      <script>
        window.outcomes = [];
        const tell = (name) => (how) => window.outcomes.push(name + ": " + how);
        const url = ${JSON.stringify(api.url)};
        fetch(url + "/console", { credentials: "include" }).then(tell("read"), () => tell("read")("refused"));
        fetch(url + "/console/spending/stop", { method: "POST", mode: "no-cors", credentials: "include",
          headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: "why=evil" }).then(tell("sent"), tell("sent"));
        fetch(url + "/admin/queues/api/queues/pause", { method: "PUT", credentials: "include" }).then(tell("put"), () => tell("put")("refused"));
      </script>`);
  });
  await new Promise<void>((done) => evil.listen(0, done));
  const { port } = evil.address() as AddressInfo;
  const visitor = await visit(browser, api, fleet.store);
  const { page } = visitor;
  // Another site; and another port of this very host, to which a browser sends even a strict cookie along.
  for (const [host, words] of [
    ["localhost", "You are signed out"],
    ["127.0.0.1", "Refused: the request came from another site (same-site)"],
  ] as const) {
    await page.goto(`http://${host}:${port}/`);
    const outcomes = await waitFor(
      async () => {
        const seen = await page.evaluate<string[]>("window.outcomes");
        return seen.length === 3 ? seen : null;
      },
      () => "the page's requests did not end",
    );
    expect(outcomes).toContain("read: refused");
    expect(outcomes).toContain("put: refused");
    const framed = page.frames().find((frame) => frame !== page.mainFrame());
    expect(framed?.url().startsWith("chrome-error://")).toBe(true);
    await page.getByRole("button", { name: "go" }).click();
    await page.waitForURL(`${api.url}/console/spending/stop`);
    expect(await page.textContent("body")).toContain(words);
    expect(await readSpendingStop(fleet.store)).toBeNull();
  }
  // The person is still signed in, and nothing happened.
  await visitor.goTo("/console");
  await visitor.close();
  evil.close();
});

test("a session that somebody planted opens nothing after the person signs in", async () => {
  const planted = "p".repeat(43);
  const context = await browser.newContext({ baseURL: api.url });
  await context.addCookies([{ name: "rf-console", value: planted, url: api.url }]);
  const page = await context.newPage();
  await page.goto("/console/login");
  await signInAs(page, "vera", PASSWORD);
  await page.waitForURL(/\/console$/);
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ name: "rf-console", httpOnly: true, sameSite: "Strict" });
  expect(cookie?.value).not.toBe(planted);
  const thief = await browser.newContext({ baseURL: api.url });
  await thief.addCookies([{ name: "rf-console", value: planted, url: api.url }]);
  const stolen = await thief.newPage();
  await stolen.goto("/console");
  await stolen.waitForURL(/\/console\/login/);
  await thief.close();
  await context.close();
});

test("behind a proxy that ends TLS a person signs in, and the browser keeps a cookie for https and this host only", async () => {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-tls-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  let to = "";
  const { key, cert } = makeCertificate(dir, "DNS:localhost");
  const proxy = createTlsServer({ key, cert }, (request, response) => {
    const { method = "GET", url = "/", headers } = request;
    const onward = ask(`${to}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    // Whoever leaves a page ends its stream.
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => void proxy.listen(0, "127.0.0.1", resolve));
  const url = `https://localhost:${(proxy.address() as AddressInfo).port}`;
  const behind = await startTestConsole(fleet, { users: { ada: "admin" }, url });
  to = behind.url;
  onTestFinished(async () => {
    await behind.close();
    proxy.closeAllConnections();
    proxy.close();
  });
  const context = await browser.newContext({ baseURL: url, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const complaints = listen(page, url);
  await page.goto("/console/reports");
  await signInAs(page, "ada", PASSWORD);
  await page.waitForURL(/\/console\/reports$/);
  const cookies = await context.cookies();
  expect(cookies).toMatchObject([
    { name: "__Host-rf-console", secure: true, httpOnly: true, sameSite: "Strict", path: "/" },
  ]);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(/\/console\/login$/);
  expect(await context.cookies()).toEqual([]);
  expect(complaints).toEqual([]);
  await context.close();
});
