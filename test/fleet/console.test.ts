import { afterAll, beforeAll, expect, test } from "vitest";
import { PAGES } from "../../src/console/pages.ts";
import { makeLink } from "../../src/store/console-sessions.ts";
import { readAudit } from "../../src/store/audit.ts";
import { readSpendingStop } from "../../src/store/spending.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import type { TestApi } from "../support/api.ts";
import { PASSWORD, signedIn, startTestConsole, Visitor } from "../support/console.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

let fleet: TestFleet;
let api: TestApi;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("console"),
    types: [aTopicType],
    faults: [{ match: { contains: "the first part about a broken mirror" }, fault: { kind: "refusal" } }],
  });
  api = await startTestConsole(fleet, {
    users: { ada: "admin", vera: "viewer", rhea: "reviewer" },
    environment: "production",
  });
  await fleet.grant("acme", 100);
  await fleet.delivered(await fleet.submit({ account: "acme", type: "topic", source: { topic: "glass" } }));
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

test("whoever is not signed in is led to the login and back to where they wanted to go", async () => {
  const visitor = new Visitor(api);
  const asked = await visitor.get("/console/reports?status=failed");
  expect([asked.status, asked.to]).toEqual([303, "/console/login?to=%2Fconsole%2Freports%3Fstatus%3Dfailed"]);
  const login = await visitor.post("/console/login", {
    name: "ada",
    password: PASSWORD,
    to: "/console/reports?status=failed",
  });
  expect([login.status, login.to]).toEqual([303, "/console/reports?status=failed"]);
  const [cookie = ""] = login.headers.getSetCookie();
  expect(cookie).toMatch(/^rf-console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  expect((await visitor.get("/console/reports")).status).toBe(200);

  for (const to of ["https://evil.example/console", "//evil.example/console", "/v1/keys", "/console/../v1"]) {
    const led = await new Visitor(api).post("/console/login", { name: "ada", password: PASSWORD, to });
    expect(led.to).toBe("/console");
  }
});

test("every page opens for a viewer, or says which role it takes; each is live and never cached", async () => {
  const viewer = await signedIn(api, fleet.store, "viewer");
  const admin = await signedIn(api, fleet.store, "admin");
  const pages: string[] = [];
  for (const { kind, path, role } of PAGES) {
    if (kind !== "page" || path.includes(":")) continue;
    const seen = await viewer.get(`/console${path === "/" ? "" : path}`);
    expect([path, seen.status]).toEqual([path, role === "viewer" ? 200 : 403]);
    const opened = await admin.get(`/console${path === "/" ? "" : path}`);
    expect([path, opened.status]).toEqual([path, 200]);
    expect(opened.headers.get("Cache-Control")).toBe("no-store");
    expect(opened.headers.get("Content-Security-Policy")).toBe(
      "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;connect-src 'self';form-action 'self';base-uri 'none';frame-ancestors 'none'",
    );
    if (!path.endsWith(".csv")) pages.push(opened.text);
  }
  expect(pages.filter((text) => !text.includes("production"))).toEqual([]);
});

test("no action is done for a viewer, without the token, from elsewhere, or without a session", async () => {
  const admin = await signedIn(api, fleet.store, "admin");
  const csrf = await admin.token();
  const actions = PAGES.filter(({ kind }) => kind === "action");
  expect(actions.length).toBeGreaterThan(1);
  const tried = [{ path: "/logout", role: "viewer" as const }, ...actions];
  const viewer = await signedIn(api, fleet.store, "viewer");
  for (const { path, role } of tried) {
    const address = `/console${path.replaceAll(/:\w+/g, "x")}`;
    const fields = { csrf, why: "a test" };
    const foreign = { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" };
    expect([path, (await admin.post(address, fields, foreign)).status]).toEqual([path, 403]);
    const elsewhere = { "Sec-Fetch-Site": "same-origin", Origin: "https://evil.example" };
    expect([path, (await admin.post(address, fields, elsewhere)).status]).toEqual([path, 403]);
    const otherPort = { "Sec-Fetch-Site": "same-site", Origin: "http://127.0.0.1:1" };
    expect([path, (await admin.post(address, fields, otherPort)).status]).toEqual([path, 403]);
    expect([path, (await admin.post(address, { why: "a test" })).status]).toEqual([path, 403]);
    expect([path, (await admin.post(address, { ...fields, csrf: "x".repeat(43) })).status]).toEqual([
      path,
      403,
    ]);
    expect([path, (await new Visitor(api).post(address, fields)).status]).toEqual([path, 401]);
    if (role === "viewer") continue;
    expect([path, (await viewer.send(address, { why: "a test" })).status]).toEqual([path, 403]);
  }
  expect(await readSpendingStop(fleet.store)).toBeNull();
});

test("an admin stops and starts all spending with a reason, and the audit knows who, why and what changed", async () => {
  const admin = await signedIn(api, fleet.store, "admin", "mia");
  expect((await admin.send("/console/spending/stop", { why: "" })).status).toBe(422);
  const stopped = await admin.send("/console/spending/stop", { why: "the bill looks wrong" });
  expect([stopped.status, stopped.to]).toEqual([303, "/console"]);
  expect(await readSpendingStop(fleet.store)).toMatchObject({
    by: "mia (console)",
    reason: "the bill looks wrong",
  });
  const viewer = await signedIn(api, fleet.store, "viewer");
  expect((await viewer.get("/console/reports")).text).toContain("Spending is stopped.");
  expect((await admin.get("/console")).text).toContain("Let calls begin again");
  await admin.send("/console/spending/start", { why: "checked" });
  expect(await readSpendingStop(fleet.store)).toBeNull();
  const [started, before] = (await readAudit(fleet.store, 50)).filter(({ action }) =>
    action.endsWith("_spending"),
  );
  expect(started).toMatchObject({
    action: "start_spending",
    by: "mia (console)",
    why: "checked",
    before: "stopped: the bill looks wrong",
    after: "spending",
  });
  expect(before).toMatchObject({ action: "stop_spending", by: "mia (console)", why: "the bill looks wrong" });
});

test("a session gets a new name at login, and the old one opens nothing any more", async () => {
  const visitor = new Visitor(api);
  const planted = `rf-console=${"a".repeat(43)}`;
  visitor.cookie = planted;
  await visitor.post("/console/login", { name: "vera", password: PASSWORD });
  expect(visitor.cookie).not.toBe(planted);
  const first = visitor.cookie;
  await visitor.post("/console/login", { name: "vera", password: PASSWORD });
  expect(visitor.cookie).not.toBe(first);

  const left = new Visitor(api);
  left.cookie = first;
  expect((await left.get("/console")).status).toBe(303);
  left.cookie = planted;
  expect((await left.get("/console")).status).toBe(303);

  const kept = visitor.cookie;
  expect((await visitor.send("/console/logout", {})).to).toBe("/console/login");
  left.cookie = kept;
  expect((await left.get("/console")).status).toBe(303);
});

test("a one-time link opens once, however often it is looked at before", async () => {
  const link = await makeLink(fleet.store, { name: "guest", role: "viewer" }, 60_000);
  const visitor = new Visitor(api);
  expect((await visitor.get(`/console/link/${link}`)).text).toContain("Sign in");
  expect((await visitor.get(`/console/link/${link}`)).status).toBe(200);
  const both = await Promise.all([
    new Visitor(api).post(`/console/link/${link}`, {}),
    new Visitor(api).post(`/console/link/${link}`, {}),
  ]);
  expect(new Set(both.map(({ status }) => status))).toEqual(new Set([303, 401]));
});

test("guessing a password ends after five tries, for this person from this place, and the right one waits too", async () => {
  const guess = (password: string) => new Visitor(api).post("/console/login", { name: "rhea", password });
  const statuses = [];
  for (let tries = 0; tries < 6; tries++) statuses.push((await guess(`guess number ${tries}`)).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  expect((await guess(PASSWORD)).status).toBe(429);
  // Nobody else is locked out by it.
  expect((await new Visitor(api).post("/console/login", { name: "vera", password: PASSWORD })).status).toBe(
    303,
  );
});

test("a viewer sees what a report costs and why it waits; prompts and answers are for reviewers", async () => {
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "a broken mirror" } });
  await fleet.reaches(id, "needs_review");
  const viewer = await signedIn(api, fleet.store, "viewer");
  for (const tab of ["", "/receipt", "/history", "/document"]) {
    const { status, text } = await viewer.get(`/console/reports/${id}${tab}`);
    expect([tab, status]).toEqual([tab, 200]);
    expect(text).toContain("The model declined to answer.");
    expect(text).not.toContain("mirror");
  }
  for (const tab of ["/texts", "/export"])
    expect((await viewer.get(`/console/reports/${id}${tab}`)).status).toBe(403);

  const reviewer = await signedIn(api, fleet.store, "reviewer");
  expect((await reviewer.get(`/console/reports/${id}/texts`)).text).toContain(
    "Write the first part about a broken mirror.",
  );
  // The other part was accepted, and its question is rendered again under the same key.
  expect((await reviewer.get(`/console/reports/${id}/texts`)).text).toContain(
    "Write the second part about a broken mirror.",
  );
  const bundle = await reviewer.get(`/console/reports/${id}/export`);
  expect(bundle.headers.get("Content-Disposition")).toBe(`attachment; filename=${id}.json`);
  expect(JSON.parse(bundle.text)).toMatchObject({ v: 1, report: { id } });

  // Its credits go back at once, so neither a viewer nor a reviewer may cancel it; an admin may, with a reason.
  const admin = await signedIn(api, fleet.store, "admin");
  for (const other of [viewer, reviewer]) {
    expect((await other.get(`/console/reports/${id}`)).text).not.toContain("Cancel the report");
    expect((await other.send(`/console/reports/${id}/cancel`, { why: "no" })).status).toBe(403);
  }
  expect((await admin.send(`/console/reports/${id}/cancel`, { why: " " })).status).toBe(422);
  expect((await admin.send(`/console/reports/${id}/cancel`, { why: "the customer withdrew" })).status).toBe(
    303,
  );
  expect((await fleet.read(id)).report).toMatchObject({ status: "cancelled", hold: "reversed" });
  const [row] = await readAudit(fleet.store, 1, { report: id });
  expect(row).toMatchObject({ action: "cancel", by: "a-admin (console)", why: "the customer withdrew" });
  // What came of it is said on the next page, and on no further one.
  expect((await admin.get("/console")).text).toContain("its credits went back");
  expect((await admin.get("/console")).text).not.toContain("its credits went back");
});

test("of a long history the newest events are seen first, and all others page by page, there and back", async () => {
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "a long story" } });
  await fleet.delivered(id);
  const { redis, keys } = fleet.store;
  for (let nth = 0; nth < 650; nth++) {
    const event = { event: "call.reused", report: id, section: "first", call: `n${nth}.` };
    await redis.xadd(keys.events(id), "*", "e", JSON.stringify(event));
  }
  const viewer = await signedIn(api, fleet.store, "viewer");
  const address = `/console/reports/${id}/history`;
  const read = async (at: string) => {
    const { text } = await viewer.get(at);
    const found = [...text.matchAll(/first\/n(\d+)\. reused/g)].map(([, nth]) => Number(nth));
    const way = (words: string) =>
      new RegExp(`href="([^"]+)"\\s*>${words}<`).exec(text)?.[1]?.replaceAll("&amp;", "&") ?? null;
    return { text, found, newer: way("Newer"), older: way("Older") };
  };
  const newest = await read(address);
  expect(newest.found).toEqual(Array.from({ length: 200 }, (_, nth) => 649 - nth));
  expect(newest.newer).toBeNull();
  const pages = [newest];
  for (let page = newest; page.older !== null; pages.push(page)) page = await read(page.older);
  expect(pages.flatMap(({ found }) => found)).toEqual(Array.from({ length: 650 }, (_, nth) => 649 - nth));
  expect(pages.at(-1)?.text).toContain("5 credits held");
  expect(pages).toHaveLength(4);
  const back = await read(pages[2]?.newer ?? "");
  expect(back.found).toEqual(pages[1]?.found);
  expect(await read(back.newer ?? "")).toMatchObject({ found: newest.found, newer: null });
  expect((await viewer.get(`/console/reports/${id}`)).text).toContain("first/n649. reused");
  expect((await viewer.get(`${address}?before=nonsense`)).status).toBe(200);
});

test("a document comes in a frame that may run nothing, and as files to keep", async () => {
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "a copper kettle" } });
  await fleet.delivered(id);
  const viewer = await signedIn(api, fleet.store, "viewer");
  const around = await viewer.get(`/console/reports/${id}/document`);
  expect(around.headers.get("Content-Security-Policy")).toContain("frame-src 'self'");
  expect(around.text).toMatch(/<iframe[^>]* sandbox\s/);
  const framed = await viewer.get(`/console/reports/${id}/document/framed`);
  expect(framed.headers.get("Content-Security-Policy")).toBe(
    "default-src 'none';style-src 'unsafe-inline';img-src data:;form-action 'none';base-uri 'none';frame-ancestors 'self';sandbox",
  );
  const markdown = await viewer.get(`/console/reports/${id}/document/md`);
  expect(markdown.headers.get("Content-Type")).toBe("text/markdown; charset=utf-8");
  expect(markdown.headers.get("Content-Disposition")).toContain("attachment");
  expect((await viewer.get(`/console/reports/${id}/document/pdf`)).status).toBe(422);
  expect((await viewer.get("/console/reports/rp-0000000000000000000000000")).status).toBe(404);
  expect((await viewer.get("/console/reports/%00")).status).toBe(404);
});

test("where a busy fleet's news reaches back less than an hour, the overview says how far it looked", async () => {
  const viewer = await signedIn(api, fleet.store, "viewer");
  expect((await viewer.get("/console")).text).toContain("<h2>The last hour</h2>");
  const { redis, keys } = fleet.store;
  const line = JSON.stringify({ event: "call.accepted", report: "rp-x", section: "first", call: "draft" });
  const pipeline = redis.pipeline();
  for (let nth = 0; nth < 1_000; nth++) pipeline.xadd(keys.fleetEvents, "*", "e", line);
  await pipeline.exec();
  expect((await viewer.get("/console")).text).toMatch(/<h2>The last \d+ s<\/h2>/);
});

test("a link from elsewhere is followed by a page of ours, since a strict cookie stays at home", async () => {
  const led = await new Visitor(api).get("/console/reports", { "Sec-Fetch-Site": "cross-site" });
  expect(led.status).toBe(200);
  expect(led.text).toContain('http-equiv="refresh" content="0;url=/console/reports"');
});

test("the stylesheet and the script are kept for a year under names that change with them", async () => {
  const { text } = await new Visitor(api).get("/console/login");
  const names = [...text.matchAll(/(?:href|src)="(\/console\/assets\/[^"]+)"/g)].map(([, name = ""]) => name);
  expect(names).toHaveLength(2);
  for (const name of names) {
    const asset = await new Visitor(api).get(name);
    expect([asset.status, asset.headers.get("Cache-Control")]).toEqual([
      200,
      "public, max-age=31536000, immutable",
    ]);
    const again = await new Visitor(api).get(name, { "If-None-Match": asset.headers.get("ETag") ?? "" });
    expect([again.status, again.text]).toEqual([304, ""]);
  }
});
