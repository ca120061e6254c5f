/** What a team's own service is told, and what it may rely on when either side is down. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EXIT } from "../../src/cli/exit-codes.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import { grantCredits } from "../../src/store/credits.ts";
import { listDeliveries } from "../../src/store/webhook-deliveries.ts";
import { readWebhook } from "../../src/store/webhooks.ts";
import { startTestFleet, waitFor, type TestFleet } from "../../src/testing.ts";
import { registerWebhook, renewSecret } from "../../src/webhooks/register-webhook.ts";
import { replayMissed } from "../../src/webhooks/replay-webhooks.ts";
import { aKey, call, startTestApi } from "../support/api.ts";
import { runCommand } from "../support/command-line.ts";
import { startFleetProcess } from "../support/fleet-process.ts";
import { makeCertificate } from "../support/own-authority.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";
import { openTestStore } from "../support/store-for-tests.ts";
import { isSignedWith, startWebhookReceiver, type WebhookReceiver } from "../support/webhook-receiver.ts";

const TYPES = fileURLToPath(new URL("../support/report-types/index.ts", import.meta.url));
/** All ten attempts within three seconds. */
const HASTE = 0.00001;

let fleet: TestFleet;
const receivers: WebhookReceiver[] = [];
beforeAll(async () => {
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("webhooks"),
    types: [aTopicType],
    webhookTimeScale: HASTE,
  });
});
afterAll(async () => {
  await fleet.stop();
  await Promise.all(receivers.map((receiver) => receiver.close()));
});

async function aReceiver(): Promise<WebhookReceiver> {
  const receiver = await startWebhookReceiver();
  receivers.push(receiver);
  return receiver;
}

function listen(account: string | null, url: string, events?: readonly string[]) {
  return registerWebhook(fleet.store, { account, url, events, by: "ada" }, true);
}

/** The last of what an endpoint was sent, once nothing is on its way any more. */
async function settled(endpoint: string, count: number) {
  return waitFor(
    async () => {
      const deliveries = await listDeliveries(fleet.store, endpoint, 100);
      return deliveries.length >= count && deliveries.every(({ status }) => status !== "pending")
        ? deliveries
        : null;
    },
    () => `${endpoint} was not sent ${count} webhooks`,
  );
}

test("a delivered report is told to its account in a small signed message, without a word of what is in it", async () => {
  const receiver = await aReceiver();
  const stranger = await aReceiver();
  const { secret } = await listen("acme", receiver.url);
  await listen("globex", stranger.url);
  await fleet.grant("acme", 100);
  const id = await fleet.submit({ account: "acme", type: "topic", source: { topic: "canary-7f3a9 dunes" } });
  const artefact = await fleet.delivered(id);
  const webhook = await waitFor(
    async () => receiver.of("report.completed")[0],
    () => "nothing came",
  );

  expect(isSignedWith(secret, webhook)).toBe(true);
  expect(isSignedWith(secret, { ...webhook, body: webhook.body.replace("acme", "acne") })).toBe(false);
  expect(webhook.message).toEqual({
    type: "report.completed",
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    data: { report: id, report_type: "topic", account: "acme", status: "completed", delivery: "full" },
  });
  await waitFor(
    async () => receiver.of("ledger.entry").length === 3,
    () => `${receiver.of("ledger.entry").length} rows of the ledger came`,
  );
  const everything = receiver.received.map(({ body, headers }) => body + JSON.stringify(headers)).join("\n");
  for (const secretText of ["canary-7f3a9", artefact.markdown.slice(0, 40), secret])
    expect(everything).not.toContain(secretText);
  expect(Math.max(...receiver.received.map(({ body }) => body.length))).toBeLessThan(20_000);
  expect(stranger.received).toEqual([]);
});

test("an order's own callback is told how it ends, signed with the secret of its account's callbacks", async () => {
  const receiver = await aReceiver();
  await fleet.grant("initrode", 100);
  const env = { REDIS_URL: testRedisUrl(), FLEET: fleet.store.fleet, REPORT_TYPES: TYPES };
  const order = ["submit", "topic", "--account", "initrode", "--input", '{"topic":"tides"}', "--json"];
  const ordered = await runCommand([...order, "--callback", receiver.url], { env });
  const { id } = JSON.parse(ordered.stdout) as { id: ReportId };
  await fleet.delivered(id);
  await waitFor(
    async () => receiver.received.length === 1,
    () => "the callback was not called",
  );
  const secret = (await readWebhook(fleet.store, "callback.initrode"))?.secrets[0] ?? "";
  expect(receiver.of("report.completed").map((webhook) => isSignedWith(secret, webhook))).toEqual([true]);
  expect(receiver.received[0]?.message.data["report"]).toBe(id);
  // The last would be taken and never told: without encryption nothing leaves this machine.
  for (const callback of ["ftp://example.com/", "example.com/done", "http://example.com/done"]) {
    const refused = await runCommand([...order, "--callback", callback], { env });
    expect([refused.code, refused.stderr]).toEqual([EXIT.usage, expect.stringContaining("an https URL")]);
  }
});

test("over TLS a receiver is told only where its certificate is good for its name and its authority is trusted", async () => {
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-tls-"));
  const { ca, key, cert } = makeCertificate(dir, "DNS:localhost");
  rmSync(dir, { recursive: true });
  const [named, misnamed] = await Promise.all(
    ["localhost", "127.0.0.1"].map((host) => startWebhookReceiver({ key, cert, host })),
  );
  if (named === undefined || misnamed === undefined) throw new Error("Two receivers were started.");
  receivers.push(named, misnamed);
  const [good, bad] = [
    await listen("dunder", named.url, ["ledger.entry"]),
    await listen("dunder", misnamed.url, ["ledger.entry"]),
  ];
  await fleet.grant("dunder", 10);
  const [untrusted] = await settled(good.id, 1);
  expect(untrusted).toMatchObject({ status: "dead", attempts: 10 });
  expect(untrusted?.answers.every(({ answer }) => answer === "connection_failed")).toBe(true);

  const known = tls.getCACertificates("default");
  tls.setDefaultCACertificates([...known, ca]);
  try {
    await replayMissed(fleet.store, good.id);
    const [trusted] = await settled(good.id, 1);
    expect(trusted).toMatchObject({ status: "delivered" });
    await replayMissed(fleet.store, bad.id);
    expect((await settled(bad.id, 1))[0]).toMatchObject({ status: "dead" });
  } finally {
    tls.setDefaultCACertificates(known);
  }
  expect(named.received.map((webhook) => isSignedWith(good.secret, webhook))).toEqual([true]);
  expect(misnamed.received).toEqual([]);
});

test("a receiver that was down gets the message once it is up, under the same id and with a new signature", async () => {
  const receiver = await aReceiver();
  receiver.answer = () => (receiver.received.length <= 3 ? 503 : 204);
  const { id: endpoint, secret } = await listen("initech", receiver.url, ["ledger.entry"]);
  await fleet.grant("initech", 10);

  const [delivery] = await settled(endpoint, 1);
  expect(delivery).toMatchObject({ status: "delivered", attempts: 4 });
  expect(delivery?.answers.map(({ answer }) => answer)).toEqual(["503", "503", "503", "204"]);
  expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(1);
  expect(receiver.received.every((webhook) => isSignedWith(secret, webhook))).toBe(true);
});

test("rows of a ledger come in their order, however often one of them fails, and no account waits for another", async () => {
  const receiver = await aReceiver();
  const failedOnce = new Set<string>();
  receiver.answer = ({ id, message }) => {
    // Every second row is taken at its second try only.
    if (Number(message.data["entry"]) % 2 === 1 || failedOnce.has(id)) return 200;
    failedOnce.add(id);
    return 500;
  };
  const { id: endpoint } = await listen(null, receiver.url, ["ledger.entry"]);
  for (let nth = 1; nth <= 6; nth += 1)
    for (const account of ["hooli", "pied-piper"])
      await grantCredits(fleet.store, { account, credits: nth, reference: `order-${nth}` });

  await settled(endpoint, 12);
  for (const account of ["hooli", "pied-piper"]) {
    const entries = receiver.received
      .filter(({ message }) => message.data["account"] === account)
      .map(({ message }) => message.data["entry"]);
    expect(entries).toEqual([1, 2, 2, 3, 4, 4, 5, 6, 6]);
  }
  expect(receiver.received[0]?.message.data).toMatchObject({
    idempotency_key: expect.stringMatching(/^(hooli|pied-piper):1$/),
    verb: "grant",
    credits: 1,
    reference: "order-1",
    report: null,
  });
});

test("a message nobody takes is given up, the next row goes on, and a person sends it again under its id", async () => {
  const receiver = await aReceiver();
  let away = true;
  receiver.answer = ({ message }) => (away && message.data["entry"] === 1 ? 302 : 204);
  const { id: endpoint } = await listen("umbrella", receiver.url, ["ledger.entry"]);
  await grantCredits(fleet.store, { account: "umbrella", credits: 1, reference: "one" });
  await grantCredits(fleet.store, { account: "umbrella", credits: 2, reference: "two" });

  const deliveries = await settled(endpoint, 2);
  const dead = deliveries.find(({ status }) => status === "dead");
  expect(dead).toMatchObject({ attempts: 10 });
  expect(receiver.received.map(({ message }) => message.data["entry"])).toEqual([...Array(10).fill(1), 2]);

  away = false;
  expect(await replayMissed(fleet.store, endpoint)).toEqual([dead?.id]);
  await waitFor(
    async () => receiver.received.length === 12,
    () => "it was not sent again",
  );
  expect(receiver.received.at(-1)?.id).toBe(receiver.received[0]?.id);
});

test("both secrets sign while a receiver changes over, and only the new one afterwards", async () => {
  const receiver = await aReceiver();
  const { id: endpoint, secret: before } = await listen("stark", receiver.url, ["ledger.entry"]);
  const after = await renewSecret(fleet.store, endpoint, 60_000, "ada");
  await grantCredits(fleet.store, { account: "stark", credits: 1, reference: "one" });
  const [during] = await settled(endpoint, 1).then(() => receiver.received);
  expect([before, after].map((secret) => during !== undefined && isSignedWith(secret, during))).toEqual([
    true,
    true,
  ]);

  const last = await renewSecret(fleet.store, endpoint, 1, "ada");
  await grantCredits(fleet.store, { account: "stark", credits: 1, reference: "two" });
  await settled(endpoint, 2);
  const [, later] = receiver.received;
  expect([before, after, last].map((secret) => later !== undefined && isSignedWith(secret, later))).toEqual([
    false,
    false,
    true,
  ]);
});

test("a receiver that answers 410 is told nothing more, and the operator hears why", async () => {
  const receiver = await aReceiver();
  receiver.answer = () => 410;
  const { id: endpoint } = await listen("wayne", receiver.url, ["ledger.entry"]);
  await grantCredits(fleet.store, { account: "wayne", credits: 1, reference: "one" });
  await grantCredits(fleet.store, { account: "wayne", credits: 1, reference: "two" });
  await waitFor(
    async () => (await readWebhook(fleet.store, endpoint))?.state.status === "disabled",
    () => "it is still enabled",
  );
  await settled(endpoint, 1);
  await grantCredits(fleet.store, { account: "wayne", credits: 1, reference: "three" });
  await waitFor(
    async () => (await fleet.store.redis.xlen(fleet.store.keys.webhookOutbox)) === 0,
    () => "the outbox is not empty",
  );
  await settled(endpoint, 1);
  expect(receiver.received.length).toBe(1);
  const [newest] = await fleet.store.redis.xrevrange(fleet.store.keys.fleetEvents, "+", "-", "COUNT", 1);
  expect(newest?.[1].join()).toContain("webhook.disabled");
});

test("an orchestrator killed before and while it tells a fact loses none, and a repeat has the same id", async () => {
  const store = openTestStore("webhooks-kill");
  const receiver = await aReceiver();
  receiver.answer = () => "hang";
  const settings = {
    redisUrl: testRedisUrl(),
    fleet: store.fleet,
    roles: "orchestrator",
    timeScale: 0.2,
    env: { ALLOW_PRIVATE_WEBHOOKS: "1" },
  };
  await registerWebhook(
    store,
    { account: null, url: receiver.url, events: ["ledger.entry"], by: "ada" },
    true,
  );
  // Nobody runs at this moment: the fact waits in the outbox.
  await grantCredits(store, { account: "acme", credits: 5, reference: "first" });
  const first = await startFleetProcess(settings);
  await waitFor(
    async () => receiver.received.length === 1,
    () => "the first orchestrator sent nothing",
  );
  await first.kill("SIGKILL");

  receiver.answer = () => 200;
  const second = await startFleetProcess(settings);
  const [told, again] = await waitFor(
    async () => (receiver.received.length >= 2 ? receiver.received : null),
    () => "the second orchestrator sent nothing",
  );
  expect(again?.id).toBe(told?.id);
  expect(again?.body).toBe(told?.body);
  await second.kill("SIGTERM");
  store.close();
});

test("an operator adds, lists, looks at and removes endpoints from the command line; a secret is shown once", async () => {
  const env = { REDIS_URL: testRedisUrl(), FLEET: fleet.store.fleet };
  const cli = async (...args: string[]) => runCommand(["webhooks", ...args, "--json"], { env });
  const added = await cli("add", "https://hooks.example.com/", "--account", "acme", "--by", "ada");
  const { id, secret } = JSON.parse(added.stdout) as { id: string; secret: string };
  expect(secret).toMatch(/^whsec_/);
  const [listed, refused, unknown] = await Promise.all([
    cli("ls", "--account", "acme"),
    cli("add", "http://169.254.169.254/", "--by", "ada"),
    cli("replay", "msg_1-0.wh-0"),
  ]);
  expect(listed.stdout).toContain(id);
  expect(listed.stdout).not.toContain("whsec_");
  expect([refused.code, unknown.code]).toEqual([2, 3]);
  expect(await cli("rm", id)).toMatchObject({ code: 0 });
  expect(await readWebhook(fleet.store, id)).toBeNull();
});

test("a team looks after its endpoints over HTTP, and no other account's key sees that they exist", async () => {
  const receiver = await aReceiver();
  receiver.answer = () => 410;
  const api = await startTestApi(fleet, { allowPrivateWebhooks: true });
  const ours = await aKey(fleet.store, "cyberdyne", "webhooks");
  const theirs = await aKey(fleet.store, "tyrell", "webhooks");
  const made = await call(api, ours, "POST", "/v1/webhooks", {
    body: { url: receiver.url, events: ["ledger.entry"] },
  });
  expect(made).toMatchObject({ status: 201, json: { account: "cyberdyne", status: "enabled" } });
  const { id, secret } = made.json as { id: string; secret: string };
  const path = `/v1/webhooks/${id}`;
  await grantCredits(fleet.store, { account: "cyberdyne", credits: 1, reference: "one" });
  await settled(id, 1);
  expect((await call(api, ours, "GET", path)).json).toMatchObject({ status: "disabled" });

  receiver.answer = () => 204;
  expect(await call(api, ours, "POST", `${path}/enable`)).toMatchObject({ json: { status: "enabled" } });
  const rotated = await call(api, ours, "POST", `${path}/rotate-secret`);
  expect(rotated.json.secret).not.toBe(secret);
  const [lost] = (await call(api, ours, "GET", `${path}/deliveries`)).json.data;
  expect(lost).toMatchObject({ type: "ledger.entry", status: "dead", answers: [{ answer: "410" }] });
  const replayed = await call(api, ours, "POST", `${path}/replay`, { body: { deliveries: [lost.id] } });
  expect(replayed.json).toEqual({ replayed: [lost.id] });
  await waitFor(
    async () => receiver.received.length === 2,
    () => "it was not sent again",
  );
  expect(receiver.received.map((webhook) => isSignedWith(secret, webhook))).toEqual([true, true]);

  for (const [method, route, body] of [
    ["GET", path],
    ["GET", `${path}/deliveries`],
    ["POST", `${path}/enable`],
    ["POST", `${path}/rotate-secret`],
    ["POST", `${path}/replay`, {}],
    ["POST", "/v1/accounts/cyberdyne/callback-secret"],
    ["DELETE", path],
  ] as const) {
    const foreign = await call(api, theirs, method, route, body === undefined ? {} : { body });
    const missing = await call(
      api,
      theirs,
      method,
      route.replace(id, "wh-0"),
      body === undefined ? {} : { body },
    );
    expect([foreign.status, foreign.json.detail]).toEqual([404, missing.json.detail]);
  }
  expect((await call(api, theirs, "GET", "/v1/webhooks")).json).toEqual({ data: [], next_cursor: null });
  const listed = await call(api, ours, "GET", "/v1/webhooks");
  expect(listed.json.data).toHaveLength(1);
  expect(listed.text).not.toContain("whsec_");
  const inside = await call(api, ours, "POST", "/v1/webhooks", { body: { url: "https://169.254.169.254/" } });
  expect(inside).toMatchObject({ status: 422, json: { errors: [{ pointer: "url" }] } });
  expect((await call(api, ours, "DELETE", path)).status).toBe(204);
  expect(api.errors).toEqual([]);
  await api.close();
});
