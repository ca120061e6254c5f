/** A guarantee is worth its proof: every test that GUARANTEES.md names is there, in those words. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const page = readFileSync(new URL("../../../GUARANTEES.md", import.meta.url), "utf8");

/** `[name](file): "title"; "title"`, as the tables write it. */
function proofs(): { file: string; title: string }[] {
  return [...page.matchAll(/\]\((test\/[\w/.-]+)\): ((?:"[^"]+"(?:; )?)+)/g)].flatMap(
    ([, file = "", titles = ""]) =>
      [...titles.matchAll(/"([^"]+)"/g)].map(([, title = ""]) => ({ file, title })),
  );
}

test("every guarantee names a test that exists", () => {
  const found = proofs();
  expect(found.length).toBeGreaterThan(25);
  const missing = found.filter(({ file, title }) => {
    const source = readFileSync(new URL(`../../../${file}`, import.meta.url), "utf8");
    return !source.includes(`"${title}"`);
  });
  expect(missing).toEqual([]);
});

test("all ten promises are there, and nothing is called exactly once", () => {
  for (let promise = 1; promise <= 10; promise++) expect(page).toContain(`| ${promise} | **`);
  const claims = page.split("## What is not promised")[0] ?? "";
  expect(claims).not.toMatch(/exactly once/i);
});
