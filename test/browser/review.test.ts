/** The review desk as a person uses it: hands on the keyboard, texts that want to be run, and the price before the decision. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { cancelReport } from "../../src/desk/end-by-person.ts";
import { turnBreaker } from "../../src/store/breakers.ts";
import type { TestApi } from "../support/api.ts";
import { startTestConsole } from "../support/console.ts";
import { BAD, GOOD, mend, spoil, startReviewStory, type ReviewStory } from "../support/review-story.ts";
import { openBrowser, visit, type Visitor } from "./support/browser.ts";

let story: ReviewStory;
let api: TestApi;
let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
  story = await startReviewStory("browser-review");
  api = await startTestConsole(story.fleet);
});
afterAll(async () => {
  await browser.close();
  await api.close();
  await story.close();
  expect(api.errors).toEqual([]);
});

test("a person finds a failure, edits it, sees it fit as it is written, and decides without touching the mouse", async () => {
  const { id } = await story.parked("Northwind");
  const visitor = await visit(browser, api, story.fleet.store, { name: "rhea" });
  const { page } = visitor;
  await visitor.goTo("/console/review");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/console\/review\/rp-/);
  expect(await page.locator("#failing mark").textContent()).toBe('"urgent"');
  await visitor.expectClean();
  await page.keyboard.press("e");
  expect(await page.evaluate("document.activeElement.id")).toBe("output");
  await page.locator("#checks-output").getByText("findings[1].severity").waitFor();
  await page.locator("#output").fill(GOOD);
  await page.locator("#checks-output").getByText("It fits").waitFor();
  await page.keyboard.press("Escape");
  await page.locator("input[value=accept_edited]").check();
  await page.locator("#why").fill("put right by hand");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Decided: accept edited").waitFor();
  await visitor.expectClean();
  await story.fleet.delivered(id);
  await visitor.close();
});

test("two people at the same inbox see at once which case the other looks at, and which is free again", async () => {
  const { id, found } = await story.parked("Proseware");
  // The next story has a group of its own.
  onTestFinished(async () => {
    await cancelReport(story.fleet.fleet.workshop, id, { by: "mia (console)", why: "ordered twice" });
  });
  const visitors = [];
  for (const name of ["rhea", "rob"])
    visitors.push(await visit(browser, api, story.fleet.store, { name, role: "reviewer" }));
  const [rhea, rob] = visitors as [Visitor, Visitor];
  await rob.goTo("/console/review");
  await rhea.goTo(`/console/review/${found.id}`);
  await rhea.page.getByRole("button", { name: "I look at it" }).click();
  await rob.page.getByRole("link", { name: "Looked at (1)" }).waitFor();
  await rob.goTo(`/console/review/${found.id}`);
  await rob.page.getByText("rhea is looking at it").waitFor();
  await rhea.page.getByRole("button", { name: "Leave it to others" }).click();
  await rob.page.getByText("rhea is looking at it").waitFor({ state: "detached" });
  await rob.page.getByRole("button", { name: "I look at it" }).waitFor();
  for (const visitor of visitors) {
    await visitor.expectClean();
    await visitor.close();
  }
});

test("a person prices and resumes a case, and then a group with a canary, and watches it end", async () => {
  const { id, found } = await story.parked("Contoso");
  const others = [await story.parked("Fabrikam"), await story.parked("Litware")];
  const visitor = await visit(browser, api, story.fleet.store, { name: "rhea" });
  const { page } = visitor;
  mend(story);
  await visitor.goTo(`/console/review/${found.id}`);
  await page.locator("#choice-resume-current").getByText("1 call, ≈ $").waitFor();
  await page.locator("#why").fill("the model was updated");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Decided: resume").waitFor();
  await story.fleet.delivered(id);

  await visitor.goTo(`/console/groups/${others[0]?.found.group}`);
  await page.locator("input[value=resume]").check();
  await page.getByRole("button", { name: "Price it" }).click();
  await page.getByText("2 of 2").waitFor();
  await visitor.expectClean();
  await page.locator("#why").fill("the prompt is mended");
  await page.getByRole("button", { name: "Decide 2 cases" }).click();
  await page.getByText("Ask the model again: done").waitFor();
  await visitor.expectClean();
  for (const one of others) await story.fleet.delivered(one.id);
  spoil(story);
  await visitor.close();
});

test("a person delivers what is written of a parked report, and sees what the buyer is charged for it", async () => {
  const { id, found } = await story.parked("Woodgrove");
  const visitor = await visit(browser, api, story.fleet.store, { name: "mia" });
  const { page } = visitor;
  await visitor.goTo(`/console/review/${found.id}`);
  const choice = page.locator("li", { has: page.locator("input[value=deliver_partial]") });
  await choice.getByText("credits charged").waitFor();
  await page.locator("input[value=deliver_partial]").check();
  await page.locator("#why").fill("the customer needs it today");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Decided: deliver partial").waitFor();
  await visitor.expectClean();
  const report = await story.fleet.reaches(id, "completed");
  expect(report).toMatchObject({ delivery: "partial", hold: "committed" });
  expect(report.charged).toBeLessThan(report.credits);
  await visitor.close();
});

test("a person opens a type that stopped, by a canary whose delivery starts the rest", async () => {
  const { store } = story.fleet;
  await turnBreaker(store, "audit", { to: "open", by: "ops", reason: "its prompt is wrong" });
  const visitor = await visit(browser, api, store, { name: "mia" });
  const { page } = visitor;
  await visitor.goTo("/console/types");
  await page.getByRole("link", { name: "audit", exact: true }).click();
  await page.getByText("its prompt is wrong").first().waitFor();
  await visitor.expectClean();
  await page.getByText("Start it again").click();
  await page.getByLabel("Why").fill("the prompt is mended");
  await page.getByRole("button", { name: "Start audit" }).click();
  await page.getByText("audit is on trial").waitFor();
  mend(story);
  await story.fleet.grant("proseware", 100);
  const source = { company: "Proseware", country: "NO", employees: 12 };
  await story.fleet.delivered(await story.fleet.submit({ account: "proseware", type: "audit", source }));
  await page.locator("#breaker").getByText("running").waitFor();
  await visitor.expectClean();
  spoil(story);
  await visitor.close();
});

test("what a model, an order, a note or a draft says is shown and never run", async () => {
  const hostile = `</textarea></pre><script>document.title='owned'</script><img src=x onerror=alert(1)><svg onload=alert(1)>"'>`;
  story.provider.answer = (prompt) =>
    prompt.includes("audit/findings")
      ? BAD.replace("urgent", JSON.stringify(hostile).slice(1, -1))
      : "A text long enough to be a background of a company.";
  const { found } = await story.parked(hostile);
  for (const size of ["desktop", "phone"] as const) {
    const visitor = await visit(browser, api, story.fleet.store, { size });
    const { page } = visitor;
    await visitor.goTo(`/console/review/${found.id}`);
    await page.locator("#note").fill(hostile);
    await page.getByRole("button", { name: "Leave the note" }).click();
    await page.getByText("(console)").first().waitFor();
    await page.evaluate(
      "document.querySelectorAll('details').forEach((one) => one.setAttribute('open', ''))",
    );
    await page.locator("#output").fill(`${hostile} {`);
    await page.locator("#checks-output").getByText("It is no JSON").waitFor();
    expect(await page.title()).not.toContain("owned");
    expect(await page.locator("main img, main script").count()).toBe(0);
    await visitor.expectClean();
    await visitor.goTo("/console/review");
    await visitor.goTo(`/console/groups/${found.group}`);
    await visitor.expectClean();
    await visitor.close();
  }
});
