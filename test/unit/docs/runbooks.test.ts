/** Every alert has a page that says what to do, and what it says to do exists. */
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { Terminal } from "../../../src/cli/command.ts";
import { openOutput } from "../../../src/cli/output.ts";
import { PAGES } from "../../../src/console/pages.ts";
import { problemsOf } from "../../support/promql.ts";

const root = resolve(import.meta.dirname, "../../..");

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

function rulesOf(file: string): Rule[] {
  const text = readFileSync(`${root}/dashboards/${file}`, "utf8");
  return (parse(text) as { groups: { rules: Rule[] }[] }).groups.flatMap(({ rules }) => rules);
}

const alerts = rulesOf("alerts.rules.yml");
const rules = [...alerts, ...rulesOf("recording.rules.yml")];
const pages = globSync("docs/runbooks/Fleet*.md", { cwd: root }).map((file) => ({
  name: file.replace(/^.*\/|\.md$/g, ""),
  text: readFileSync(resolve(root, file), "utf8"),
}));

test("every alert has a runbook, a case that fires and one that stays quiet, and nothing else has", () => {
  const names = alerts.map(({ alert = "" }) => alert);
  expect(names.length).toBeGreaterThan(20);
  expect(pages.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  for (const { alert, annotations, labels } of alerts) {
    expect(annotations?.["runbook_url"]).toBe(`docs/runbooks/${alert}.md`);
    expect(annotations?.["summary"]).toMatch(/\S/);
    expect(["page", "ticket"]).toContain(labels?.["severity"]);
  }
  const cases = globSync("test/prometheus/*.promtool.yml", { cwd: root }).flatMap((file) =>
    (parse(readFileSync(resolve(root, file), "utf8")) as { tests: { name: string }[] }).tests.map(
      ({ name }) => name,
    ),
  );
  expect(cases.toSorted()).toEqual(
    names.flatMap((name) => [`${name} fires`, `${name} stays quiet`]).toSorted(),
  );
});

test("the list of runbooks has every alert, with what it says", () => {
  const list = readFileSync(`${root}/docs/runbooks/README.md`, "utf8").replaceAll(/ +/g, " ");
  expect(alerts.map(rowOf).filter((line) => !list.includes(line))).toEqual([]);
});

function rowOf({ alert, labels, annotations }: Rule): string {
  return `| [${alert}](${alert}.md) | ${labels?.["severity"]} | ${annotations?.["description"]} |`;
}

test("a runbook says what it means, what it costs, where to look, what to do and when it is over", () => {
  const headings = ["## What it costs", "## Look here", "## Do this", "## It is over when"];
  const lacking = pages.filter(
    ({ name, text }) =>
      !text.startsWith(`# ${name}\n`) || headings.some((heading) => !text.includes(`\n${heading}\n`)),
  );
  expect(lacking).toEqual([]);
  for (const { name, text } of pages) {
    const severity = alerts.find(({ alert }) => alert === name)?.labels?.["severity"];
    expect([name, text.includes("A page: it wakes somebody.")]).toEqual([name, severity === "page"]);
  }
});

test("every command a runbook names exists, with the options it is given", async () => {
  const terminal: Terminal = {
    output: openOutput({ json: false }),
    finish: () => undefined,
  };
  const known = new Map<string, Command>();
  for (const file of globSync("src/cli/commands/*.ts", { cwd: root })) {
    const module = (await import(resolve(root, file))) as Record<string, unknown>;
    for (const make of Object.values(module))
      if (typeof make === "function" && make.name.endsWith("Command"))
        note((make as (of: Terminal) => Command)(terminal), "");
  }
  function note(command: Command, above: string): void {
    const name = `${above}${command.name()}`;
    known.set(name, command);
    for (const part of command.commands) note(part, `${name} `);
  }
  const wrong = pages.flatMap(({ name, text }) =>
    [...text.matchAll(/`report-fleet ([^`]+)`/g)].flatMap(([, line = ""]) => {
      const [first = "", second = ""] = line.split(" ");
      const command = known.get(`${first} ${second}`) ?? known.get(first);
      const options = [...line.matchAll(/--[a-z-]+/g)].map(([option]) => option);
      const flags = command?.options.map(({ long }) => long) ?? [];
      const lost = options.filter((option) => !flags.includes(option));
      return command === undefined || lost.length > 0
        ? [`${name}: report-fleet ${line} ${lost.join(" ")}`]
        : [];
    }),
  );
  expect(wrong).toEqual([]);
});

test("rules ask for metrics and labels that exist, and for what a rule records", () => {
  const recorded = rules.flatMap(({ record }) => record ?? []);
  const wrong = rules.flatMap(({ expr, alert, record }) => [
    ...problemsOf(expr).map((problem) => `${alert ?? record}: ${problem}`),
    ...[...expr.matchAll(/[a-z_]+:[a-z0-9_]+:[a-z0-9_]+/g)].flatMap(([name]) =>
      recorded.includes(name) ? [] : [`${alert ?? record}: nothing records ${name}`],
    ),
  ]);
  expect(wrong).toEqual([]);
});

test("every page of the console that a runbook or a guide names is there, and knows what it is asked for", () => {
  const texts = globSync(["README.md", "docs/**/*.md"], { cwd: root }).map((file) => ({
    file,
    text: readFileSync(resolve(root, file), "utf8"),
  }));
  const named = texts.flatMap(({ file, text }) =>
    [...text.matchAll(/`(\/console[^`\s]*)`/g)].map(([, link = ""]) => ({ file, link })),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(({ link }) => !isPage(link))).toEqual([]);
});

function isPage(link: string): boolean {
  const { pathname, searchParams } = new URL(link, "http://fleet.invalid");
  const path = pathname.replace(/^\/console/, "") || "/";
  const page = PAGES.find(
    (one) => one.kind === "page" && new RegExp(`^${one.path.replaceAll(/:\w+/g, "[^/]+")}$`).test(path),
  );
  const asked = Object.fromEntries(searchParams);
  if (page === undefined || !("show" in page)) return false;
  // A word that a page does not know is passed over by it without a word.
  const understood = (page.query?.parse(asked) ?? {}) as Record<string, unknown>;
  return Object.entries(asked).every(([name, value]) => String(understood[name]) === value);
}
