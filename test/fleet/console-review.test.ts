/** The review desk without a script in the browser: what a person reads about a parked failure, and what becomes of it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAudit } from "../../src/store/audit.ts";
import { listOperations } from "../../src/store/operations.ts";
import { readCase } from "../../src/store/cases.ts";
import { readNewestEvents } from "../../src/store/read-events.ts";
import { checkStakes } from "../support/check-reviews.ts";
import type { TestApi } from "../support/api.ts";
import { waitFor } from "../../src/testing.ts";
import { signedIn, startTestConsole, type Read, type Visitor } from "../support/console.ts";
import { BAD, GOOD, mend, spoil, startReviewStory, type ReviewStory } from "../support/review-story.ts";

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
  expect(row).toMatch(/data-label="Credits held">24</);
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
  await rob.send(`${first}/claim`, {});
  await rob.send(`${first}/claim`, { release: "yes" });
  await rob.send(`${first}/claim`, { release: "yes" });
  expect((await rhea.get(first)).text).not.toContain("is looking at it");
  // What others see live: each change of hands, and no renewal.
  const told = (await readNewestEvents(store(), 20)).flatMap(({ event }) =>
    event.event === "review.claimed" && at(event.case) === first ? [event.by] : [],
  );
  expect(told.toReversed()).toEqual(["rhea", "rob", null]);
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

/** The hidden fields of the form as it stands on the page, which say what this person has seen. */
async function formOf(visitor: Visitor, id: string): Promise<Record<string, string>> {
  const { text } = await visitor.get(at(id));
  const form = text.slice(text.indexOf('id="decide"'));
  const field = (name: string) => new RegExp(`name="${name}"\\s+value="([^"]*)"`).exec(form)?.[1] ?? "";
  return { version: field("version"), decisions: field("decisions"), operation: field("operation") };
}

/** What stands in a choice or below an editor, as text. */
function textOf(text: string, id: string): string {
  const from = text.indexOf(`id="${id}"`);
  if (from < 0) return "";
  const to = text.indexOf(id.startsWith("choice") ? "</li>" : "</div>", from);
  const words = text.slice(from, to).replaceAll(/<\/?(?:strong|span)[^>]*>/g, "");
  return words.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
}

test("a failed section is priced and then resumed: one call is asked again, and the audit knows who and why", async () => {
  const { id, found } = await story.parked("Wingtip");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const { text } = await rhea.get(at(found.id));
  const price = textOf(text, "choice-resume-current");
  expect(price).toMatch(/1 call, ≈ \$0\.00\d\d, at most \$0\.49\d · 12 credits stay held/);
  expect(price).toMatch(/Sections kept background/);
  // Today's prompt is the one that was asked, so there is one way to ask.
  expect(text).not.toContain("choice-resume-stored");
  expect(textOf(text, "choice-revalidate")).toContain(
    "Not possible. Today&#39;s parser rejects the stored output as well",
  );

  mend(story);
  const fields = { ...(await formOf(rhea, found.id)), choice: "resume:current" };
  expect((await rhea.send(at(found.id), { ...fields, do: "decide", why: " " })).status).toBe(422);
  expect((await readCase(store(), found.id))?.state.status).toBe("open");
  const asked = story.provider.asked.filter((prompt) => prompt.includes("findings about Wingtip")).length;
  const decided = await rhea.send(at(found.id), { ...fields, do: "decide", why: "the model was updated" });
  expect([decided.status, decided.to]).toEqual([303, at(found.id)]);
  await story.fleet.delivered(id);
  expect(story.provider.asked.filter((prompt) => prompt.includes("findings about Wingtip"))).toHaveLength(
    asked + 1,
  );
  expect((await rhea.get(at(found.id))).text).toContain("Decided: resume");
  expect(await readAudit(store(), 5, { report: id })).toMatchObject([
    {
      action: "resume",
      case: found.id,
      by: "rhea (console)",
      why: "the model was updated",
      before: "needs_review",
      after: "running",
    },
  ]);
  // The same form once more is the same decision.
  const again = await rhea.send(at(found.id), { ...fields, do: "decide", why: "the model was updated" });
  expect(again.status).toBe(303);
  expect(await readAudit(store(), 5, { report: id })).toHaveLength(1);
  spoil(story);
});

test("an edited output is validated with the line of each mistake, refused while it does not fit, and taken once it does", async () => {
  const { id, found } = await story.parked("Fabrikam");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const fields = { ...(await formOf(rhea, found.id)), choice: "accept_edited", why: "put right by hand" };
  const broken = BAD.slice(0, -1);
  const checked = await rhea.send(at(found.id), { ...fields, do: "validate", output: broken });
  expect(checked.status).toBe(200);
  expect(textOf(checked.text, "checks-output")).toMatch(
    /line \d+ It is no JSON: an object is never closed\./,
  );
  const wrong = await rhea.send(at(found.id), {
    ...fields,
    do: "decide",
    output: BAD.replace("urgent", "<img src=x>"),
  });
  expect(wrong.status).toBe(422);
  expect(wrong.text).toContain("does not fit yet");
  expect(wrong.text).toContain("findings[1].severity");
  // What was typed is still there, and inert.
  expect(wrong.text).toContain("&quot;severity&quot;: &quot;&lt;img src=x&gt;&quot;");
  expect(wrong.text).toContain('value="put right by hand"');
  expect((await readCase(store(), found.id))?.state.status).toBe("open");

  const priced = await rhea.send(at(found.id), { ...fields, do: "price", output: GOOD });
  expect(textOf(priced.text, "choice-accept_edited")).toContain("$0, at most");
  const decided = await rhea.send(at(found.id), {
    ...fields,
    do: "decide",
    output: GOOD.replaceAll("\n", "\r\n"),
  });
  expect(decided.status).toBe(303);
  const artefact = await story.fleet.delivered(id);
  expect(JSON.stringify(artefact)).toContain("Backups are untested");
  const edited = (await story.fleet.sections(id)).find(({ key }) => key === "findings");
  expect(edited).toMatchObject({
    status: "completed",
    edited: { by: "rhea (console)", why: "put right by hand" },
  });
});

test("of two people who decide one is told so, and loses nothing of what was typed", async () => {
  const { id, found } = await story.parked("Adventure Works");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const rob = await signedIn(api, store(), "reviewer", "rob");
  const [hers, his] = [await formOf(rhea, found.id), await formOf(rob, found.id)];
  expect(
    (await rob.send(at(found.id), { ...his, do: "decide", choice: "skip_section", why: "not needed" }))
      .status,
  ).toBe(303);
  const written = GOOD.replace("Backups are untested", "Written with great care");
  const late = await rhea.send(at(found.id), {
    ...hers,
    do: "decide",
    choice: "accept_edited",
    why: "by hand",
    output: written,
  });
  expect(late.status).toBe(409);
  expect(late.text).toContain("already decided: skip_section");
  expect(late.text).toMatch(/Decided: skip section<\/strong>\s*by rob \(console\)/);
  expect(late.text).toContain("Written with great care");
  expect(late.text).toContain("by hand");
  const artefact = await story.fleet.delivered(id);
  expect(JSON.stringify(artefact)).not.toContain("Written with great care");
});

test("what moves credits takes an admin: a reviewer is refused, an admin delivers the part, charged for the part", async () => {
  const { id, found } = await story.parked("Proseware");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const fields = { ...(await formOf(rhea, found.id)), why: "agreed with the customer" };
  for (const choice of ["deliver_partial", "reject", "cancel"]) {
    const refused = await rhea.send(at(found.id), { ...fields, do: "decide", choice });
    expect([choice, refused.status]).toEqual([choice, 409]);
    expect(refused.text).toContain("takes the role admin");
  }
  const ada = await signedIn(api, store(), "admin", "ada");
  expect(textOf((await ada.get(at(found.id))).text, "choice-deliver_partial")).toContain(
    "$0 · 3 of 12 credits charged",
  );
  const seen = await formOf(ada, found.id);
  const decided = await ada.send(at(found.id), {
    ...seen,
    do: "decide",
    choice: "deliver_partial",
    why: "agreed",
  });
  expect(decided.status).toBe(303);
  await story.fleet.delivered(id);
  expect((await story.fleet.read(id)).report).toMatchObject({ delivery: "partial", charged: 3 });
});

test("corrected data is priced and taken, and what it does not change is not asked again", async () => {
  const { id, found } = await story.parked("Humongous");
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const fields = { ...(await formOf(rhea, found.id)), choice: "correct_source", why: "the customer wrote" };
  const order = { company: "Humongous", country: "NO", employees: 7 };
  const wrong = await rhea.send(at(found.id), {
    ...fields,
    do: "price",
    source: JSON.stringify({ ...order, employees: "many" }),
  });
  expect([wrong.status, wrong.text.includes("employees")]).toEqual([422, true]);
  const priced = await rhea.send(at(found.id), { ...fields, do: "price", source: JSON.stringify(order) });
  expect(textOf(priced.text, "choice-correct_source")).toMatch(
    /Sections kept background Still open findings, summary/,
  );
  mend(story);
  expect(
    (await rhea.send(at(found.id), { ...fields, do: "decide", source: JSON.stringify(order) })).status,
  ).toBe(303);
  await story.fleet.delivered(id);
  const about = story.provider.asked.filter((prompt) => prompt.includes("Humongous"));
  expect(about.filter((prompt) => prompt.includes("audit/background"))).toHaveLength(1);
  expect(about.some((prompt) => prompt.includes("with 7 employees"))).toBe(true);
  spoil(story);
});

test("deciding and taking the next leads to another case of the same trouble, claimed", async () => {
  const [one, other] = [await story.parked("Alpine"), await story.parked("Alpine East")];
  const ada = await signedIn(api, store(), "admin", "ada");
  const fields = { ...(await formOf(ada, one.found.id)), choice: "reject", why: "no customer any more" };
  const { to } = await ada.send(at(one.found.id), { ...fields, do: "next" });
  expect(to).toMatch(/^\/console\/review\/rp-/);
  expect(to).not.toBe(at(one.found.id));
  expect((await ada.get(to ?? "")).text).toContain("ada is looking at it");
  expect(await story.fleet.reaches(one.id, "failed")).toMatchObject({ hold: "reversed" });
  expect(await checkStakes(store(), other.found.group)).toEqual([]);
});

/** What a form was refused with, or where it led. */
function alertOf({ text, to }: Read): string {
  return to === null ? (/role="alert">([^<]*)</.exec(text)?.[1] ?? "shown") : `led to ${to}`;
}

/** The form of a group's decision as it stands on a page. */
function groupForm(text: string): Record<string, string> {
  const field = (name: string) => new RegExp(`name="${name}"\\s+value="([^"]*)"`).exec(text)?.[1] ?? "";
  return { operation: field("operation"), priced: field("priced") };
}

test("a group is priced, decided with a canary under a cap, and shown while it goes on; the audit knows who and why", async () => {
  const parked = [
    await story.parked("Relecloud"),
    await story.parked("Relecloud East"),
    await story.parked("Relecloud West"),
  ];
  const { group } = parked[0]?.found ?? { group: "" };
  const to = `/console/groups/${group}`;
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const before = await rhea.get(to);
  expect(before.text).toContain(parked[1]?.found.id);
  const order = { action: "resume", prompt: "current", canary: "1", perSweep: "5", maxUsd: "2" };

  // Nothing is begun before it was priced as it stands, with a reason.
  const blind = await rhea.send(to, { ...groupForm(before.text), ...order, do: "decide", why: "mended" });
  expect([blind.status, blind.text.includes("Look at the price first")]).toEqual([422, true]);
  const priced = await rhea.send(to, { ...groupForm(before.text), ...order, do: "price" });
  expect(priced.status).toBe(200);
  expect(priced.text).toMatch(/\$2\.00:\s+the estimate is within it/);
  const changed = await rhea.send(to, {
    ...groupForm(priced.text),
    ...order,
    canary: "0",
    do: "decide",
    why: "mended",
  });
  expect(changed.status).toBe(422);
  expect((await rhea.send(to, { ...groupForm(priced.text), ...order, do: "decide", why: "" })).status).toBe(
    422,
  );
  expect(await listOperations(store(), { group })).toEqual([]);

  mend(story);
  const fields = { ...groupForm(priced.text), ...order, do: "decide", why: "the prompt is mended" };
  expect(alertOf(await rhea.send(to, fields))).toBe(`led to ${to}`);
  expect(alertOf(await rhea.send(to, fields))).toBe(`led to ${to}`);
  const operation = await waitFor(
    async () => (await listOperations(store(), { group })).find(({ status }) => status === "done"),
    () => "the operation is not done",
  );
  // The same form twice is one operation.
  expect(await listOperations(store(), { group })).toHaveLength(1);
  expect(operation.progress).toMatchObject({ waiting: 0, parkedAgain: 0, refused: 0 });
  expect(operation.progress.through).toBeGreaterThanOrEqual(3);
  expect(operation.progress.spentMicros).toBeGreaterThan(0);
  for (const { id } of parked) await story.fleet.delivered(id);
  const after = await rhea.get(to);
  expect(after.text).toMatch(/Ask the model again: done/);
  expect(after.text).toContain("No case of it waits any more.");
  const rows = await readAudit(store(), 100);
  expect(rows.find(({ after: what }) => what === `operation ${operation.id}`)).toMatchObject({
    action: "resume",
    by: "rhea (console)",
    why: "the prompt is mended",
  });
  spoil(story);
});

test("a group's decision is stopped by its canary or by a person, and either is told with the reason", async () => {
  const { found } = await story.parked("Lucerne");
  await story.parked("Lucerne East");
  const to = `/console/groups/${found.group}`;
  const rhea = await signedIn(api, store(), "reviewer", "rhea");
  const order = { action: "resume", prompt: "current", canary: "1", perSweep: "5", maxUsd: "" };
  const priced = await rhea.send(to, { ...groupForm((await rhea.get(to)).text), ...order, do: "price" });
  await rhea.send(to, { ...groupForm(priced.text), ...order, do: "decide", why: "let us see" });
  const stopped = await waitFor(
    async () =>
      (await listOperations(store(), { group: found.group })).find(({ status }) => status === "stopped"),
    () => "the canary did not stop it",
  );
  expect(stopped.because).toContain("was parked again");
  expect((await rhea.get(to)).text).toContain("was parked again");

  // One that cannot go on by itself: its canary waits for a provider that does not answer.
  const { promise: held, resolve: answered } = Promise.withResolvers<void>();
  story.provider.before = () => held;
  const second = await rhea.send(to, { ...groupForm((await rhea.get(to)).text), ...order, do: "price" });
  await rhea.send(to, { ...groupForm(second.text), ...order, do: "decide", why: "once more" });
  const [running] = await listOperations(store(), "running");
  expect((await rhea.get("/console/review")).text).toMatch(/decided, by\s+rhea \(console\)/);
  expect((await rhea.send(`/console/operations/${running?.id}/stop`, { why: "" })).status).toBe(422);
  expect((await rhea.send(`/console/operations/${running?.id}/stop`, { why: "too dear" })).to).toBe(to);
  answered();
  expect((await rhea.get(to)).text).toContain("rhea (console) stopped it: too dear");
  const [row] = (await readAudit(store(), 50)).filter(({ action }) => action === "stop_operation");
  expect(row).toMatchObject({ by: "rhea (console)", why: "too dear", after: "stopped" });

  const rejecting = { ...order, action: "reject" };
  const refused = await rhea.send(to, { ...groupForm((await rhea.get(to)).text), ...rejecting, do: "price" });
  expect([refused.status, refused.text.includes("takes the role admin")]).toEqual([409, true]);
});
