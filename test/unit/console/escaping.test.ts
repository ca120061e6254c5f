/** What keeps a stranger's text inert on every page: one way to make HTML, and nothing that marks text as safe. */
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { html } from "../../../src/console/html.ts";

const folder = resolve(import.meta.dirname, "../../../src/console");
const sources = globSync("**/*.ts", { cwd: folder }).map(
  (file) => [file, readFileSync(resolve(folder, file), "utf8")] as const,
);

test("whatever is put into a template is escaped, in text and in attributes", async () => {
  const text = `<img src=x onerror="alert('1')">&`;
  const written = (
    await html`<p title="${text}">${text} ${[text, 1, null, undefined, false]}</p>`
  ).toString();
  expect(written).not.toContain("<img");
  expect(written.match(/"/g)).toHaveLength(2);
  expect(written.match(/&lt;img src=x onerror=&quot;alert\(&#39;1&#39;\)&quot;&gt;&amp;/g)).toHaveLength(3);
});

test("no page marks text as safe by hand, and only one file knows the templates' library", () => {
  expect(sources.length).toBeGreaterThan(10);
  for (const [file, text] of sources) {
    expect([file, /\braw\s*\(|isEscaped|dangerously|innerHTML/.test(text)]).toEqual([file, false]);
  }
  const knowing = sources.filter(([, text]) => text.includes('"hono'));
  expect(knowing.map(([file]) => file)).toEqual(["html.ts"]);
});

test("no page holds a script, a style or a handler of its own: the policy would forbid it", () => {
  for (const [file, text] of sources) {
    const found = text.match(
      /\sstyle="|<style|<script(?! type="module" src="\$\{script\}")|\son[a-z]+="|javascript:/g,
    );
    expect([file, found]).toEqual([file, null]);
  }
});

test("the stylesheet stays within 300 lines, and is made of its tokens: no colour stands beside them", () => {
  const css = readFileSync(resolve(folder, "static/console.css"), "utf8");
  expect(css.split("\n").length).toBeLessThanOrEqual(300);
  const rules = css.split("\n").filter((line) => !line.trim().startsWith("--"));
  expect(rules.filter((line) => /#[0-9a-f]{3,8}\b/i.test(line))).toEqual([]);
});
