/** The pages beside reports and reviews: each shows what is there, and each decision is carried out once and audited. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAudit } from "../../src/store/audit.ts";
import { readBreaker } from "../../src/store/read-breakers.ts";
import { listApiKeys } from "../../src/store/api-keys.ts";
import { readBalance } from "../../src/store/credits.ts";
import { listProcesses } from "../../src/store/processes.ts";
import { listRoutes } from "../../src/store/routes.ts";
import { listWebhooks } from "../../src/store/webhooks.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import type { TestApi } from "../support/api.ts";
import { signedIn, startTestConsole, type Visitor } from "../support/console.ts";
import { runCommand } from "../support/command-line.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

let fleet: TestFleet;
let api: TestApi;
let admin: Visitor;
let report: string;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("console-admin"),
    types: [aTopicType],
  });
  api = await startTestConsole(fleet);
  await fleet.grant("acme", 100);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "glass" } });
  await fleet.delivered(id);
  report = id;
  admin = await signedIn(api, fleet.store, "admin", "mia");
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

async function newestAudit() {
  const [row] = await readAudit(fleet.store, 1);
  return row;
}

test("a stopped type shows who stopped it and why, and starts again on trial, both in the audit", async () => {
  const stopped = await admin.send("/console/types/topic/stop", { why: "its prompt is wrong" });
  expect(stopped.status).toBe(303);
  expect((await readBreaker(fleet.store, "topic")).breaker.state).toBe("open");
  expect(await newestAudit()).toMatchObject({
    action: "turn_breaker",
    by: "mia (console)",
    why: "its prompt is wrong",
    before: "topic: closed",
    after: "topic: open",
  });
  const shown = await admin.get("/console/types/topic");
  expect(shown.text).toContain("its prompt is wrong");
  expect(shown.text).toContain("mia (console)");
  expect((await admin.get("/console/types")).text).toContain("stopped");

  await admin.send("/console/types/topic/start", { why: "mended", how: "trial" });
  expect((await readBreaker(fleet.store, "topic")).breaker.state).toBe("half_open");
  await admin.send("/console/types/topic/start", { why: "mended", how: "all" });
  expect((await readBreaker(fleet.store, "topic")).breaker.state).toBe("closed");
  expect((await admin.send("/console/types/nothing/stop", { why: "x" })).status).toBe(404);
});

test("credits are added once however often the form is sent, and refunded only as far as they were charged", async () => {
  const before = await readBalance(fleet.store, "acme");
  const grant = { credits: "40", reference: "invoice-7", why: "paid" };
  await admin.send("/console/accounts/acme/grant", grant);
  await admin.send("/console/accounts/acme/grant", grant);
  expect((await readBalance(fleet.store, "acme")).available).toBe(before.available + 40);
  expect(await newestAudit()).toMatchObject({
    action: "grant_credits",
    by: "mia (console)",
    why: "paid",
    before: `acme: ${before.available} available`,
    after: `acme: ${before.available + 40} available`,
  });
  const other = await admin.send("/console/accounts/acme/grant", { ...grant, credits: "41" });
  expect([other.status, other.text]).toEqual([422, expect.stringContaining("already granted 40 credits")]);
  expect((await admin.send("/console/accounts/acme/grant", { ...grant, credits: "-5" })).status).toBe(422);

  const refund = { report, credits: "2", reference: "complaint-1", why: "a part was of no use" };
  await admin.send("/console/accounts/acme/refund", refund);
  expect((await readBalance(fleet.store, "acme")).committed).toBe(before.committed - 2);
  const tooMuch = await admin.send("/console/accounts/acme/refund", {
    ...refund,
    credits: "50",
    reference: "complaint-2",
  });
  expect(tooMuch.text).toContain("3 credits of it are charged and not refunded yet");
  const page = await admin.get("/console/accounts/acme");
  for (const words of ["a part was of no use", "deposited", "refunded", report])
    expect(page.text).toContain(words);
  await admin.send("/console/accounts/reconcile", {});
  expect((await admin.get("/console/accounts")).text).toContain("every balance is the sum of its rows");
});

test("a route that a person closed says so, shows its use, and opens again", async () => {
  const [route] = await listRoutes(fleet.store);
  const name = route?.route ?? "";
  await admin.send("/console/routes/close", { route: name, why: "the key is being replaced" });
  const shown = await admin.get("/console/routes");
  expect(shown.text).toContain("the key is being replaced (closed by mia (console))");
  expect(await newestAudit()).toMatchObject({ action: "close_route", after: `${name}: closed` });
  await admin.send("/console/routes/open", { route: name, why: "replaced" });
  expect((await listRoutes(fleet.store))[0]?.closed).toBeNull();
  expect(await newestAudit()).toMatchObject({ action: "open_route", why: "replaced" });
});

test("a drained worker begins no section and is let work again by whoever has a reason", async () => {
  const worker = (await listProcesses(fleet.store))[0]?.id ?? "";
  const at = `/console/workers/${encodeURIComponent(worker)}`;
  await admin.send(`${at}/drain`, { why: "a deploy" });
  const heard = async (by: string | null) => (await listProcesses(fleet.store))[0]?.drainedBy === by;
  expect(await heard("mia (console)")).toBe(true);
  expect((await admin.get("/console/workers")).text).toContain("drained");
  const before = await aBeat();
  await waitFor(
    async () => (await aBeat()) > before + 1,
    () => "the worker does not beat",
  );
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "sand" } });
  await fleet.reaches(id, "running");
  const rounds = await aBeat();
  await waitFor(
    async () => (await aBeat()) > rounds + 2,
    () => "the worker does not beat",
  );
  expect(fleet.provider.ledger?.()).toHaveLength(2);
  await admin.send(`${at}/undrain`, { why: "no deploy" });
  await fleet.delivered(id);
  expect((await readAudit(fleet.store, 10)).map(({ action }) => action)).toContain("drain_process");

  async function aBeat(): Promise<number> {
    return (await listProcesses(fleet.store))[0]?.beat ?? 0;
  }
});

test("a key is shown once, does no more than was chosen, and is refused once it is revoked", async () => {
  const made = await admin.send("/console/keys/new", {
    name: "web shop",
    account: "acme",
    "scope.reports:read": "on",
    days: "",
  });
  const [text = ""] = /rf_[0-9a-f]{16}_[\w-]{43}/.exec(made.text) ?? [];
  expect(text).not.toBe("");
  const [key] = await listApiKeys(fleet.store, 1);
  expect(key).toMatchObject({ name: "web shop", account: "acme", scopes: ["reports:read"] });
  const ask = () => fetch(`${api.url}/v1/reports`, { headers: { Authorization: `Bearer ${text}` } });
  expect((await ask()).status).toBe(200);
  expect((await admin.get("/console/keys")).text).not.toContain(text);
  const tooMuch = await admin.send("/console/keys/new", { name: "x", account: "acme", "scope.admin": "on" });
  expect(tooMuch.text).toContain("over the whole fleet");
  await admin.send(`/console/keys/${key?.id ?? ""}/revoke`, { why: "it was in a log" });
  expect((await ask()).status).toBe(401);
  expect(await newestAudit()).toMatchObject({ action: "revoke_key", why: "it was in a log" });
});

test("an endpoint is added with its secret shown once, and removed with its trace in the audit", async () => {
  const why = "the billing team listens there";
  expect((await admin.send("/console/webhooks/new", { url: "https://hooks.example.com/x" })).status).toBe(
    422,
  );
  const refused = await admin.send("/console/webhooks/new", { url: "https://127.0.0.1/hook", why });
  expect([refused.status, refused.text]).toEqual([
    422,
    expect.stringContaining("cannot be a webhook endpoint"),
  ]);
  const made = await admin.send("/console/webhooks/new", { url: "https://hooks.example.com/fleet", why });
  expect(made.text).toContain("whsec_");
  const [endpoint] = await listWebhooks(fleet.store);
  const id = endpoint?.id ?? "";
  const shown = await admin.get(`/console/webhooks/${id}`);
  expect(shown.text).toContain("the whole fleet");
  expect(shown.text).not.toContain("whsec_");
  expect(await newestAudit()).toMatchObject({ action: "add_webhook", why, after: id });
  const rotated = await admin.send(`/console/webhooks/${id}/rotate`, { why: "somebody has left" });
  expect(rotated.text).toContain("whsec_");
  expect(await newestAudit()).toMatchObject({ action: "rotate_webhook_secret", why: "somebody has left" });
  await admin.send(`/console/webhooks/${id}/enable`, { why: "its server is mended" });
  expect(await newestAudit()).toMatchObject({ action: "enable_webhook", why: "its server is mended" });
  await admin.send(`/console/webhooks/${id}/replay`, {});
  expect(await newestAudit()).toMatchObject({ action: "replay_webhook", before: id, after: "0 sent again" });
  for (const action of ["rotate", "enable", "remove"])
    expect((await admin.send(`/console/webhooks/${id}/${action}`, {})).status).toBe(422);
  await admin.send(`/console/webhooks/${id}/remove`, { why: "it moved elsewhere" });
  expect(await listWebhooks(fleet.store)).toEqual([]);
  expect(await newestAudit()).toMatchObject({
    action: "remove_webhook",
    why: "it moved elsewhere",
    before: id,
  });
});

test("spend is summed as one asks, on the page and for a spreadsheet", async () => {
  const page = await admin.get("/console/spend?by=model");
  expect(page.text).toContain("simulated-writer");
  const file = await admin.get("/console/spend.csv?by=type");
  expect(file.headers.get("Content-Disposition")).toMatch(/^attachment; filename=spend-type-2/);
  const [head, row = ""] = file.text.split("\r\n");
  expect(head).toBe("type,requests,billed_micro_usd,wasted_micro_usd,unknown_micro_usd");
  expect(row.split(",")[0]).toBe("topic");
  expect(Number(row.split(",")[2])).toBeGreaterThan(0);
});

test("spend is drawn by minute, hour and day from the same books", async () => {
  const page = await admin.get("/console/spend");
  const [, spent = ""] = /<p>(\$\S+ spent, 0 % wasted\.)/.exec(page.text) ?? [];
  expect(spent).not.toBe("");
  for (const [over, by] of [
    ["minutes", "minute by minute"],
    ["hours", "hour by hour"],
    ["days", "day by day"],
  ] as const) {
    const { text } = await admin.get(`/console/spend?over=${over}`);
    expect(text).toContain(`aria-label="Spend ${by}, UTC`);
    expect(text).toContain(spent);
  }
  // Whoever chooses days sees days.
  const chosen = await admin.get("/console/spend?from=2026-01-01&to=2026-01-02");
  expect(chosen.text).toContain("Nothing was spent.");
  expect(chosen.text).toContain("day by day, UTC");
});

test("the audit page tells who decided what, and everything about one report", async () => {
  const page = await admin.get("/console/audit");
  for (const words of ["mia (console)", "refund credits", "turn breaker", "a part was of no use"])
    expect(page.text).toContain(words);
  const one = await admin.get(`/console/audit?report=${report}`);
  expect(one.text).toContain("refund credits");
  expect(one.text).not.toContain("turn breaker");
});

test("an account's texts are erased by who names it once more and says why, and the audit keeps that", async () => {
  await fleet.grant("leaver", 10);
  const id = await fleet.submit({ account: "leaver", type: "topic", source: { topic: "a farewell" } });
  await fleet.delivered(id);
  const erase = (fields: Record<string, string>) => admin.send("/console/accounts/leaver/erase", fields);
  expect((await erase({ confirm: "leaver" })).status).toBe(422);
  expect((await erase({ confirm: "acme", why: "they asked for it" })).status).toBe(422);
  expect((await admin.get(`/console/reports/${id}`)).status).toBe(200);
  expect((await erase({ confirm: "leaver", why: "they asked for it" })).status).toBe(303);
  expect((await admin.get(`/console/reports/${id}`)).status).toBe(404);
  expect(await newestAudit()).toMatchObject({
    action: "erase_account",
    by: "mia (console)",
    why: "they asked for it",
    before: "leaver",
    after: "1 reports and 0 webhook endpoints erased",
  });
});

test("the command line lists the processes and drains one for the same audit", async () => {
  const env = { REDIS_URL: testRedisUrl(), FLEET: fleet.store.fleet };
  const listed = await runCommand(["workers", "ls", "--json"], { env });
  const { data } = JSON.parse(listed.stdout) as { data: { id: string; drainedBy: string | null }[] };
  expect(data).toMatchObject([{ drainedBy: null }]);
  const id = data[0]?.id ?? "";
  const who = ["--by", "ops", "--reason", "a deploy", "--json"];
  const drained = await runCommand(["workers", "drain", id, ...who], { env });
  expect(JSON.parse(drained.stdout)).toEqual({ process: id, drained: true, repeated: false });
  expect(await newestAudit()).toMatchObject({ action: "drain_process", by: "ops", why: "a deploy" });
  await runCommand(["workers", "undrain", id, ...who], { env });
  expect((await runCommand(["workers", "drain", "nobody", ...who], { env })).code).toBe(3);
});
