/**
 * `npm run screenshots`: the pictures of docs/desk.md, taken of the real pages on a fleet whose day was really played. So
 * a page that changes its looks changes its picture by one command.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Browser } from "playwright-core";
import { topicReport } from "../examples/topic-report.ts";
import { simulatedModels } from "../src/cli/configured.ts";
import { loadConfig } from "../src/config.ts";
import { listCases } from "../src/store/cases.ts";
import { makeLink } from "../src/store/console-sessions.ts";
import { startTestFleet } from "../src/testing.ts";
import { keepOrdering, ORDERING_FAULTS } from "./demo/keep-ordering.ts";
import { serveDemoApi } from "./demo/serve-demo-api.ts";
import { playStory, STORY_FAULTS, STORY_TYPES } from "./demo/story.ts";
import { findChromium } from "./programs/find-chromium.ts";
import { openRedis } from "./redis/open-redis.ts";
import { root } from "./tools.ts";

const FOLDER = join(root, "docs/images");
const DESKTOP = { width: 1_280, height: 860 };
const PHONE = { width: 390, height: 844 };
const LINK_MS = 60_000;
/** What is drawn by the minute wants some minutes. */
const ORDERING_MS = 6 * 60_000;

interface Picture {
  name: string;
  address: string;
  size?: typeof DESKTOP;
  dark?: true;
}

const say = (line: string): void => console.error(line);
const dir = mkdtempSync(join(tmpdir(), "report-fleet-screenshots-"));
const redis = await openRedis({ url: null, dir, say });
try {
  const fleet = await startTestFleet({
    redisUrl: redis.url,
    fleet: "fleet",
    types: [topicReport, ...STORY_TYPES],
    faults: [...STORY_FAULTS, ...ORDERING_FAULTS],
    latency: { firstByteMs: [60, 300], perTokenMs: 0.3 },
  });
  try {
    const { ids } = await playStory(fleet.fleet.workshop);
    const [parked] = await listCases(fleet.store, { report: ids.parked, limit: 1 });
    if (parked === undefined) throw new Error("Nothing was parked.");
    const config = loadConfig({ PORT: "0", CONSOLE_ENVIRONMENT: "staging" });
    const models = simulatedModels(config, fleet.provider.url);
    const api = await serveDemoApi(fleet.fleet, { config, redisUrl: redis.url, models });
    const browser = await chromium.launch({
      executablePath: await findChromium(say),
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    mkdirSync(FOLDER, { recursive: true });
    const shoot = async (picture: Picture) => {
      const link = await makeLink(fleet.store, { name: "ada", role: "admin" }, LINK_MS);
      await take(browser, api.url, link, picture);
    };
    for (const picture of [
      { name: "overview", address: "" },
      { name: "reports", address: "/reports" },
      { name: "report", address: `/reports/${ids.repaired}` },
      { name: "review", address: "/review" },
      { name: "case", address: `/review/${parked.id}` },
      { name: "group", address: `/groups/${parked.group}` },
      { name: "type", address: "/types/price-watch", dark: true },
      { name: "case-on-a-phone", address: `/review/${parked.id}`, size: PHONE },
    ] satisfies Picture[])
      await shoot(picture);
    say(`Orders come in for ${ORDERING_MS / 60_000} min, so that spend has a course.`);
    await keepOrdering(fleet.fleet.workshop, AbortSignal.timeout(ORDERING_MS)).catch(() => undefined);
    await shoot({ name: "spend", address: "/spend", dark: true });
    await browser.close();
    await api.close();
  } finally {
    await fleet.stop();
  }
} finally {
  await redis.close();
  rmSync(dir, { recursive: true, force: true });
}

async function take(browser: Browser, url: string, link: string, picture: Picture): Promise<void> {
  const { name, address, size = DESKTOP, dark } = picture;
  const context = await browser.newContext({
    viewport: size,
    baseURL: url,
    colorScheme: dark === true ? "dark" : "light",
  });
  const page = await context.newPage();
  await page.goto(`/console/link/${link}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(/\/console$/);
  await page.goto(`/console${address}`);
  await page.screenshot({ path: join(FOLDER, `${name}.png`) });
  await context.close();
  say(`docs/images/${name}.png`);
}
