import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PAGES } from "../../src/console/pages.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import type { TestApi } from "../support/api.ts";
import { startTestConsole } from "../support/console.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";
import { openBrowser, SIZES, visit, type Size } from "./support/browser.ts";

let fleet: TestFleet;
let api: TestApi;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("browser"),
    types: [aTopicType],
  });
  api = await startTestConsole(fleet);
  await fleet.grant("acme", 100);
  await fleet.delivered(await fleet.submit({ account: "acme", type: "topic", source: { topic: "glass" } }));
});
afterAll(async () => {
  await browser.close();
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

test.each(Object.keys(SIZES) as Size[])("every page is clean and accessible, %s", async (size) => {
  for (const dark of [false, true]) {
    const visitor = await visit(browser, api, fleet.store, { size, dark });
    for (const { kind, path } of PAGES) {
      if (kind !== "page" || path.includes(":")) continue;
      await visitor.goTo(`/console${path === "/" ? "" : path}`);
      await visitor.expectClean();
      const width = await visitor.page.evaluate("document.documentElement.scrollWidth");
      expect([path, width]).toEqual([path, SIZES[size].width]);
    }
    await visitor.close();
  }
});
