/** Bull Board stands behind the console's login, shows ids only, and whatever is pressed there bypasses nothing. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAudit } from "../../src/store/audit.ts";
import { REPORTS_QUEUE, sectionsQueue } from "../../src/store/queues.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import type { TestApi } from "../support/api.ts";
import { checkBooks } from "../support/check-books.ts";
import { signedIn, startTestConsole, Visitor } from "../support/console.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const CANARY = "kingfisher-canary";
const SECTIONS = sectionsQueue("topic");

let fleet: TestFleet;
let api: TestApi;
let delivered: string;
let parked: string;
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("board"),
    types: [aTopicType],
    faults: [{ match: { contains: "the first part about a refused" }, fault: { kind: "refusal" } }],
  });
  api = await startTestConsole(fleet);
  await fleet.grant("acme", 100);
  const order = (topic: string) => fleet.submit({ account: "acme", type: "topic", source: { topic } });
  delivered = await order(`a ${CANARY}`);
  parked = await order(`a refused ${CANARY}`);
  await fleet.delivered(delivered as never);
  await fleet.reaches(parked as never, "needs_review");
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

const READS = [
  "",
  "/",
  "/queue/reports",
  "/api/queues?activeQueue=reports&page=1&jobsPerPage=20",
  `/api/queues?activeQueue=${SECTIONS}&page=1&jobsPerPage=20`,
  "/api/redis/stats",
  "/api/job-schedulers",
  "/api/queues/reports/workers",
  "/api/queues/reports/metrics",
  "/static/images/logo.svg",
];

test("nobody sees a queue without being signed in, and nothing is done from a page of somebody else", async () => {
  const stranger = new Visitor(api);
  for (const path of READS) {
    const { status, to, text } = await stranger.get(`/admin/queues${path}`);
    expect([path, status, to?.startsWith("/console/login?to=")]).toEqual([path, 303, true]);
    expect(text).not.toContain(delivered);
  }
  const retry = `/admin/queues/api/queues/reports/${delivered}.r1/retry`;
  expect((await stranger.put(retry)).status).toBe(401);

  const admin = await signedIn(api, fleet.store, "admin");
  for (const from of [
    { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" },
    { "Sec-Fetch-Site": "same-site", Origin: "http://127.0.0.1:1" },
    { "Sec-Fetch-Site": "same-origin", Origin: "https://evil.example" },
  ])
    expect((await admin.put(retry, from)).status).toBe(403);
  for (const role of ["viewer", "reviewer"] as const)
    expect((await (await signedIn(api, fleet.store, role)).put(retry)).status).toBe(403);
});

test("jobs show ids and verdicts: no prompt, no source, no stack and no log, whatever lies in them", async () => {
  // Somebody wrote into jobs by hand what we never would.
  const queue = fleet.fleet.workshop.queues.queue(REPORTS_QUEUE);
  const job = await queue.getJob(`${delivered}.r1`);
  await job?.log(`asked: ${CANARY}`);
  await job?.updateData({ report: delivered, run: 1, prompt: CANARY });
  const failed = await fleet.fleet.workshop.queues.queue(SECTIONS).getJob(`${parked}.first.r1.1`);
  expect(failed?.failedReason).toBe("contract/refused");

  const viewer = await signedIn(api, fleet.store, "viewer");
  const paths = [
    ...READS,
    `/api/queues/reports/${delivered}.r1`,
    `/api/queues/reports/${delivered}.r1/logs`,
    `/api/queues/reports/${delivered}.r1/flow?depth=5&maxChildren=20`,
    `/api/queues/${SECTIONS}/${parked}.first.r1.1`,
    `/api/queues/${SECTIONS}/${parked}.first.r1.1/logs`,
  ];
  for (const path of paths) {
    const { status, text } = await viewer.get(`/admin/queues${path}`);
    expect([path, status]).toEqual([path, path === "/api/redis/stats" ? 403 : 200]);
    expect([path, text.includes(CANARY), text.includes("fonts.googleapis")]).toEqual([path, false, false]);
  }
  const shown = await viewer.get(`/admin/queues/api/queues/${SECTIONS}/${parked}.first.r1.1`);
  const { job: seen } = JSON.parse(shown.text) as { job: Record<string, unknown> };
  expect(seen).toMatchObject({
    failedReason: "contract/refused",
    data: { report: parked, section: "first", run: 1, round: 1 },
    externalUrl: { href: `/console/reports/${parked}` },
  });
});

/** An admin who has said why, so that the buttons are there. */
async function acting(name: string, why = "it hangs since the deploy"): Promise<Visitor> {
  const admin = await signedIn(api, fleet.store, "admin", name);
  const given = await admin.send("/console/queues/open", { why });
  expect([given.status, given.to]).toEqual([303, "/admin/queues"]);
  return admin;
}

function readOnly({ text }: { text: string }): boolean[] {
  const { queues } = JSON.parse(text) as { queues: { readOnlyMode: boolean }[] };
  return [...new Set(queues.map(({ readOnlyMode }) => readOnlyMode))];
}

test("an admin has no button at Bull Board before saying why, and none any more once the reason has ended", async () => {
  const queues = "/admin/queues/api/queues?activeQueue=reports&page=1&jobsPerPage=20";
  const retry = `/admin/queues/api/queues/reports/${delivered}.r1/retry`;
  const admin = await signedIn(api, fleet.store, "admin", "mia");
  const refused = async () => {
    expect(readOnly(await admin.get(queues))).toEqual([true]);
    const pressed = await admin.put(retry);
    expect([pressed.status, pressed.text]).toEqual([403, expect.stringContaining("Say why first")]);
  };
  await refused();
  expect((await admin.send("/console/queues/open", { why: " " })).status).toBe(422);
  await refused();
  await admin.send("/console/queues/open", { why: "it hangs since the deploy" });
  expect(readOnly(await admin.get(queues))).toEqual([false]);
  expect((await admin.get("/console/queues")).text).toContain(
    "buttons are there for another 15 min: it hangs since the deploy",
  );
  // It is this session's reason: the same person elsewhere has not said it.
  expect((await (await signedIn(api, fleet.store, "admin", "mia")).put(retry)).status).toBe(403);
  await admin.send("/console/queues/close", {});
  await refused();
  const [closed, opened] = await readAudit(fleet.store, 2, {});
  expect(closed).toMatchObject({ action: "close_queues", by: "mia (console)" });
  expect(opened).toMatchObject({ action: "sign_in" });
  const told = (await readAudit(fleet.store, 10)).find(({ action }) => action === "open_queues");
  expect(told).toMatchObject({ by: "mia (console)", why: "it hangs since the deploy" });
});

test("a raw retry by an admin pays nothing, moves no credits and delivers nothing twice; the audit knows of it", async () => {
  const asked = fleet.ledger().length;
  const before = await fleet.balance("acme");
  const admin = await acting("mia");
  const { queues } = fleet.fleet.workshop;
  const pressed = [
    [REPORTS_QUEUE, `${delivered}.r1`],
    [SECTIONS, `${delivered}.first.r1.1`],
    [REPORTS_QUEUE, `${parked}.r1`],
    [SECTIONS, `${parked}.first.r1.1`],
  ] as const;
  for (const [queue, id] of pressed) {
    const finishedAt = (await queues.queue(queue).getJob(id))?.finishedOn ?? 0;
    const retried = await admin.put(`/admin/queues/api/queues/${queue}/${id}/retry`);
    expect([id, retried.status]).toEqual([id, 204]);
    await waitFor(
      async () => ((await queues.queue(queue).getJob(id))?.finishedOn ?? 0) > finishedAt,
      () => `the job ${id} was not taken up again`,
    );
  }
  expect(fleet.ledger()).toHaveLength(asked);
  expect(await fleet.balance("acme")).toEqual(before);
  expect((await fleet.read(delivered as never)).report.status).toBe("completed");
  expect((await fleet.read(parked as never)).report.status).toBe("needs_review");
  expect(await checkBooks(fleet.store, fleet.ledger())).toEqual([]);
  const rows = (await readAudit(fleet.store, 50)).filter(({ action }) => action === "queue");
  expect(rows[0]).toMatchObject({
    by: "mia (console)",
    why: "it hangs since the deploy",
    before: `${SECTIONS} ${parked}.first.r1.1: failed`,
    after: expect.stringMatching(/^retry → (waiting|prioritized|active|failed)$/) as string,
  });
  expect(rows).toHaveLength(4);
});

test("what is done to a whole queue, and what Bull Board refuses, stands in the audit with before and after", async () => {
  const admin = await acting("nora", "the provider is down");
  const { queues } = fleet.fleet.workshop;
  const press = (path: string) => admin.put(`/admin/queues/api/queues/${path}`);
  expect((await press(`${SECTIONS}/pause`)).status).toBe(200);
  expect(await queues.queue(SECTIONS).isPaused()).toBe(true);
  expect((await admin.get("/console/queues")).text).toContain("paused");
  expect((await press(`${SECTIONS}/resume`)).status).toBe(200);
  expect((await press(`reports/nothing.r1/retry`)).status).toBe(404);
  expect((await press("nothing/pause")).status).toBe(404);
  const rows = (await readAudit(fleet.store, 4)).toReversed();
  expect(rows).toHaveLength(4);
  for (const row of rows) expect(row).toMatchObject({ by: "nora (console)", why: "the provider is down" });
  const numbers = "0 waiting, 0 delayed, \\d failed";
  expect(rows.map(({ before, after }) => `${before} | ${after}`)).toEqual([
    expect.stringMatching(`^${SECTIONS}: running, ${numbers} \\| pause → paused, ${numbers}$`),
    expect.stringMatching(`^${SECTIONS}: paused, ${numbers} \\| resume → running, ${numbers}$`),
    "reports nothing.r1: gone | retry → refused (404)",
    "nothing: unknown | pause → refused (404)",
  ]);
  expect(await fleet.store.redis.exists(`${fleet.store.keys.queuePrefix}:nothing:meta`)).toBe(0);
});

test("jobs are neither made, edited nor wiped at Bull Board, by anybody", async () => {
  const admin = await acting("mia");
  for (const path of [
    "/api/queues/reports/add",
    "/api/queues/reports/empty",
    "/api/queues/reports/obliterate",
    "/api/queues/reports/clean/completed",
    "/api/queues/reports/concurrency",
    "/api/queues/pause",
    `/api/queues/reports/${delivered}.r1/update-data`,
    `/api/queues/reports/${delivered}.r1/remove-unprocessed-children`,
  ])
    expect([path, (await admin.put(`/admin/queues${path}`)).status]).toEqual([path, 403]);
  expect(await fleet.fleet.workshop.queues.queue(REPORTS_QUEUE).getJob(`${delivered}.r1`)).toBeDefined();
});
