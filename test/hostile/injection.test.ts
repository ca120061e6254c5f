/** What a customer's data or a model's answer says is never more than text: it decides nothing, and is nobody's log line. */
import { z } from "zod";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportId } from "../../src/domain/ids.ts";
import { defineReport, json, text } from "../../src/report-types/define-report.ts";
import { renderHtml } from "../../src/report-types/render.ts";
import { reconcile } from "../../src/store/reconcile.ts";
import { startTestFleet, type TestFleet } from "../../src/testing.ts";
import { testRedisUrl, uniqueFleet } from "../support/redis.ts";
import { startScriptedProvider, type ScriptedProvider } from "../support/scripted-provider.ts";
import { aPlannedType, aTopicType } from "../support/report-types/index.ts";
import { CANARY, INJECTIONS } from "./injections.ts";

/** Keys are what the fleet names things by; this is the one name in every JavaScript object that is also a section's. */
const aTypeOfStrangeNames = defineReport<{ topic: string }>({
  type: "strange",
  version: 1,
  title: "Strange",
  source: z.object({ topic: z.string() }),
  credits: 5,
  budget: { usd: 1 },
  sections: [
    {
      key: "constructor",
      title: "Constructor",
      promptVersion: "1",
      output: json("anything", z.object({ a: z.number() })),
      prompt: ({ source }) => [{ role: "user", content: `[[strange/constructor]] ${source.topic}` }],
    },
    {
      key: "last",
      title: "Last",
      promptVersion: "1",
      after: ["constructor"],
      output: text({ minChars: 10 }),
      prompt: ({ sections }) => [{ role: "user", content: `[[strange/last]] ${JSON.stringify(sections)}` }],
    },
  ],
  assemble: ({ sections }) => ({
    title: "",
    markdown: sections.map(({ output }) => JSON.stringify(output)).join("\n\n"),
  }),
  sample: { topic: "names" },
});

const POLLUTED = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":1,"a":1}';

let provider: ScriptedProvider;
let fleet: TestFleet;
beforeAll(async () => {
  provider = await startScriptedProvider((prompt) => {
    if (prompt.includes("[[strange/constructor]]")) return POLLUTED;
    if (prompt.includes("[[planned/plan/plan]]"))
      return JSON.stringify({ chapters: ["__proto__", "constructor", "../x"] });
    // As a model that does what it is told.
    return `It was told: ${prompt}`;
  });
  fleet = await startTestFleet({
    redisUrl: testRedisUrl(),
    fleet: uniqueFleet("injection"),
    types: [aTopicType, aPlannedType, aTypeOfStrangeNames],
    provider,
  });
  await fleet.grant("acme", 1_000);
});
afterAll(async () => {
  await fleet.stop();
  await provider.close();
});

test("seventy texts that want to be obeyed are written about, charged as ordered, and obeyed by nobody", async () => {
  expect(INJECTIONS.length).toBeGreaterThanOrEqual(70);
  const ids: ReportId[] = [];
  for (const topic of INJECTIONS)
    ids.push(await fleet.submit({ account: "acme", type: "topic", source: { topic }, tags: { topic: "x" } }));
  for (const id of ids) {
    const artefact = await fleet.delivered(id);
    expect(artefact.sections.map(({ key }) => key)).toEqual(["first", "second"]);
    expect((await fleet.read(id)).report).toMatchObject({ charged: 5, run: 1, priority: "normal" });
    expect((await fleet.events(id)).filter(({ event }) => event === "call.begun")).toHaveLength(2);
    const html = renderHtml({ ...artefact, report: { id, type: "topic" }, date: "", provenance: [] });
    expect(html).not.toMatch(/<(?:script|img|iframe|system)\b|href="javascript:/i);
  }
  expect(await fleet.balance("acme")).toMatchObject({ available: 1_000 - 5 * ids.length, held: 0 });
  expect((await reconcile(fleet.store)).problems).toEqual([]);
});

test("nothing of them is in a job, an event, a count, a name or anywhere else but where texts are kept", async () => {
  const texts = /:(?:source:|report:rp-\w+:(?:calls|artefact|section:))/;
  const found: string[] = [];
  for await (const batch of fleet.store.redis.scanStream({ match: `{${fleet.store.fleet}}*`, count: 500 }))
    for (const key of batch as string[])
      if (key.includes(CANARY) || (!texts.test(key) && (await contentOf(key)).includes(CANARY)))
        found.push(key);
  expect(found).toEqual([]);
});

test("names that every object has are names like others, and what pollutes ends where it was written", async () => {
  const strange = await fleet.submit({ account: "acme", type: "strange", source: { topic: POLLUTED } });
  const planned = await fleet.submit({ account: "acme", type: "planned", source: { topic: "__proto__" } });
  expect((await fleet.delivered(strange)).sections.map(({ key }) => key)).toEqual(["constructor", "last"]);
  expect((await fleet.delivered(planned)).sections.map(({ title }) => title)).toContain("__proto__");
  for (const name of ["polluted", "a"]) expect(Reflect.get({}, name)).toBeUndefined();
  expect(typeof {}.toString).toBe("function");
});

/** Whatever a key holds, as one text. */
async function contentOf(key: string): Promise<string> {
  const { redis } = fleet.store;
  switch (await redis.type(key)) {
    case "string":
      return (await redis.get(key)) ?? "";
    case "hash":
      return JSON.stringify(await redis.hgetall(key));
    case "list":
      return JSON.stringify(await redis.lrange(key, 0, -1));
    case "set":
      return JSON.stringify(await redis.smembers(key));
    case "zset":
      return JSON.stringify(await redis.zrange(key, 0, "-1"));
    case "stream":
      return JSON.stringify(await redis.xrange(key, "-", "+"));
    default:
      return "";
  }
}
