/** The list of reports where there are more than one page of them. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAudit } from "../../src/store/audit.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import type { TestApi } from "../support/api.ts";
import { signedIn, startTestConsole, type Visitor } from "../support/console.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { admitOrder } from "../support/store-for-tests.ts";

// More than one look at the index finds.
const ORDERS = 600;

let fleet: TestFleet;
let api: TestApi;
let viewer: Visitor;
beforeAll(async () => {
  fleet = await startTestFleet({ redisUrl: testRedisUrl(), fleet: uniqueFleet("list"), types: [] });
  api = await startTestConsole(fleet);
  await fleet.grant("acme", 2_000);
  await fleet.grant("globex", 1_000);
  for (let nth = 0; nth < ORDERS; nth++)
    await admitOrder(fleet.store, {
      account: nth % 3 === 0 ? "globex" : "acme",
      credits: 3,
      tags: { order: `=${nth}` },
    });
  viewer = await signedIn(api, fleet.store, "viewer");
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

async function fileOf(search = ""): Promise<{ name: string; rows: string[] }> {
  const { status, headers, text } = await viewer.get(`/console/reports.csv${search}`);
  expect([status, headers.get("Content-Type")]).toEqual([200, "text/csv; charset=utf-8"]);
  const [head, ...rows] = text.trimEnd().split("\r\n");
  expect(head).toBe(
    "report,type,account,status,kind,reason,done_percent,credits,hold,charged,spent_micro_usd,wasted_micro_usd,ordered_at,changed_at,tags",
  );
  return { name: headers.get("Content-Disposition") ?? "", rows };
}

test("the file of a list has every report that its filters leave, and not only the page one sees", async () => {
  const all = await fileOf();
  expect(all.rows).toHaveLength(ORDERS);
  expect(all.name).toMatch(/^attachment; filename=reports-\d{4}-\d\d-\d\d\.csv$/);
  expect(all.rows.find((row) => row.endsWith(": =599"))).toMatch(
    /^rp-\w{25},topic,acme,pending,,not begun,0,3,reserved,0,0,0,\d{4}-\S+Z,\d{4}-\S+Z,order: =599$/,
  );
  expect((await fileOf("?account=globex")).rows).toHaveLength(ORDERS / 3);
  expect((await fileOf("?q=tag.order:%3D7")).rows).toHaveLength(1);
  expect((await fileOf("?status=failed")).rows).toEqual([]);
});

test("the list leads to the file of what it shows, and says whose reports it shows", async () => {
  const { text } = await viewer.get("/console/reports?account=globex&q=order");
  expect(text).toContain('href="/console/reports.csv?q=order&amp;account=globex"');
  expect(text).toContain("Only of the account globex.");
  expect(text).toContain('<input type="hidden" name="account" value="globex" />');
  // Numbers of the whole fleet would not be those of this list.
  expect(text).not.toContain(`>${ORDERS}</span>`);
  expect((await viewer.get("/console/reports")).text).toContain(`>${ORDERS}</span>`);
});

test("an admin cancels chosen reports after seeing what that does to each, with one reason, and each is audited", async () => {
  const admin = await signedIn(api, fleet.store, "admin", "mia");
  expect((await viewer.get("/console/reports")).text).not.toContain("Cancel the chosen");
  const { text } = await admin.get("/console/reports?account=globex");
  const [first = "", second = "", third = ""] = [...text.matchAll(/name="id"\s+value="(rp-\w{25})"/g)].map(
    ([, id = ""]) => id,
  );
  expect(text).toContain("Cancel the chosen");
  const before = await fleet.balance("globex");
  expect((await admin.send("/console/reports/cancel", {})).status).toBe(422);
  const csrf = await admin.token();
  const send = (path: string, ids: string[], why = "") =>
    admin.postAll(path, [["csrf", csrf], ["why", why], ...ids.map((id): [string, string] => ["id", id])]);

  // One of them is over before.
  await admin.send(`/console/reports/${third}/cancel`, { why: "no longer wanted" });
  const seen = await send("/console/reports/cancel", [first, second, third]);
  expect(seen.text).toContain("Cancel 2 of 3 reports");
  expect(seen.text).toContain("6 credits go back.");
  expect(seen.text).toContain("is left:");
  expect((await fleet.balance("globex")).held).toBe(before.held - 3);

  expect((await send("/console/reports/cancel/decided", [first, second])).status).toBe(422);
  await send(
    "/console/reports/cancel/decided",
    [first, second, "rp-0000000000000000000000000"],
    "ordered twice",
  );
  expect((await admin.get("/console")).text).toContain("2 reports are cancelled; the credits went back.");
  expect((await fleet.balance("globex")).held).toBe(before.held - 9);
  const rows = await readAudit(fleet.store, 2);
  for (const row of rows)
    expect(row).toMatchObject({ action: "cancel", by: "mia (console)", why: "ordered twice" });
  expect(new Set(rows.map(({ report }) => report))).toEqual(new Set([first, second]));
});
