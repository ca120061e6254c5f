import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { configurationPage } from "../../../scripts/docs/configuration-page.ts";
import { listSettings } from "../../../src/config/settings.ts";

test("the page of settings is what `npm run docs` writes: every setting, its default, who needs it and why", () => {
  const page = readFileSync(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  expect(page).toBe(configurationPage(listSettings()));
});

test("no setting is without its sentence, and none shows a path of the machine it was written on", () => {
  const settings = listSettings();
  expect(settings.length).toBeGreaterThan(20);
  expect(settings.filter(({ meaning }) => !/^[A-Z].*\.$/.test(meaning)).map(({ name }) => name)).toEqual([]);
  expect(configurationPage(settings)).not.toContain(import.meta.dirname.split("/test/")[0]);
});
