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

test("a raw retry by an admin pays nothing, moves no credits and delivers nothing twice; the audit knows of it", async () => {
  const asked = fleet.ledger().length;
  const before = await fleet.balance("acme");
  const admin = await signedIn(api, fleet.store, "admin", "mia");
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
  expect(rows[0]).toMatchObject({ by: "mia (console)", after: `${SECTIONS} ${parked}.first.r1.1 retry` });
  expect(rows).toHaveLength(4);
});

test("jobs are neither made, edited nor wiped at Bull Board, by anybody", async () => {
  const admin = await signedIn(api, fleet.store, "admin");
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
