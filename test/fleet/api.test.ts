import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { aKey, call, startTestApi, type TestApi } from "../support/api.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

let fleet: TestFleet;
let api: TestApi;
let buyer: { id: string; text: string };
let operator: { id: string; text: string };
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("api"),
    types: [aTopicType],
    faults: [
      { match: { contains: "Write the first part about a broken mirror" }, fault: { kind: "refusal" } },
      { match: { contains: "about a slow river" }, fault: { kind: "hang" } },
    ],
  });
  api = await startTestApi(fleet);
  await fleet.grant("acme", 1_000);
  buyer = await aKey(fleet.store, "acme", "reports:read", "reports:write", "reviews", "credits");
  operator = await aKey(fleet.store, null, "admin");
});
afterAll(async () => {
  await api.close();
  await fleet.stop();
  expect(api.errors).toEqual([]);
});

let orders = 0;
async function order(topic: string): Promise<string> {
  orders += 1;
  const { status, json } = await call(api, buyer, "POST", "/v1/reports", {
    body: { type: "topic", source: { topic } },
    headers: { "Idempotency-Key": `order-${orders}` },
  });
  expect(status).toBe(202);
  return json.id as string;
}

test("a report is ordered, followed, read section by section and as a document", async () => {
  const ordered = await call(api, buyer, "POST", "/v1/reports", {
    body: { type: "topic", source: { topic: "glass" } },
    headers: { "Idempotency-Key": "glass" },
  });
  expect(ordered.status).toBe(202);
  const { id } = ordered.json;
  expect(ordered.headers.get("Location")).toBe(`/v1/reports/${id}`);
  expect(ordered.json).toMatchObject({ account: "acme", credits: { amount: 5, state: "reserved" } });

  await fleet.delivered(id);
  const report = await call(api, buyer, "GET", `/v1/reports/${id}`);
  expect(report.json).toMatchObject({ status: "completed", delivery: "full", progress: { percent: 100 } });
  const unchanged = await call(api, buyer, "GET", `/v1/reports/${id}`, {
    headers: { "If-None-Match": report.headers.get("ETag") ?? "" },
  });
  expect([unchanged.status, unchanged.text]).toEqual([304, ""]);

  const section = await call(api, buyer, "GET", `/v1/reports/${id}/sections/first`);
  expect(section.json).toMatchObject({ section: "first", delivered: true });
  const markdown = await call(api, buyer, "GET", `/v1/reports/${id}/output`);
  expect(markdown.headers.get("Content-Type")).toContain("text/markdown");
  expect(markdown.text).toContain("## The first part");
  const html = await call(api, buyer, "GET", `/v1/reports/${id}/output?format=html`);
  expect(html.text).toMatch(/^<!doctype html>/i);
  expect((await call(api, buyer, "GET", `/v1/reports/${id}/output?format=json`)).json).toMatchObject({ id });
  const receipt = await call(api, buyer, "GET", `/v1/reports/${id}/receipt`);
  expect(receipt.json.calls).toHaveLength(2);
  expect(receipt.json).toMatchObject({ artefactHash: report.json.artefactHash, edits: [] });
  expect(receipt.json.calls[0]).not.toHaveProperty("route");
});

test("an order repeated under its key is answered alike and held once; another body is a conflict", async () => {
  const send = (topic: string, key: string | null) =>
    call(api, buyer, "POST", "/v1/reports", {
      body: { type: "topic", source: { topic } },
      headers: key === null ? {} : { "Idempotency-Key": key },
    });
  const first = await send("salt", "salt-1");
  const again = await send("salt", "salt-1");
  expect([again.status, again.text]).toEqual([202, first.text]);
  expect(again.headers.get("Idempotency-Replayed")).toBe("true");
  expect(first.headers.get("Idempotency-Replayed")).toBeNull();

  const other = await send("pepper", "salt-1");
  expect([other.status, other.json.code]).toEqual([422, "idempotency_conflict"]);
  expect(await send("salt", null)).toMatchObject({ status: 400, json: { code: "idempotency_key_required" } });
  // What was refused did not use up its key.
  const refused = await call(api, buyer, "POST", "/v1/reports", {
    body: { type: "topic", source: {} },
    headers: { "Idempotency-Key": "salt-2" },
  });
  expect(refused).toMatchObject({
    status: 422,
    json: { code: "invalid_source", errors: [{ pointer: "topic" }] },
  });
  expect((await send("sugar", "salt-2")).status).toBe(202);
  // The kept answer may be gone, with the process or the day: the order is known by its key all the same.
  const { redis } = fleet.store;
  await redis.unlink(...(await redis.keys(`{${fleet.store.fleet}}:http-answer:*`)));
  const later = await send("salt", "salt-1");
  expect([later.status, later.json.id, later.json.repeated]).toEqual([202, first.json.id, true]);
  expect(later.headers.get("Idempotency-Replayed")).toBe("true");
  // Twenty at once, while none is answered yet: one order, and each is told the same or to come back.
  const rush = await Promise.all(Array.from({ length: 20 }, () => send("rush", "rush")));
  expect(new Set(rush.map(({ status }) => status))).toEqual(
    rush.some(({ status }) => status === 409) ? new Set([202, 409]) : new Set([202]),
  );
  expect(new Set(rush.flatMap(({ status, json }) => (status === 202 ? [json.id] : []))).size).toBe(1);
});

test("a list goes on from its cursor and shows each report once", async () => {
  for (const topic of ["one", "two", "three"]) await order(topic);
  const seen: string[] = [];
  let cursor = "";
  do {
    const page = await call(api, buyer, "GET", `/v1/reports?limit=2${cursor}`);
    expect(page.status).toBe(200);
    seen.push(...page.json.data.map(({ id }: { id: string }) => id));
    cursor = page.json.next_cursor === null ? "" : `&cursor=${page.json.next_cursor}`;
    // What is ordered meanwhile stands before the first page and moves nothing that is still to come.
    await order(`meanwhile ${seen.length}`);
  } while (cursor !== "");
  expect(seen.length).toBeGreaterThanOrEqual(3);
  expect(new Set(seen).size).toBe(seen.length);
  expect(await call(api, buyer, "GET", "/v1/reports?cursor=bm8")).toMatchObject({ status: 400 });
});

test("a decision needs the version that was looked at, and a stale one changes nothing", async () => {
  const id = await order("a broken mirror");
  await fleet.reaches(id as never, "needs_review");
  const listed = await call(api, buyer, "GET", `/v1/reviews?report=${id}`);
  const [parked] = listed.json.data;
  const path = `/v1/reviews/${encodeURIComponent(parked.id)}`;
  const seen = await call(api, buyer, "GET", path);
  const tag = seen.headers.get("ETag") ?? "";
  expect(tag).toBe(`"${parked.version}"`);
  expect(parked.actions).toContain("skip_section");
  expect(seen.json).toMatchObject({
    evidence: { call: "draft", promptVersion: "1", take: expect.any(Number) },
    credits: { amount: 5, state: "reserved" },
    notes: [],
  });
  // The prompt is the seller's: a customer's key does not see it, the fleet's own does.
  expect(seen.json).not.toHaveProperty("question");
  expect(seen.json).not.toHaveProperty("rawOutput");
  const whole = await call(api, operator, "GET", path);
  expect(whole.json.question.messages[0].content).toContain("about a broken mirror");
  expect(whole.json).toHaveProperty("rawOutput");

  const decide = (ifMatch: string | null, action = "skip", body: object = { why: "not needed" }) =>
    call(api, buyer, "POST", `${path}/${action}`, {
      body,
      headers: ifMatch === null ? {} : { "If-Match": ifMatch },
    });
  expect(await decide(null)).toMatchObject({ status: 428, json: { code: "precondition_required" } });
  expect(await decide('"99"')).toMatchObject({ status: 412, json: { code: "precondition_failed" } });
  expect(await decide('"99"', "reject")).toMatchObject({ status: 412 });
  // A dry run decides nothing, so it needs neither a version nor a reason.
  const dry = await decide(null, "resume?dry_run=true", {});
  expect(dry.json).toMatchObject({ action: "resume", possible: true, keptSections: ["second"] });
  expect((await call(api, buyer, "POST", `${path}/resume?dry_run=true`)).json).toEqual(dry.json);
  const skipped = await decide(null, "skip?dry_run=true", {});
  expect(skipped.json).toMatchObject({ credits: { held: 0, charged: 2, returned: 3 } });
  expect(await decide(null, "skip?dry_run=maybe", {})).toMatchObject({ status: 422 });
  const ofGroup = await call(
    api,
    operator,
    "POST",
    `/v1/groups/${encodeURIComponent(parked.group)}/decisions?dry_run=true`,
    { body: { action: "reject", maxMicros: 5 } },
  );
  expect(ofGroup).toMatchObject({
    status: 200,
    json: { cases: 1, canaries: [parked.id], cap: { maxMicros: 5, fits: true }, credits: { returned: 5 } },
  });
  expect((await call(api, buyer, "GET", path)).headers.get("ETag")).toBe(tag);
  expect((await decide(tag)).json).toMatchObject({ report: id, action: "skip_section" });
  expect(await decide(tag)).toMatchObject({ status: 412 });
  await fleet.reaches(id as never, "completed");
  const told = await call(api, buyer, "GET", `/v1/reports/${id}/explanation`);
  expect(told.json.decisions[0].by).toContain(`API key ${buyer.id}`);
  // Delivered in part, so the rest may be had for the rest of its price.
  expect((await call(api, buyer, "GET", `/v1/reports/${id}`)).json.delivery).toBe("partial");
  const rest = await call(api, buyer, "POST", `/v1/reports/${id}/complete`, { body: { why: "all of it" } });
  expect(rest).toMatchObject({ status: 202, json: { report: id } });
  await fleet.reaches(id as never, "needs_review");
  const reversed = await call(api, operator, "POST", `/v1/reports/${id}/reverse`, {
    body: { why: "no use" },
  });
  expect(reversed.json).toMatchObject({ report: id, status: "completed", repeated: false });
});

test("a group's decision whose answer was lost is the same operation when it is sent again", async () => {
  const id = await order("a broken mirror, in pieces");
  await fleet.reaches(id as never, "needs_review");
  const [parked] = (await call(api, operator, "GET", `/v1/reviews?report=${id}`)).json.data;
  const decide = () =>
    call(api, operator, "POST", `/v1/groups/${encodeURIComponent(parked.group)}/decisions`, {
      body: { action: "reject", why: "no use" },
      headers: { "Idempotency-Key": "pieces" },
    });
  const first = await decide();
  expect(first.status).toBe(202);
  await fleet.reaches(id as never, "failed");
  // As a process leaves it that dies before it has kept its answer.
  const { redis, keys } = fleet.store;
  await redis.del(...(await redis.keys(keys.keptAnswer("*").replaceAll(/[{}]/g, "?"))));
  expect((await decide()).json.id).toBe(first.json.id);
});

test("a buyer learns that a section was written by a person, and neither by whom nor why", async () => {
  const id = await order("a broken mirror at noon");
  await fleet.reaches(id as never, "needs_review");
  const [parked] = (await call(api, operator, "GET", `/v1/reviews?report=${id}`)).json.data;
  const accepted = await call(api, operator, "POST", `/v1/reviews/${parked.id}/accept`, {
    body: {
      by: "ada",
      why: "the model is a coward",
      output: "Glass breaks along the lines of its own strain. ".repeat(5),
    },
    headers: { "If-Match": `"${parked.version}"` },
  });
  expect(accepted.status).toBe(200);
  await fleet.reaches(id as never, "completed");
  const [view, receipt] = [
    await call(api, buyer, "GET", `/v1/reports/${id}`),
    await call(api, buyer, "GET", `/v1/reports/${id}/receipt`),
  ];
  expect(view.json.sections[0]).toMatchObject({ key: "first", edited: {} });
  expect(receipt.json.edits).toEqual([{ section: "first" }]);
  const events = await readStream(`/v1/reports/${id}/events`, null, (seen) =>
    seen.some(({ event }) => event === "end"),
  );
  expect(events.map(({ event }) => event)).toContain("review.resolved");
  expect([view.text, receipt.text, ...events.map(({ data }) => data)].join()).not.toMatch(/API key|coward/);
  const whole = await call(api, operator, "GET", `/v1/reports/${id}`);
  expect(whole.json.sections[0].edited).toMatchObject({ why: "the model is a coward" });
});

test("a reader of events that lost its line goes on after the last one it has, and is told the end", async () => {
  const id = await order("a lighthouse");
  const events = await readStream(`/v1/reports/${id}/events`, null, (seen) =>
    seen.some(({ event }) => event === "end"),
  );
  expect(events[0]?.event).toBe("snapshot");
  const stored = events.filter(({ id: at }) => at !== null);
  expect(stored.map(({ event }) => event)).toContain("report.planned");
  const middle = stored[Math.floor(stored.length / 2)]?.id ?? "";
  const rest = await readStream(`/v1/reports/${id}/events`, middle, (seen) =>
    seen.some(({ event }) => event === "end"),
  );
  expect(rest.flatMap(({ id: at }) => at ?? [])).toEqual(
    stored.slice(Math.floor(stored.length / 2) + 1).map(({ id: at }) => at),
  );
  expect(stored.every(({ data }) => !data.includes("route"))).toBe(true);
  // A browser that comes again once all is told is sent home.
  const last = stored.at(-1)?.id ?? "";
  const home = await call(api, buyer, "GET", `/v1/reports/${id}/events`, {
    headers: { "Last-Event-ID": last },
  });
  expect(home.status).toBe(204);
});

interface ServerEvent {
  id: string | null;
  event: string;
  data: string;
}

async function readStream(
  path: string,
  lastEventId: string | null,
  enough: (seen: ServerEvent[]) => boolean,
  key = buyer.text,
): Promise<ServerEvent[]> {
  const response = await fetch(`${api.url}${path}`, {
    headers: {
      Authorization: `Bearer ${key}`,
      ...(lastEventId === null ? {} : { "Last-Event-ID": lastEventId }),
    },
  });
  expect(response.headers.get("Content-Type")).toContain("text/event-stream");
  const seen: ServerEvent[] = [];
  let rest = "";
  for await (const chunk of response.body ?? []) {
    rest += Buffer.from(chunk).toString("utf8");
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? null;
      const event = field("event");
      if (event !== null) seen.push({ id: field("id"), event, data: field("data") ?? "" });
    }
    if (enough(seen)) break;
  }
  return seen;
}

test("a revoked key is refused by the next request, on every process", async () => {
  const second = await startTestApi(fleet);
  try {
    const created = await call(api, operator, "POST", "/v1/keys", {
      body: { name: "shop", account: "acme", scopes: ["reports:read"] },
    });
    expect(created.status).toBe(201);
    const shop = { text: created.json.key as string };
    for (const one of [api, second]) expect((await call(one, shop, "GET", "/v1/reports")).status).toBe(200);
    expect((await call(api, operator, "DELETE", `/v1/keys/${created.json.id}`)).status).toBe(204);
    for (const one of [api, second])
      expect(await call(one, shop, "GET", "/v1/reports")).toMatchObject({
        status: 401,
        json: { code: "unauthorized" },
      });
    const listed = await call(api, operator, "GET", "/v1/keys");
    expect(listed.text).not.toContain(shop.text);
    expect(listed.json.data[0]).toMatchObject({ id: created.json.id, lastUsedAt: expect.any(Number) });
  } finally {
    await second.close();
  }
});

test("a stream that a key opened tells nothing of what happens after the key is revoked, and ends", async () => {
  const id = await order("a slow river at night");
  const shop = await aKey(fleet.store, "acme", "reports:read");
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const stream = readStream(`/v1/reports/${id}/events`, null, () => (open(), false), shop.text);
  await opened;
  expect((await call(api, operator, "DELETE", `/v1/keys/${shop.id}`)).status).toBe(204);
  await call(api, buyer, "POST", `/v1/reports/${id}/cancel`, { body: { why: "the wrong river" } });
  const told = (await stream).map(({ data }) => data).join();
  expect(told).not.toContain("cancelled");
  expect(told).not.toContain("the wrong river");
});

test("a key of an account cannot be given a scope over the fleet, and an expired one opens nothing", async () => {
  const wanted = { name: "too much", account: "acme", scopes: ["operate"] };
  expect(await call(api, operator, "POST", "/v1/keys", { body: wanted })).toMatchObject({ status: 422 });
  const late = await call(api, operator, "POST", "/v1/keys", {
    body: { name: "late", scopes: ["reports:read"], expiresAt: 1 },
  });
  expect((await call(api, { text: late.json.key }, "GET", "/v1/reports")).status).toBe(401);
});

test("no dump of the store holds a key, and a changed digit of one is not that key", async () => {
  // A secret may hold an underscore itself.
  const secret = buyer.text.slice(-43);
  const { redis } = fleet.store;
  const kept = await redis.keys(`{${fleet.store.fleet}}:api-key:*`);
  expect(kept.length).toBeGreaterThan(0);
  for (const key of kept) expect(JSON.stringify(await redis.hgetall(key))).not.toContain(secret);
  const wrong = buyer.text.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  expect((await call(api, { text: wrong }, "GET", "/v1/reports")).status).toBe(401);
});

test("credits are granted once per key, by the fleet's own key only", async () => {
  const grant = (key: { text: string }, credits: number) =>
    call(api, key, "POST", "/v1/accounts/nova/grants", {
      body: { credits, why: "paid" },
      headers: { "Idempotency-Key": "invoice-7" },
    });
  expect((await grant(operator, 10)).json).toMatchObject({ account: "nova", available: 10 });
  expect((await grant(operator, 10)).headers.get("Idempotency-Replayed")).toBe("true");
  expect((await grant(operator, 11)).status).toBe(422);
  expect((await grant(buyer, 10)).status).toBe(403);
  const ledger = await call(api, operator, "GET", "/v1/accounts/nova/ledger");
  expect(ledger.json.data).toHaveLength(1);
  expect(ledger.json.data[0]).toMatchObject({ verb: "grant", credits: 10, why: "paid" });
});

test("what a report would cost is said before anything is ordered", async () => {
  const before = fleet.ledger().length;
  const estimate = await call(api, buyer, "POST", "/v1/estimates", {
    body: { type: "topic", source: { topic: "oaks" } },
  });
  expect(estimate.json).toMatchObject({ type: "topic", credits: 5, budgetMicros: 1_000_000 });
  expect(fleet.ledger()).toHaveLength(before);
});

test("a type is stopped and started by name and reason, and an order meanwhile is told why", async () => {
  const stopped = await call(api, operator, "POST", "/v1/types/topic/disable", {
    body: { why: "a wrong prompt" },
  });
  expect(stopped.json).toMatchObject({ state: "open", opening: { reason: "a wrong prompt" } });
  const refused = await call(api, buyer, "POST", "/v1/reports", {
    body: { type: "topic", source: { topic: "late" } },
    headers: { "Idempotency-Key": "late" },
  });
  expect(refused).toMatchObject({ status: 409, json: { code: "type_disabled" } });
  const started = await call(api, operator, "POST", "/v1/types/topic/enable", { body: { why: "mended" } });
  expect(started.json.state).toBe("closed");
  expect((await call(api, operator, "GET", "/v1/types/topic/breaker")).json.history).toHaveLength(2);
});

test("spending is stopped and started, and what was spent is there by model", async () => {
  await call(api, operator, "POST", "/v1/spending/stop", { body: { why: "the bill looks wrong" } });
  expect((await call(api, operator, "GET", "/v1/spending")).json.stopped.reason).toBe("the bill looks wrong");
  expect((await call(api, operator, "POST", "/v1/spending/start", { body: {} })).json).toEqual({
    stopped: null,
  });
  const spend = await call(api, operator, "GET", "/v1/spend?by=model");
  expect(spend.json.data[0].micros).toBeGreaterThan(0);
  const [route] = (await call(api, operator, "GET", "/v1/routes")).json.data;
  const path = `/v1/routes/${encodeURIComponent(route.route)}`;
  expect((await call(api, operator, "POST", `${path}/close`, { body: { why: "new key" } })).status).toBe(200);
  expect((await call(api, operator, "POST", `${path}/open`, { body: {} })).json).toMatchObject({
    state: "open",
  });
});

test("a busy key is told its limit and when to come back", async () => {
  const strict = await startTestApi(fleet, { listen: { host: "127.0.0.1", port: 0, requestsPerMinute: 2 } });
  try {
    const key = await aKey(fleet.store, "acme", "reports:read");
    const answers = [];
    // A new minute may begin in between, once.
    for (let nth = 0; nth < 6; nth++) answers.push(await call(strict, key, "GET", "/v1/types"));
    expect(answers[0]?.headers.get("RateLimit-Policy")).toBe('"key";q=2;w=60');
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.json).toMatchObject({ code: "rate_limited", retryable: true });
    expect(Number(refused?.headers.get("Retry-After"))).toBeGreaterThan(0);
  } finally {
    await strict.close();
  }
});

test("health says what an acknowledgement survives, and why a process takes nothing any more", async () => {
  expect((await call(api, null, "GET", "/livez")).json).toEqual({ alive: true });
  const ready = await call(api, null, "GET", "/readyz");
  expect(ready.json).toMatchObject({ ready: true, because: null });
  expect(["always", "everysec", "none"]).toContain(ready.json.durability);
  const withdrawn = await startTestApi(fleet, { health: { unreadyBecause: () => "its key is wrong" } });
  try {
    expect(await call(withdrawn, null, "GET", "/readyz")).toMatchObject({
      status: 503,
      json: { ready: false, because: "its key is wrong" },
    });
  } finally {
    await withdrawn.close();
  }
});

test("without a key nobody learns which addresses there are", async () => {
  for (const path of ["/v1/reports", "/v1/nothing", "/admin", "/.env", "/v1/reports/rp-0"])
    expect(await call(api, null, "GET", path)).toMatchObject({ status: 401, json: { code: "unauthorized" } });
  expect(await call(api, buyer, "GET", "/v1/nothing")).toMatchObject({
    status: 404,
    json: { code: "not_found" },
  });
  const wrongMethod = await call(api, buyer, "DELETE", "/v1/reports");
  expect([wrongMethod.status, wrongMethod.headers.get("Allow")]).toEqual([405, "POST, GET"]);
});

test("a report is cancelled over HTTP, and its credits come back", async () => {
  const before = (await fleet.balance("acme")).available;
  const id = await order("a slow river");
  const cancelled = await call(api, buyer, "POST", `/v1/reports/${id}/cancel`, {
    body: { why: "wrong river" },
  });
  expect(cancelled.json).toMatchObject({ report: id, status: "cancelled" });
  await waitFor(
    async () => (await fleet.balance("acme")).available >= before,
    () => "the credits are not back",
  );
});
