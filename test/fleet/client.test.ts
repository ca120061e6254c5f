import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { topicReport } from "../../examples/topic-report.ts";
import { clientOverHttp, clientOverRedis, Refused, type FleetClient } from "../../src/client.ts";
import { startTestFleet, type TestFleet, type TestFleetSettings } from "../../src/testing.ts";
import { aKey, startTestApi } from "../support/api.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { aTopicType } from "../support/report-types/index.ts";

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const WAYS = {
  Redis: (fleet: TestFleet) =>
    Promise.resolve(clientOverRedis({ url: testRedisUrl(), fleet: fleet.store.fleet })),
  HTTP: async (fleet: TestFleet) => {
    const api = await startTestApi(fleet);
    closing.push(() => api.close());
    const { text } = await aKey(fleet.store, "acme", "reports:read", "reports:write");
    return clientOverHttp({ baseUrl: api.url, apiKey: text });
  },
} as const;

async function aClient(
  way: keyof typeof WAYS,
  settings: Partial<TestFleetSettings> = {},
): Promise<{ fleet: TestFleet; client: FleetClient }> {
  const fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("client"),
    types: [aTopicType],
    ...settings,
  });
  closing.push(() => fleet.stop());
  await fleet.grant("acme", 100);
  const client = await WAYS[way](fleet);
  closing.push(() => client.close());
  return { fleet, client };
}

const ORDER = { type: "topic", account: "acme", source: { topic: "lighthouses" }, key: "order-1" };

for (const way of ["Redis", "HTTP"] as const) {
  test(`over ${way} a service orders a report, follows it to its end and reads it`, async () => {
    const { fleet, client } = await aClient(way, { latency: { firstByteMs: [100, 120], perTokenMs: 0 } });
    const deliverBy = new Date(Date.now() + 3_600_000);
    const ordered = await client.submit<typeof aTopicType>({
      ...ORDER,
      priority: "high",
      tags: { order: "4711" },
      deliverBy,
    });
    expect(ordered).toMatchObject({
      type: "topic",
      account: "acme",
      priority: "high",
      tags: { order: "4711" },
      deliverBy: deliverBy.getTime(),
    });

    const seen: string[] = [];
    for await (const { status } of client.watch(ordered.id)) seen.push(status);
    expect(seen).toContain("running");
    expect(seen.at(-1)).toBe("completed");

    const result = await client.result(ordered.id);
    expect(result.title).toBe("lighthouses");
    expect(result.sections.map(({ key }) => key)).toEqual(["first", "second"]);
    expect(result.markdown).toContain("## The first part");
    expect(await client.status(ordered.id)).toMatchObject({
      status: "completed",
      credits: { state: "committed" },
    });
    expect(await fleet.balance("acme")).toMatchObject({ available: 95, committed: 5 });
  });

  test(`over ${way} the same order again is the same report, and another one under its key is refused`, async () => {
    const { fleet, client } = await aClient(way, { roles: ["orchestrator"] });
    const first = await client.submit(ORDER);
    expect((await client.submit(ORDER)).id).toBe(first.id);
    const refused = await client
      .submit({ ...ORDER, source: { topic: "harbours" } })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(Refused);
    expect(refused).toMatchObject({ code: "idempotency_conflict" });
    expect((await client.submit(ORDER)).id).toBe(first.id);
    expect(await fleet.balance("acme")).toMatchObject({ available: 95, held: 5 });
  });

  test(`over ${way} a service learns which field is wrong, and that nothing was held`, async () => {
    const { fleet, client } = await aClient(way, { roles: ["orchestrator"] });
    const refused = await client.submit({ ...ORDER, source: { topic: "" } }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: "Refused", code: "invalid_source", fields: [{ path: "topic" }] });
    expect(await fleet.balance("acme")).toMatchObject({ available: 100 });
  });

  test(`over ${way} a service cancels, and hears it where it watches`, async () => {
    const { fleet, client } = await aClient(way, { roles: ["orchestrator"] });
    const { id } = await client.submit(ORDER);
    expect(await client.result(id).catch((error: unknown) => error)).toMatchObject({
      code: "not_deliverable",
    });
    const seen: string[] = [];
    const answers: string[] = [];
    for await (const { status } of client.watch(id)) {
      if (seen.length === 0) answers.push((await client.cancel(id, "no longer needed")).status);
      seen.push(status);
    }
    expect(answers).toEqual(["cancelled"]);
    expect(seen.at(-1)).toBe("cancelled");
    expect(await fleet.balance("acme")).toMatchObject({ available: 100, held: 0 });
  });

  test(`over ${way} watching ends when its reader has seen enough`, async () => {
    const { client } = await aClient(way, { roles: ["orchestrator"] });
    const { id } = await client.submit(ORDER);
    const enough = new AbortController();
    let rows = 0;
    for await (const row of client.watch(id, { signal: enough.signal })) {
      rows += row.id === id ? 1 : 0;
      enough.abort();
    }
    expect(rows).toBeGreaterThan(0);
  });
}

test("a source that the type cannot be written from does not compile", async () => {
  const { client } = await aClient("Redis", { roles: ["orchestrator"] });
  const order = { type: "topic", account: "acme", key: "order-1" };
  // @ts-expect-error -- a topic is text
  const refused = client.submit<typeof aTopicType>({ ...order, source: { topic: 5 } });
  await expect(refused).rejects.toMatchObject({ code: "invalid_source" });
});

test("an order that no orchestrator takes is not lost, and its sender is told so in time", async () => {
  const { fleet } = await aClient("Redis", { roles: [] });
  const client = clientOverRedis({ url: testRedisUrl(), fleet: fleet.store.fleet, answerWithinMs: 50 });
  closing.push(() => client.close());
  await expect(client.submit(ORDER)).rejects.toMatchObject({ code: "timed_out" });
  expect(await fleet.store.redis.xlen(fleet.store.keys.intake)).toBe(1);
});

test("the example in the documentation orders, follows and reads a report", async () => {
  const { fleet } = await aClient("Redis", { types: [topicReport] });
  const root = join(import.meta.dirname, "../..");
  const [, example = ""] =
    /^```ts\n([\s\S]*?)^```$/m.exec(readFileSync(join(root, "docs/client.md"), "utf8")) ?? [];
  const dir = mkdtempSync(join(tmpdir(), "report-fleet-client-"));
  closing.push(() => Promise.resolve(rmSync(dir, { recursive: true })));
  const file = join(dir, "example.ts");
  writeFileSync(file, example.replace("report-fleet/client", join(root, "src/client.ts")));
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, REDIS_URL: testRedisUrl(), FLEET: fleet.store.fleet },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await new Promise((resolve) => child.once("close", resolve));
  expect(said).toMatch(/^completed 100 % Ready\. 10 credits were charged\.$/m);
  expect(said).toMatch(/^Night trains across Europe: \d+ characters$/m);
});
