/**
 * A real Chromium at the console. Whatever a page complains about on the way (a script's error, a violated policy, an
 * address it could not load, a request to anywhere else) is kept, and `expectClean` fails on it.
 */
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { expect } from "vitest";
import { findChromium } from "../../../scripts/programs/find-chromium.ts";
import type { PersonRole } from "../../../src/domain/person.ts";
import { makeLink } from "../../../src/store/console-sessions.ts";
import type { Store } from "../../../src/store/redis.ts";

export const SIZES = { desktop: { width: 1_280, height: 900 }, phone: { width: 390, height: 844 } } as const;
export type Size = keyof typeof SIZES;

export async function openBrowser(): Promise<Browser> {
  const executablePath = await findChromium((line) => void process.stderr.write(`${line}\n`));
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

export interface Visitor {
  page: Page;
  context: BrowserContext;
  /** Goes to an address of the console, such as `/console/reports`. */
  goTo(path: string): Promise<void>;
  /** What the pages complained about so far; empty where all is well. */
  complaints: readonly string[];
  /** No complaint so far, and axe finds nothing on the page as it stands. */
  expectClean(): Promise<void>;
  close(): Promise<void>;
}

/** Somebody in front of a browser, signed in by a one-time link. */
export async function visit(
  browser: Browser,
  api: { url: string },
  store: Store,
  {
    role = "admin",
    name = "ada",
    size = "desktop",
    dark = false,
    script = true,
  }: {
    role?: PersonRole;
    name?: string;
    size?: Size;
    dark?: boolean;
    /** False for a browser that runs none. */
    script?: boolean;
  } = {},
): Promise<Visitor> {
  const context = await browser.newContext({
    viewport: SIZES[size],
    colorScheme: dark ? "dark" : "light",
    javaScriptEnabled: script,
    baseURL: api.url,
  });
  const page = await context.newPage();
  const complaints = listen(page, api.url);
  const link = await makeLink(store, { name, role }, 60_000);
  await page.goto(`/console/link/${link}`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(/\/console$/);
  return {
    page,
    context,
    complaints,
    async goTo(path) {
      const answer = await page.goto(path);
      expect([path, answer?.status()]).toEqual([path, 200]);
    },
    async expectClean() {
      expect({ page: page.url(), complaints }).toEqual({ page: page.url(), complaints: [] });
      if (script)
        expect({ page: page.url(), found: await violationsOn(page) }).toEqual({
          page: page.url(),
          found: [],
        });
    },
    close: () => context.close(),
  };
}

/** What a page complains about, from now on. */
export function listen(page: Page, ours: string): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`thrown: ${error.message}`));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(ours) && !url.startsWith("data:") && !url.startsWith("about:"))
      complaints.push(`asked elsewhere: ${url}`);
  });
  page.on("requestfailed", (request) => {
    // What a page leaves behind when somebody goes on has not failed: its stream, and its asking for its newest self.
    const isLeft = request.failure()?.errorText === "net::ERR_ABORTED";
    if (request.url().endsWith("/console/events") || (isLeft && request.headers()["x-live"] !== undefined))
      return;
    complaints.push(`failed: ${request.url()} ${request.failure()?.errorText ?? ""}`);
  });
  return complaints;
}

/** What axe finds, in words short enough to read in a failed test. */
async function violationsOn(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    // Here it is the page's own, which the line above has put there.
    const inPage = globalThis as unknown as { axe: typeof axe };
    const { violations } = await inPage.axe.run();
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 300)}`),
    );
  });
}
