/** The three systems side by side: how each is ordered from, run, and seen to be done. */
import { FlowProducer } from "bullmq";
import { loadConfig } from "../src/config.ts";
import { NO_ACCOUNT_LIMITS } from "../src/domain/fairness.ts";
import { SIMULATED_MODELS } from "../src/llm/prices.ts";
import { submitReport } from "../src/producer/submit-report.ts";
import { registryOf } from "../src/report-types/registry.ts";
import { grantCredits } from "../src/store/credits.ts";
import { Queues } from "../src/store/queues.ts";
import { openStore, type Store } from "../src/store/redis.ts";
import type { ReportId } from "../src/domain/ids.ts";
import { startProgram, type Lab, type Program } from "./lab.ts";
import { benchType, CREDITS, fussyType, SECTIONS, shortType } from "./workload.ts";

export const SYSTEMS = ["report_fleet", "plain_bullmq", "blind_retries"] as const;
export type SystemName = (typeof SYSTEMS)[number];

export interface System {
  name: SystemName;
  order(topics: readonly string[]): Promise<void>;
  /** How many reports were written, ever. */
  written(): Promise<number>;
  /** One process that does all of the system's work. */
  start(settings?: { concurrency?: number; env?: Record<string, string> }): Promise<Program>;
}

export interface FleetSystem extends System {
  name: "report_fleet";
  store: Store;
  /** What was ordered, and under which topic. */
  topics: ReadonlyMap<ReportId, string>;
  submit(topic: string, account?: string, type?: string): Promise<ReportId>;
  startRoles(
    roles: string,
    settings?: { concurrency?: number; env?: Record<string, string> },
  ): Promise<Program>;
}

const CONCURRENCY = 50;
/** Of the producer; more would only wait for Redis. */
const ORDERS_AT_ONCE = 20;
const CREDITS_GRANTED = 1_000_000;

let fleets = 0;

export async function reportFleet(lab: Lab): Promise<FleetSystem> {
  fleets += 1;
  const fleet = `bench-${fleets}`;
  const store = openStore(lab.redis, fleet);
  const counter = {
    store,
    queues: new Queues(store),
    types: registryOf([benchType, shortType, fussyType(false)]),
    durations: loadConfig({}).durations,
    accountLimits: NO_ACCOUNT_LIMITS,
  };
  const granted = new Set<string>();
  const ordered = new Map<ReportId, string>();
  async function submit(topic: string, account = "bench", type = "bench"): Promise<ReportId> {
    if (!granted.has(account)) {
      granted.add(account);
      const credits = CREDITS * CREDITS_GRANTED;
      await grantCredits(store, { account, credits, reference: `bench-${account}` });
    }
    const { id } = await submitReport(counter, { account, type, source: { topic } });
    ordered.set(id, topic);
    return id;
  }
  function startRoles(roles: string, settings: { concurrency?: number; env?: Record<string, string> } = {}) {
    return startProgram(
      "../bin/report-fleet.js",
      ["start", "--roles", roles, "--concurrency", String(settings.concurrency ?? CONCURRENCY)],
      {
        REDIS_URL: lab.redisUrl,
        FLEET: fleet,
        REPORT_TYPES: new URL("workload.ts", import.meta.url).pathname,
        OPENAI_BASE_URL: lab.provider.url,
        OPENAI_API_KEY: "simulated",
        OPENAI_MODEL: SIMULATED_MODELS[0] ?? "simulated-writer",
        LOG_LEVEL: "error",
        ...settings.env,
      },
    );
  }
  return {
    name: "report_fleet",
    store,
    topics: ordered,
    submit,
    startRoles,
    order: (topics) => atOnce(topics, async (topic) => void (await submit(topic))),
    written: () => lab.redis.zcard(store.keys.ended),
    start: (settings) => startRoles("orchestrator,worker", settings),
  };
}

export function plainBullmq(lab: Lab): System {
  const flow = new FlowProducer({ connection: lab.redis });
  return {
    name: "plain_bullmq",
    order: (topics) =>
      atOnce(topics, async (topic) => {
        await flow.add({
          name: "report",
          queueName: "reports",
          data: { topic, sections: SECTIONS },
          opts: { attempts: 3, backoff: { type: "exponential", delay: 1_000 } },
          children: SECTIONS.map((section) => ({
            name: section,
            queueName: "sections",
            data: { topic, section },
            opts: {
              attempts: 3,
              backoff: { type: "exponential", delay: 1_000 },
              failParentOnFailure: true,
            },
          })),
        });
      }),
    written: () => lab.redis.zcard("bull:reports:completed"),
    start: (settings) => startPeer(lab, "peers/plain-bullmq.ts", settings),
  };
}

export function blindRetries(lab: Lab): System {
  return {
    name: "blind_retries",
    order: async (topics) => void (await lab.redis.rpush("orders", ...topics)),
    written: () => lab.redis.hlen("written"),
    start: (settings) => startPeer(lab, "peers/blind-retries.ts", settings),
  };
}

export async function openSystem(lab: Lab, name: SystemName): Promise<System> {
  switch (name) {
    case "report_fleet":
      return reportFleet(lab);
    case "plain_bullmq":
      return plainBullmq(lab);
    case "blind_retries":
      return blindRetries(lab);
  }
}

function startPeer(
  lab: Lab,
  file: string,
  settings: { concurrency?: number; env?: Record<string, string> } = {},
): Promise<Program> {
  return startProgram(file, [], {
    REDIS_URL: lab.redisUrl,
    PROVIDER_URL: lab.provider.url,
    CONCURRENCY: String(settings.concurrency ?? CONCURRENCY),
    ...settings.env,
  });
}

export async function atOnce(
  topics: readonly string[],
  order: (topic: string) => Promise<void>,
): Promise<void> {
  const left = topics.values();
  const desks = Array.from({ length: ORDERS_AT_ONCE }, async () => {
    for (const topic of left) await order(topic);
  });
  await Promise.all(desks);
}
