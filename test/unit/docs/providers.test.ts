import { expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { listSettings } from "../../../src/config/settings.ts";
import { DEFAULT_RETRIES } from "../../../src/domain/failure.ts";
import { loadRouteFile } from "../../../src/llm/route-file.ts";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const page = readFileSync(new URL("../../../docs/providers.md", import.meta.url), "utf8");

test("the table of retries shows the defaults of the code", () => {
  const { backoff, ...plain } = DEFAULT_RETRIES;
  const flat = {
    ...plain,
    ...Object.fromEntries(Object.entries(backoff).map(([name, value]) => [`backoff.${name}`, value])),
  };
  for (const [name, value] of Object.entries(flat)) expect(page).toContain(`| \`${name}\` | ${value} |`);
});

test("the route file of the page is one that loads", () => {
  const json = /```json\n(.*?)```/s.exec(page)?.[1] ?? "";
  const dir = mkdtempSync(join(tmpdir(), "routes-"));
  try {
    writeFileSync(join(dir, "routes.json"), json);
    const routes = loadRouteFile(join(dir, "routes.json"), (variable) => `key of ${variable}`);
    expect(routes["default"]?.map(({ model }) => model)).toEqual(["gpt-4.1-mini", "our-writer"]);
    expect(() => loadRouteFile(join(dir, "routes.json"), () => null)).toThrow(
      /OPENAI_API_KEY, which is not set/,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("every variable of the page is one that the configuration reads", () => {
  const variables = [...page.matchAll(/`([A-Z][A-Z_]{3,})`/g)].map(([, name]) => name ?? "");
  expect(variables.length).toBeGreaterThan(8);
  const settings = listSettings().map(({ name }) => name);
  for (const name of variables) expect(settings).toContain(name);
  expect(loadConfig({ SPEND_CAP_USD: "2.5", ROUTE_CONCURRENCY: "4" })).toMatchObject({
    caps: { fleetPerDay: 2_500_000, accountPerDay: null },
    openai: { limits: { concurrency: 4 } },
  });
});
