/** Which facts are told outside, to whom, and that each enters the outbox with the fact itself or not at all. */
import type { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { FleetError } from "../../src/domain/fleet-error.ts";
import { WEBHOOK_TYPES } from "../../src/domain/webhook.ts";
import { announceType, turnBreaker } from "../../src/store/breakers.ts";
import { DEFAULT_BREAKER } from "../../src/domain/breaker.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { endReport } from "../../src/store/end-report.ts";
import { Queues, WEBHOOKS_QUEUE } from "../../src/store/queues.ts";
import { readReport } from "../../src/store/reports.ts";
import { redisNow, type Store } from "../../src/store/redis.ts";
import { closeRoute, openRoute } from "../../src/store/routes.ts";
import { run, savingScript } from "../../src/store/script.ts";
import { SPENDING_LUA, startSpending, stopSpending } from "../../src/store/spending.ts";
import { fanOut, listDeliveries, noteAttempt, readOutbox } from "../../src/store/webhook-deliveries.ts";
import {
  callbackEndpointId,
  listWebhooks,
  readWebhook,
  removeWebhook,
  warnBelow,
} from "../../src/store/webhooks.ts";
import { dispatchWebhooks } from "../../src/webhooks/dispatch-webhooks.ts";
import { registerWebhook } from "../../src/webhooks/register-webhook.ts";
import { retryAfterMs } from "../../src/webhooks/retry-schedule.ts";
import { A_FAILURE, admitOrder, aReportId, openTestStore, parkOrder } from "../support/store-for-tests.ts";

let store: ReturnType<typeof openTestStore>;
let queues: Queues;
const opened: { close(): void | Promise<void> }[] = [];
beforeAll(() => {
  store = openTestStore("webhooks");
  opened.push(store);
});
/** Empty books, no endpoints, the same connection. */
beforeEach(() => {
  const fresh = openTestStore("webhooks");
  fresh.close();
  store = { ...fresh, redis: store.redis };
  queues = new Queues(store);
  opened.unshift(queues);
});
afterAll(async () => {
  for (const one of opened) await one.close();
});

const URL = "https://hooks.example.com/fleet";
const listen = (account: string | null, events?: readonly string[]) =>
  registerWebhook(store, { account, url: URL, events, by: "ada" }, false);

/** What an endpoint is to be sent, oldest first. */
async function told(endpoint: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
  await dispatchWebhooks({ store, queues });
  const deliveries = await listDeliveries(store, endpoint, 1_000);
  return deliveries
    .sort((a, b) => (a.message < b.message ? -1 : 1))
    .map(({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> });
}

async function anOrder(account: string, callback?: string) {
  await grantCredits(store, { account, credits: 10, reference: "start" });
  const id = aReportId();
  await admitOrder(store, { id, account, credits: 4, callback });
  const stored = await readReport(store, id);
  if (stored === null) throw new Error("not admitted");
  return stored;
}

const END = { status: "cancelled", because: "changed my mind, the secret plan is off", by: "ada" } as const;
test("without anyone who listens nothing is kept to be told", async () => {
  const { report } = await anOrder("acme");
  await endReport(store, report, END);
  expect(await store.redis.exists(store.keys.webhookOutbox)).toBe(0);
});

test("an endpoint hears its own account from its first moment on, the operator everybody's", async () => {
  const early = await anOrder("acme");
  await endReport(store, early.report, END);
  const { id: mine } = await listen("acme");
  const { id: all } = await listen(null);
  const other = await anOrder("globex");
  await endReport(store, other.report, END);

  expect(await told(mine)).toEqual([]);
  expect((await told(all)).map(({ type }) => type)).toEqual([
    "ledger.entry",
    "ledger.entry",
    "ledger.entry",
    "report.cancelled",
  ]);
  expect((await told(all)).at(-1)?.data).toEqual({
    report: other.report.id,
    report_type: "topic",
    account: "globex",
    status: "cancelled",
  });
});

test("an endpoint hears nothing that was on its way before it was there", async () => {
  const { id: early } = await listen(null, ["ledger.entry"]);
  await grantCredits(store, { account: "acme", credits: 1, reference: "before" });
  const [before] = await readOutbox(store, 1);
  while ((await redisNow(store)) <= (before?.at ?? 0));
  const { id: late } = await listen(null, ["ledger.entry"]);
  await grantCredits(store, { account: "acme", credits: 1, reference: "after" });
  expect((await told(early)).map(({ data }) => data["reference"])).toEqual(["before", "after"]);
  expect((await told(late)).map(({ data }) => data["reference"])).toEqual(["after"]);
});

test("a parked report is told without what the model or a person wrote", async () => {
  const { id: endpoint } = await listen("acme", ["report.needs_review", "report.cancelled"]);
  const stored = await anOrder("acme");
  const failure = { ...A_FAILURE, message: "the model wrote: canary" };
  expect(await parkOrder(store, stored.report.id, { failure })).toBe("parked");
  await endReport(store, stored.report, END);
  const messages = await told(endpoint);
  expect(messages.map(({ type }) => type)).toEqual(["report.needs_review", "report.cancelled"]);
  expect(JSON.stringify(messages)).not.toMatch(/canary|secret plan/);
});

test("stops and outages of the fleet are the operator's to hear, each once", async () => {
  const { id: endpoint } = await listen(null);
  const { id: ofAccount } = await listen("acme");
  const route = "api.example.com#key/model";
  const before = { by: "ada", reason: "looks wrong" };
  await announceType(store, { type: "topic", version: 1, breaker: DEFAULT_BREAKER }, 60_000);
  for (const to of ["open", "half_open", "closed"] as const)
    for (let time = 0; time < 2; time += 1) await turnBreaker(store, "topic", { to, ...before });
  await store.redis.hset(store.keys.route(route), "answeredAt", 1);
  await closeRoute(store, route, "invalid key sk-canary", "p1", 0);
  await closeRoute(store, route, "invalid key sk-canary", "p2", 0);
  for (const by of ["ada", "bob"]) expect(await openRoute(store, route, by)).toBe("open");
  await stopSpending(store, "too dear", "ada");
  await stopSpending(store, "too dear", "bob");
  for (const by of ["ada", "bob"]) await startSpending(store, by);

  const messages = await told(endpoint);
  expect(messages.map(({ type }) => type)).toEqual([
    "breaker.opened",
    "breaker.half_open",
    "breaker.closed",
    "route.closed",
    "route.opened",
    "spending.stopped",
    "spending.started",
  ]);
  expect(JSON.stringify(messages)).not.toContain("sk-canary");
  expect(await told(ofAccount)).toEqual([]);
});

test("a daily cap is told once a day, the account's to the account, the fleet's to the operator", async () => {
  const { id: operator } = await listen(null);
  const { id: ofAccount } = await listen("acme");
  const gate = savingScript(`${SPENDING_LUA}
local shut = spending_gate(KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[2], 100, tonumber(ARGV[3]), tonumber(ARGV[4]))
return shut and shut[2] or 'open'
`);
  const ask = (at: number, account: string, fleetCap: number, accountCap: number) =>
    run(
      store.redis,
      gate,
      [store.keys.spendingStop, store.keys.spentToday],
      [at, account, fleetCap, accountCap],
    );
  const [today, tomorrow] = [86_400_000 * 20_000, 86_400_000 * 20_001];
  expect(await ask(today, "acme", -1, -1)).toBe("open");
  for (let time = 0; time < 3; time += 1) {
    expect(await ask(today, "acme", -1, 10)).toBe("account_cap");
    expect(await ask(today, "acme", 10, -1)).toBe("fleet_cap");
  }
  expect(await ask(tomorrow, "acme", -1, 10)).toBe("account_cap");

  expect((await told(operator)).map(({ data }) => data)).toEqual([
    { scope: "account", account: "acme" },
    { scope: "fleet", account: null },
    { scope: "account", account: "acme" },
  ]);
  expect((await told(ofAccount)).map(({ data }) => data["scope"])).toEqual(["account", "account"]);
});

test("low credits are told when the balance crosses the line, and again only after it was above it", async () => {
  const { id: endpoint } = await listen("acme", ["credits.low"]);
  await warnBelow(store, "acme", 8);
  await grantCredits(store, { account: "acme", credits: 10, reference: "a" });
  await admitOrder(store, { account: "acme", credits: 2 });
  expect(await told(endpoint)).toEqual([]);
  await admitOrder(store, { account: "acme", credits: 1 });
  await admitOrder(store, { account: "acme", credits: 1 });
  await grantCredits(store, { account: "acme", credits: 5, reference: "b" });
  await admitOrder(store, { account: "acme", credits: 6 });
  expect((await told(endpoint)).map(({ data }) => data)).toEqual([
    { account: "acme", available: 7, below: 8 },
    { account: "acme", available: 5, below: 8 },
  ]);
});

test("an order's own callback hears of that order only, signed with its account's secret", async () => {
  const quiet = await anOrder("acme");
  const loud = await anOrder("acme", "https://order.example.com/done");
  await endReport(store, quiet.report, END);
  await endReport(store, loud.report, END);
  expect((await told(callbackEndpointId("acme"))).map(({ data }) => data["report"])).toEqual([
    loud.report.id,
  ]);
  const [delivery] = await listDeliveries(store, callbackEndpointId("acme"), 10);
  expect(delivery?.url).toBe("https://order.example.com/done");
  // It is no endpoint that hears other things.
  expect(await listWebhooks(store)).toEqual([]);
});

test("a fact that is fanned out twice is delivered once", async () => {
  const { id: endpoint } = await listen("acme", ["ledger.entry"]);
  await grantCredits(store, { account: "acme", credits: 1, reference: "a" });
  const [fact] = await readOutbox(store, 10);
  if (fact === undefined) throw new Error("no fact");
  const target = { endpoint, lane: "acme", url: null, body: "{}" };
  const once = { entry: fact.entry, message: `msg_${fact.entry}`, type: "ledger.entry" } as const;
  expect(await fanOut(store, once, [target])).toHaveLength(1);
  expect(await fanOut(store, once, [target])).toEqual([]);
  await Promise.all([dispatchWebhooks({ store, queues }), dispatchWebhooks({ store, queues })]);
  expect(await listDeliveries(store, endpoint, 10)).toHaveLength(1);
  expect(await readOutbox(store, 10)).toEqual([]);
});

test("a delivery whose job was lost is rung again once it should have moved", async () => {
  const { id: endpoint } = await listen("acme", ["ledger.entry"]);
  await grantCredits(store, { account: "acme", credits: 1, reference: "a" });
  await told(endpoint);
  const queue = queues.queue(WEBHOOKS_QUEUE);
  await queue.drain();
  await dispatchWebhooks({ store, queues });
  expect(await queue.count()).toBe(0);
  const [delivery] = await listDeliveries(store, endpoint, 1);
  if (delivery === undefined) throw new Error("no delivery");
  await store.redis.zadd(store.keys.webhookDue, 1, delivery.id);
  await dispatchWebhooks({ store, queues });
  expect(await queue.getJob(delivery.id)).toBeDefined();
});

test("an endpoint that nothing reaches for days is disabled; a single success starts the count anew", async () => {
  const { id: endpoint } = await listen("acme", ["ledger.entry"]);
  for (const reference of ["a", "b"]) await grantCredits(store, { account: "acme", credits: 1, reference });
  await told(endpoint);
  const [second, first] = await listDeliveries(store, endpoint, 2);
  if (first === undefined || second === undefined) throw new Error("no deliveries");
  const failed = { outcome: "failed", answer: "timeout", retryAfterMs: 1_000 } as const;
  const failingSince = async () => {
    const state = (await readWebhook(store, endpoint))?.state;
    return state?.status === "enabled" ? state.failingSince : state;
  };
  expect(await noteAttempt(store, first, failed, 60_000)).toEqual({ word: "again", next: null });
  expect(await failingSince()).toEqual(expect.any(Number));
  // Its end calls the next row of the ledger.
  const taken = await noteAttempt(store, first, { outcome: "delivered", answer: "200" }, 60_000);
  expect(taken).toEqual({ word: "settled", next: second.id });
  expect(await failingSince()).toBeNull();
  expect(await noteAttempt(store, second, failed, -1)).toEqual({ word: "settled", next: null });
  expect(await failingSince()).toMatchObject({
    status: "disabled",
    because: expect.stringContaining("days"),
  });
});

test("a failed attempt is counted once, also where the reply to its note was lost and it was noted again", async () => {
  const { id: endpoint } = await listen("acme", ["ledger.entry"]);
  await grantCredits(store, { account: "acme", credits: 1, reference: "a" });
  await told(endpoint);
  const [delivery] = await listDeliveries(store, endpoint, 1);
  if (delivery === undefined) throw new Error("no delivery");
  const failed = { outcome: "failed", answer: "timeout", retryAfterMs: 1_000 } as const;
  expect(await noteAttempt(losingReplies(store), delivery, failed, 60_000)).toEqual({
    word: "again",
    next: null,
  });
  expect((await listDeliveries(store, endpoint, 1))[0]).toMatchObject({
    attempts: 1,
    answers: [{ answer: "timeout" }],
  });
  await noteAttempt(store, delivery, failed, 60_000);
  expect((await listDeliveries(store, endpoint, 1))[0]?.attempts).toBe(2);
});

/** Every script is sent twice, as ioredis does after a broken line; only the second reply arrives. */
function losingReplies(of: Store): Store {
  const redis = new Proxy(of.redis, {
    get(target, name: keyof Redis) {
      if (name !== "evalsha") return target[name];
      return async (...args: Parameters<Redis["evalsha"]>) => {
        await target.evalsha(...args);
        return target.evalsha(...args);
      };
    },
  });
  return { ...of, redis };
}

test("an endpoint that is removed leaves nothing behind", async () => {
  const { id: endpoint } = await listen("acme");
  const { report } = await anOrder("acme");
  await endReport(store, report, END);
  await told(endpoint);
  await removeWebhook(store, endpoint, "ada");
  const left = await store.redis.keys(`{${store.fleet}}:webhook*`);
  // BullMQ's queue, and the outbox, which is empty but remembers the last place in it.
  expect(left.filter((key) => !key.includes(":webhooks:"))).toEqual([store.keys.webhookOutbox]);
});

/** What somebody is told who asks for this endpoint. */
async function refusal(account: string | null, url: string, events?: string[]): Promise<string> {
  return registerWebhook(store, { account, url, events, by: "ada" }, false).then(
    () => "accepted",
    (error: unknown) => (error instanceof FleetError ? error.message : "crashed"),
  );
}

test("an endpoint is refused with the reason, and an account cannot listen to the fleet", async () => {
  expect(await refusal(null, "http://hooks.example.com")).toContain("https://");
  expect(await refusal(null, "https://169.254.169.254/")).toContain("no public address");
  expect(await refusal("acme", URL, ["report.finished"])).toContain("no event");
  expect(await refusal("acme", URL, ["breaker.opened"])).toContain("operator's to hear");
  expect((await listen(null)).events).toEqual(WEBHOOK_TYPES);
  for (let nth = 1; nth <= 20; nth += 1) expect(await refusal("acme", URL)).toBe("accepted");
  expect(await refusal("acme", URL)).toContain("as many as there may be");
  expect(await refusal("globex", URL)).toBe("accepted");
});

test("a message is tried for three days, longer and longer, never twice at the same beat", () => {
  const waits = Array.from({ length: 10 }, (_, failed) => retryAfterMs(failed, 1, 0));
  expect(waits).toEqual([5e3, 3e5, 1.8e6, 7.2e6, 1.8e7, 3.6e7, 5.04e7, 7.2e7, 8.64e7, null]);
  expect(retryAfterMs(0, 1, 0.5)).toBe(5_250);
});
