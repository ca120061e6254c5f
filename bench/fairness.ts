/**
 * How long a report takes to begin on an idle fleet, and with thousands of another account's waiting: one process with
 * both roles, the simulated provider, and the Redis that REDIS_URL names.
 *
 *     REDIS_URL=redis://127.0.0.1:6379 node bench/fairness.ts [reports]
 */
import { z } from "zod";
import type { ReportId } from "../src/domain/ids.ts";
import { defineReport, text } from "../src/report-types/define-report.ts";
import { countPlaces } from "../src/store/places.ts";
import { readEvents } from "../src/store/reports.ts";
import { startTestFleet, waitFor } from "../src/testing.ts";

const REPORTS = Number(process.argv[2] ?? 10_000);
const SAMPLES = 20;
const ORDERS_AT_ONCE = 50;

const Topic = z.object({ topic: z.string() });
const type = defineReport<z.infer<typeof Topic>>({
  type: "bench",
  version: 1,
  title: "Bench",
  source: Topic,
  credits: 1,
  budget: { usd: 1 },
  sections: ["first", "second"].map((key) => ({
    key,
    title: key,
    promptVersion: "1",
    output: text(),
    prompt: ({ source }) => [{ role: "user", content: `Write the ${key} part about ${source.topic}.` }],
  })),
  assemble: ({ source }) => ({ title: source.topic, markdown: "" }),
});

const redisUrl = process.env["REDIS_URL"];
if (redisUrl === undefined) throw new Error("Set REDIS_URL to a Redis that may be filled.");
const fleet = await startTestFleet({
  redisUrl,
  fleet: `bench-${Date.now().toString(36)}`,
  types: [type],
  concurrency: 16,
  latency: { firstByteMs: [300, 350], perTokenMs: 0 },
});

async function startMs(id: ReportId): Promise<number> {
  return waitFor(
    async () => {
      const events = await readEvents(fleet.store, id, "0");
      const begun = events.find(
        ({ event }) => event.event === "section.status" && event.status === "running",
      );
      return begun === undefined ? null : begun.at - (events[0]?.at ?? 0) || 1;
    },
    () => `${id} has not begun`,
  );
}

async function sample(label: string): Promise<void> {
  const times: number[] = [];
  for (let nth = 0; nth < SAMPLES; nth++) {
    const account = `${label}-${nth}`;
    await fleet.grant(account, 1);
    times.push(await startMs(await fleet.submit({ account, type: "bench", source: { topic: account } })));
  }
  const sorted = times.toSorted((a, b) => a - b);
  console.log(`${label}: median ${sorted[SAMPLES / 2]} ms, slowest ${sorted.at(-1)} ms to begin`);
}

try {
  await sample("idle");
  await fleet.grant("flood", REPORTS);
  for (let start = 0; start < REPORTS; start += ORDERS_AT_ONCE)
    await Promise.all(
      Array.from({ length: ORDERS_AT_ONCE }, (_, n) =>
        fleet.submit({ account: "flood", type: "bench", source: { topic: `${start + n}` } }),
      ),
    );
  const { waiting, running } = await countPlaces(fleet.store, "flood");
  console.log(`${waiting + running} reports of one account outstanding`);
  await sample("while-it-is-taken-in");
  await waitFor(
    async () => (await countPlaces(fleet.store, "flood")).waiting === 0,
    () => "some reports have not begun",
    600_000,
  );
  console.log(`${(await countPlaces(fleet.store, "flood")).running} of them being written`);
  await sample("beside-it");
} finally {
  await fleet.stop();
}
