/** The review desk without a script in the browser: what a person reads about a parked failure, and what becomes of it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkStakes } from "../support/check-reviews.ts";
import type { TestApi } from "../support/api.ts";
import { signedIn, startTestConsole } from "../support/console.ts";
import { startReviewStory, type ReviewStory } from "../support/review-story.ts";

let story: ReviewStory;
let api: TestApi;
beforeAll(async () => {
  story = await startReviewStory("console-review");
  api = await startTestConsole(story.fleet);
});
afterAll(async () => {
  await api.close();
  await story.close();
  expect(api.errors).toEqual([]);
});

const store = () => story.fleet.store;
const at = (id: string) => `/console/review/${id}`;

test("the inbox shows equal failures as one row with the money that waits, and finds it by kind, type and section", async () => {
  const { found } = await story.parked("Northwind");
  await story.parked("Contoso");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const { text } = await rhea.get("/console/review");
  const row = text.slice(text.indexOf("<tbody"), text.indexOf("</tbody>"));
  expect(row.split("<tr").length - 1).toBe(1);
  expect(row).toContain("findings[1].severity");
  expect(row).toMatch(/data-label="Waiting">\s*2/);
  expect(row).toMatch(/data-label="Held">24</);
  expect(row).toContain(`/console/review/${found.id}`);
  expect(await checkStakes(store(), found.group)).toEqual([]);
  for (const order of ["oldest", "credits", "cases", "latest"])
    for (const filter of ["kind=contract", "type=audit", "section=findings", "kind=nonsense", "type="])
      expect((await rhea.get(`/console/review?order=${order}&${filter}`)).text).toContain(
        "findings[1].severity",
      );
  for (const filter of ["kind=cost", "type=topic", "section=summary"])
    expect((await rhea.get(`/console/review?${filter}`)).text).toContain(
      "Nothing waits for a person that looks like this.",
    );
});

test("a case shows where the raw answer breaks, the prompt as it was asked and what it cost; a viewer sees no text of it", async () => {
  const { id, found } = await story.parked("Tailspin <b>Toys</b>");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const { text } = await rhea.get(at(found.id));
  expect(text).toContain("<mark>&quot;urgent&quot;</mark>");
  expect(text).toContain("List the findings about Tailspin &lt;b&gt;Toys&lt;/b&gt;, NO, with 120 employees.");
  expect(text).toContain("1 of 3 finished");
  const { wasted } = await story.fleet.spend(id);
  expect(wasted).toBeGreaterThan(0);
  expect(text).toContain("wasted");
  const raw = await rhea.get(`${at(found.id)}/answer`);
  expect([raw.status, raw.headers.get("Content-Type")]).toEqual([200, "text/plain; charset=utf-8"]);
  expect(raw.headers.get("Content-Disposition")).toContain("attachment");
  expect(raw.text).toContain('"severity": "urgent"');

  const vera = await signedIn(api, store(), "viewer", "vera");
  const seen = await vera.get(at(found.id));
  expect(seen.status).toBe(200);
  expect(seen.text).toContain("findings[1].severity");
  for (const secret of ["urgent", "Tailspin", "Passwords are old"]) expect(seen.text).not.toContain(secret);
  expect((await vera.get(`${at(found.id)}/answer`)).status).toBe(403);
  expect((await vera.get(at("rp-nothing.findings.1"))).status).toBe(404);
});

test("who looks at a case is named to the others, the next person gets another one, and nobody is locked out", async () => {
  const [rhea, rob] = [
    await signedIn(api, store(), "reviewer", "rhea"),
    await signedIn(api, store(), "reviewer", "rob"),
  ];
  const first = (await rhea.send("/console/review/next", { order: "oldest" })).to ?? "";
  expect((await rob.get(first)).text).toContain("rhea is looking at it");
  const second = (await rob.send("/console/review/next", { order: "oldest" })).to ?? "";
  expect(second).toMatch(/^\/console\/review\/rp-/);
  expect(second).not.toBe(first);
  expect((await rob.get("/console/review?state=mine")).text).toContain(second);
  expect((await rob.get("/console/review?state=claimed")).text).toContain(first);

  expect((await rob.send(`${first}/claim`, {})).to).toBe(first);
  expect((await rob.get(first)).text).toContain("rhea looks at it since a moment ago");
  await rob.send(`${first}/claim`, { over: "yes" });
  expect((await rhea.get(first)).text).toContain("rob is looking at it");
  await rob.send(`${first}/claim`, { release: "yes" });
  expect((await rhea.get(first)).text).not.toContain("is looking at it");
});

test("a note is there for the next person, whatever it says", async () => {
  const { found } = await story.parked("Litware");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  await rhea.send(`${at(found.id)}/notes`, { text: "<script>alert(1)</script> was asked for" });
  const { text } = await rhea.get(at(found.id));
  expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt; was asked for");
  expect(text).toContain("rhea (console)");
  expect((await rhea.send(`${at(found.id)}/notes`, { text: " " })).status).toBe(422);
});
