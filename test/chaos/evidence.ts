/**
 * All that the checker may look at: what the witnesses wrote, and what lies in Redis once the fleet has stopped. Redis is
 * read by plain reads; nothing here judges.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Balance, Hold, LedgerEntry } from "../../src/domain/credits.ts";
import type { ReportId } from "../../src/domain/ids.ts";
import type { Section } from "../../src/domain/report.ts";
import { listBreakers, readBreakerHistory, type BreakerTurn } from "../../src/store/read-breakers.ts";
import { readAudit, type AuditRow } from "../../src/store/audit.ts";
import { listAccounts, readBalance, readHold, readLedgerAfter, holdIdOf } from "../../src/store/credits.ts";
import { readArtefact, type ArtefactRead } from "../../src/store/deliver.ts";
import { readReceipt, type SpendReceipt } from "../../src/store/receipt.ts";
import type { Store } from "../../src/store/redis.ts";
import { readEvents, type TimedEvent } from "../../src/store/read-events.ts";
import { listReports, readSections, type StoredReport } from "../../src/store/reports.ts";
import { readOutput, type OutputRead } from "../../src/store/read-sections.ts";
import type { Plan } from "./plan.ts";
import {
  accountsIn,
  readWitness,
  type ClientRow,
  type FaultRow,
  type ProcessRow,
  type ProviderRow,
  type Sample,
  type WebhookRow,
} from "./witnesses.ts";
import type { World } from "./world.ts";

export interface ReportEvidence {
  stored: StoredReport;
  /** The order it was made for; null where it carries no tag of ours. */
  order: number | null;
  sections: Section[];
  /** Of the process that wrote it; 0 where nobody has claimed it. */
  versions: Record<string, number>;
  outputs: Record<string, OutputRead>;
  events: TimedEvent[];
  receipt: SpendReceipt;
  artefact: ArtefactRead;
  holds: Hold[];
}

export interface AccountEvidence {
  balance: Balance;
  /** Oldest first. */
  rows: LedgerEntry[];
}

/** A key of Redis, and which texts lie in it as they are. */
interface KeyEvidence {
  key: string;
  accounts: string[];
  secrets: string[];
}

export interface Evidence {
  plan: Plan;
  healedAt: number;
  provider: ProviderRow[];
  client: ClientRow[];
  webhooks: WebhookRow[];
  faults: FaultRow[];
  processes: ProcessRow[];
  samples: Sample[];
  /** What each process wrote to its streams. */
  logs: { process: string; text: string }[];
  secrets: string[];
  reports: Map<string, ReportEvidence>;
  accounts: Map<string, AccountEvidence>;
  breakers: Record<string, BreakerTurn[]>;
  /** Who decided what, oldest first. */
  audit: AuditRow[];
  keys: KeyEvidence[];
  /** Members of the sets that say what is still to be done. */
  sets: Record<"outbox" | "wakeups" | "openHolds" | "processes" | "webhookDue" | "reviewDeadlines", string[]>;
  /** BullMQ's active jobs: with the fleet stopped there is nobody who works on them. */
  activeJobs: string[];
}

export async function gather(world: World, healedAt: number): Promise<Evidence> {
  const { store, settings, secrets, witness } = world;
  return {
    plan: settings.plan,
    healedAt,
    provider: readWitness(witness.provider),
    client: readWitness(witness.client),
    webhooks: readWitness(witness.receiver),
    faults: readWitness(witness.faults),
    processes: readWitness(witness.processes),
    samples: readWitness(witness.samples),
    logs: readdirSync(settings.dir)
      .filter((name) => name.endsWith(".log"))
      .map((name) => ({ process: name.slice(0, -4), text: readFileSync(join(settings.dir, name), "utf8") })),
    secrets,
    reports: await gatherReports(store),
    accounts: await gatherAccounts(store),
    breakers: await gatherBreakers(store),
    audit: (await readAudit(store, 1_000_000)).toReversed(),
    ...(await gatherKeys(store, secrets)),
    sets: await gatherSets(store),
  };
}

async function gatherReports(store: Store): Promise<Map<string, ReportEvidence>> {
  const reports = new Map<string, ReportEvidence>();
  for (const stored of await listReports(store, { limit: 1_000_000 })) {
    const { id, tags, holdId } = stored.report;
    const sections = await readSections(store, id, stored.plan ?? []);
    const outputs: Record<string, OutputRead> = {};
    const versions: Record<string, number> = {};
    for (const { key } of sections) {
      outputs[key] = await readOutput(store, id, key);
      versions[key] = Number((await store.redis.hget(store.keys.section(id, key), "version")) ?? 0);
    }
    reports.set(id, {
      stored,
      order: tags["order"] === undefined ? null : Number(tags["order"]),
      sections,
      versions,
      outputs,
      events: await allEvents(store, id),
      receipt: await readReceipt(store, id),
      artefact: await readArtefact(store, id),
      holds: await allHolds(store, id, holdId),
    });
  }
  return reports;
}

async function allEvents(store: Store, id: ReportId): Promise<TimedEvent[]> {
  const all: TimedEvent[] = [];
  for (let after = "0"; ;) {
    const page = await readEvents(store, id, after);
    const last = page.at(-1);
    if (last === undefined) return all;
    all.push(...page);
    after = last.id;
  }
}

/** From the first to the newest: a report that was delivered in part has several. */
async function allHolds(store: Store, id: ReportId, newest: string): Promise<Hold[]> {
  const holds: Hold[] = [];
  for (let count = 1; ; count++) {
    const hold = await readHold(store, holdIdOf(id, count));
    if (hold !== null) holds.push(hold);
    if (hold === null || hold.id === newest) return holds;
  }
}

async function gatherAccounts(store: Store): Promise<Map<string, AccountEvidence>> {
  const accounts = new Map<string, AccountEvidence>();
  for (const account of await listAccounts(store)) {
    const rows: LedgerEntry[] = [];
    for (let after = 0; ; after = rows.at(-1)?.id ?? 0) {
      const page = await readLedgerAfter(store, account, after);
      if (page.length === 0) break;
      rows.push(...page);
    }
    accounts.set(account, { balance: await readBalance(store, account), rows });
  }
  return accounts;
}

async function gatherBreakers(store: Store): Promise<Record<string, BreakerTurn[]>> {
  const breakers: Record<string, BreakerTurn[]> = {};
  for (const type of await listBreakers(store))
    breakers[type] = (await readBreakerHistory(store, type, 10_000)).toReversed();
  return breakers;
}

async function gatherSets({ redis, keys }: Store): Promise<Evidence["sets"]> {
  const sorted = (key: string) => redis.zrange(key, "0", "-1");
  return {
    outbox: await sorted(keys.outbox),
    wakeups: await sorted(keys.wakeups),
    openHolds: await sorted(keys.openHolds),
    reviewDeadlines: await sorted(keys.reviewDeadlines),
    webhookDue: await sorted(keys.webhookDue),
    processes: await redis.smembers(keys.processes),
  };
}

/** Every key, looked into by its type. Packed texts are not unpacked: whoever reads Redis sees what this sees. */
async function gatherKeys(
  store: Store,
  secrets: readonly string[],
): Promise<Pick<Evidence, "keys" | "activeJobs">> {
  const found: KeyEvidence[] = [];
  const activeJobs: string[] = [];
  const names = new Set<string>();
  for await (const page of store.redis.scanStream({ count: 1_000 }))
    for (const key of page as string[]) names.add(key);
  for (const key of names) {
    const text = await textOf(store, key);
    found.push({
      key,
      accounts: [...accountsIn(text)],
      secrets: secrets.filter((secret) => text.includes(secret)),
    });
    if (key.endsWith(":active") && key.startsWith(store.keys.queuePrefix))
      activeJobs.push(...(await store.redis.lrange(key, 0, -1)).map((job) => `${key} ${job}`));
  }
  return { keys: found, activeJobs };
}

async function textOf({ redis }: Store, key: string): Promise<string> {
  switch (await redis.type(key)) {
    case "string":
      return (await redis.getBuffer(key))?.toString("latin1") ?? "";
    case "hash":
      return Object.entries(await redis.hgetallBuffer(key))
        .map(([field, value]) => `${field} ${value.toString("latin1")}`)
        .join("\n");
    case "list":
      return (await redis.lrange(key, 0, -1)).join("\n");
    case "set":
      return (await redis.smembers(key)).join("\n");
    case "zset":
      return (await redis.zrange(key, "0", "-1")).join("\n");
    case "stream":
      return JSON.stringify(await redis.xrange(key, "-", "+"));
    default:
      return "";
  }
}
