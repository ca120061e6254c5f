/**
 * What a team would write on BullMQ itself: a flow a report, with attempts and backoff, and the results as the jobs' return
 * values. Settings are BullMQ's defaults but for the concurrency.
 */
import { UnrecoverableError, Worker } from "bullmq";
import { Redis } from "ioredis";
import { assemble, openProvider, writeSection } from "./write-section.ts";

const { REDIS_URL = "", PROVIDER_URL = "", CONCURRENCY = "50" } = process.env;
const ask = openProvider(PROVIDER_URL);

const connect = () => new Redis(REDIS_URL, { maxRetriesPerRequest: null });
const store = connect();

const sections = new Worker<{ topic: string; section: string }>(
  "sections",
  ({ data }) => writeSection(ask, data.topic, data.section, (attempt) => attempt()),
  { connection: connect(), concurrency: Number(CONCURRENCY) },
);

const reports = new Worker<{ topic: string; sections: string[] }>(
  "reports",
  async (job) => {
    const written = Object.values(await job.getChildrenValues<string>());
    if (written.length < job.data.sections.length) throw new UnrecoverableError("Sections are missing.");
    await store.set(
      `report:${job.data.topic}`,
      assemble(job.data.topic, Object.fromEntries(written.entries())),
    );
  },
  { connection: connect(), concurrency: 5 },
);

for (const worker of [sections, reports]) worker.on("error", (error) => console.error(error.message));
await Promise.all([sections.waitUntilReady(), reports.waitUntilReady()]);
console.log("ready");
