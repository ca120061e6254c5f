import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TestApi } from "../support/api.ts";
import { startTestConsole } from "../support/console.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { tellStory, type Story } from "../support/story.ts";
import { addressesOf } from "./support/addresses.ts";
import { openBrowser, SIZES, visit, type Size } from "./support/browser.ts";

let story: Story;
let api: TestApi;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  story = await tellStory({ redisUrl: testRedisUrl(), fleet: uniqueFleet("browser") });
  api = await startTestConsole(story.fleet, { environment: "production" });
});
afterAll(async () => {
  await browser.close();
  await api.close();
  await story.fleet.stop();
  expect(api.errors).toEqual([]);
});

test.each(Object.keys(SIZES) as Size[])("every page is clean and accessible, %s", async (size) => {
  const visitor = await visit(browser, api, story.fleet.store, { size });
  for (const address of addressesOf(story, "all")) {
    await visitor.goTo(address);
    await visitor.expectClean();
    const width = await visitor.page.evaluate("document.documentElement.scrollWidth");
    expect([address, width]).toEqual([address, SIZES[size].width]);
  }
  await visitor.close();
});

test("every page is as clean and accessible in the dark", async () => {
  const visitor = await visit(browser, api, story.fleet.store, { dark: true });
  for (const address of addressesOf(story, "one")) {
    await visitor.goTo(address);
    await visitor.expectClean();
  }
  await visitor.close();
});

test("Bull Board runs under its own policy without a complaint, and leads back to the report", async () => {
  const visitor = await visit(browser, api, story.fleet.store);
  await visitor.goTo(`/console/reports/${story.ids.parked}`);
  await visitor.page.getByRole("link", { name: "in the queue" }).click();
  await visitor.page.getByRole("link", { name: "Its report" }).first().waitFor();
  expect(visitor.complaints).toEqual([]);
  expect(await visitor.page.getByRole("link", { name: "Its report" }).first().getAttribute("href")).toBe(
    `/console/reports/${story.ids.parked}`,
  );
  await visitor.close();
});
