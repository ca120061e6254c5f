/**
 * Several hundred texts that want to run, through every way in that a stranger has: the source of an order, its tags, the
 * model's answers, a provider's error, an address. They are shown on every page there is, and none runs or loads anything.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportId } from "../../src/domain/ids.ts";
import { addNote, listCases } from "../../src/store/cases.ts";
import { createApiKey } from "../../src/store/api-keys.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { registerWebhook } from "../../src/webhooks/register-webhook.ts";
import type { TestApi } from "../support/api.ts";
import { startTestConsole } from "../support/console.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { briefType } from "../../scripts/demo/brief-type.ts";
import { startScriptedProvider, type ScriptedProvider } from "../support/scripted-provider.ts";
import { openBrowser, visit, type Visitor } from "./support/browser.ts";
import { payloads, type Payload } from "./support/xss-payloads.ts";

let far: Server;
let asked: string[];
let all: Payload[];
let provider: ScriptedProvider;
let fleet: TestFleet;
let api: TestApi;
let browser: Browser;
let delivered: ReportId;
let parked: ReportId;
let refused: ReportId;

beforeAll(async () => {
  asked = [];
  far = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.end("");
  });
  await new Promise<void>((done) => far.listen(0, "127.0.0.1", done));
  all = payloads(`http://127.0.0.1:${(far.address() as AddressInfo).port}`);
  const whole = all.map(({ number, text }) => `xss-${number} ${text}`).join("\n\n");
  // A text contract wants every code block closed.
  const prose = all
    .filter(({ text }) => !text.includes("```"))
    .map(({ number, text }) => `xss-${number} ${text}`)
    .join("\n\n");
  const figures = JSON.stringify({ figures: all.map(({ text }) => text) });

  provider = await startScriptedProvider((prompt) => {
    if (prompt.includes("unknown parameter"))
      return {
        status: 400,
        body: { error: { message: whole, type: "invalid_request_error", param: "x", code: "x" } },
      };
    if (prompt.includes("figures/write"))
      return prompt.includes("broken") ? `{"wrong": ${JSON.stringify(whole)}}` : figures;
    return prose;
  });
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("xss"),
    types: [briefType("brief", 'Brief "><img src=x onerror=xss(0)>')],
    provider,
  });
  api = await startTestConsole(fleet, { environment: '"><img src=x onerror=xss(0)>' });
  await fleet.grant("acme", 100);
  const order = (topic: string, nth: number) =>
    fleet.submit({
      account: "acme",
      type: "brief",
      source: { topic: `${topic} ${whole.slice(0, 20_000)}` },
      tags: Object.fromEntries(
        all.slice(nth * 10, nth * 10 + 10).map(({ text }, at) => [`${text.slice(0, 40)}${at}`, text]),
      ),
    });
  delivered = await order("good", 0);
  await fleet.delivered(delivered);
  parked = await order("broken", 1);
  await fleet.reaches(parked, "needs_review");
  refused = await order("unknown parameter", 2);
  await fleet.reaches(refused, "needs_review", "waiting_for_retry");

  const [found] = await listCases(fleet.store, { report: parked, limit: 1 });
  if (found !== undefined)
    await addNote(fleet.store, found.id, { by: "<img src=x onerror=xss(0)>", text: whole.slice(0, 2_000) });
  const [name] = all.filter(({ text }) => text.length < 60);
  await createApiKey(fleet.store, {
    name: name?.text ?? "",
    account: null,
    scopes: ["operate"],
    expiresAt: null,
    by: "<img src=x onerror=xss(0)>",
  });
  await registerWebhook(
    fleet.store,
    {
      account: null,
      url: "https://127.0.0.1:9/?<img/src/onerror=xss(0)>",
      by: "<img src=x onerror=xss(0)>",
    },
    true,
  );
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
  await api.close();
  await fleet.stop();
  await provider.close();
  far.close();
  expect(api.errors).toEqual([]);
});

async function aVisitor(ran: string[]): Promise<Visitor> {
  const visitor = await visit(browser, api, fleet.store);
  await visitor.context.exposeBinding("xss", (_source, number: unknown) => void ran.push(String(number)));
  return visitor;
}

/** What a page may consist of: nothing in it is a stranger's element. */
async function strangers(visitor: Visitor): Promise<string[]> {
  return visitor.page.evaluate(() => {
    const found: string[] = [];
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const element of document.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        if (name.startsWith("on") || name === "style" || name === "srcdoc" || name === "autofocus")
          found.push(`${element.localName}[${name}]`);
        if (["href", "src", "action", "formaction"].includes(name) && !/^(\/|#|data:,$)/.test(value))
          found.push(`${element.localName} ${name}=${value.slice(0, 80)}`);
      }
      if (
        [
          "script",
          "iframe",
          "img",
          "object",
          "embed",
          "base",
          "style",
          "video",
          "audio",
          "math",
          "marquee",
        ].includes(element.localName)
      ) {
        const isOurs =
          (element.localName === "script" && element.getAttribute("src")?.startsWith("/console/assets/")) ||
          element.className === "document";
        if (!isOurs) found.push(element.outerHTML.slice(0, 120));
      }
      for (const event of ["mouseover", "focus", "toggle", "animationstart"])
        element.dispatchEvent(new Event(event));
    }
    return found;
  });
}

test("hundreds of texts that want to run are shown on every page, and none does", async () => {
  expect(all.length).toBeGreaterThan(300);
  const ran: string[] = [];
  const visitor = await aVisitor(ran);
  const reports = [delivered, parked, refused].flatMap((id) =>
    ["", "/texts", "/document", "/receipt", "/history"].map((tab) => `/console/reports/${id}${tab}`),
  );
  const cases = await listCases(fleet.store, { limit: 10 });
  const addresses = [
    ...[
      "",
      "/reports",
      "/review",
      "/types",
      "/types/brief",
      "/routes",
      "/spend",
      "/accounts",
      "/accounts/acme",
    ].map((path) => `/console${path}`),
    ...["/workers", "/webhooks", "/keys", "/audit"].map((path) => `/console${path}`),
    ...reports,
    ...cases.flatMap(({ id, group }) => [
      `/console/review/${encodeURIComponent(id)}`,
      `/console/groups/${encodeURIComponent(group)}`,
    ]),
  ];
  let shown = 0;
  for (const address of addresses) {
    await visitor.goTo(address);
    expect([address, await strangers(visitor)]).toEqual([address, []]);
    const text = (await visitor.page.textContent("body")) ?? "";
    shown += all.filter(({ text: payload }) => text.includes(payload)).length;
  }
  // They were there to be run: in answers, in the source, in the error, in tags.
  expect(shown).toBeGreaterThan(2 * all.length);
  expect({ ran, complaints: visitor.complaints, asked }).toEqual({ ran: [], complaints: [], asked: [] });
  await visitor.close();
});

test("the document runs and loads nothing, in its frame and opened by itself", async () => {
  const ran: string[] = [];
  const visitor = await aVisitor(ran);
  await visitor.goTo(`/console/reports/${delivered}/document`);
  const frame = visitor.page.frameLocator("iframe.document");
  await frame.locator("h1").waitFor();
  expect(await frame.locator("script, img, iframe, object, embed, base, svg, math, form").count()).toBe(0);
  const links = await frame
    .locator("a")
    .evaluateAll((found) => found.map((link) => link.getAttribute("href") ?? ""));
  expect(links.filter((href) => !/^(#s\d+$|https?:|mailto:)/.test(href))).toEqual([]);
  await visitor.goTo(`/console/reports/${delivered}/document/framed`);
  expect({ ran, complaints: visitor.complaints, asked }).toEqual({ ran: [], complaints: [], asked: [] });
  await visitor.close();
});

test("no text in an address runs, whether somebody is signed in or not", async () => {
  const ran: string[] = [];
  const visitor = await aVisitor(ran);
  for (const { text } of all.filter(({ number }) => number % 7 === 0)) {
    const encoded = encodeURIComponent(text);
    for (const address of [
      `/console/reports?q=${encoded}&account=${encoded}`,
      `/console/login?to=${encoded}`,
      `/console/link/${encoded}`,
    ]) {
      await visitor.page.goto(address, { waitUntil: "domcontentloaded" });
      const found = await strangers(visitor);
      // The login's own field is where one begins to write.
      expect([
        address,
        found.filter((one) => one !== "input[autofocus]" && one !== "button[autofocus]"),
      ]).toEqual([address, []]);
    }
  }
  const refusals = visitor.complaints.filter((complaint) => !complaint.includes("Failed to load resource"));
  expect({ ran, refusals, asked }).toEqual({ ran: [], refusals: [], asked: [] });
  await visitor.close();
});
