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
import { afterRetention, gatherKeys, type KeptKey, type KeyEvidence } from "./keys.ts";
import type { Plan } from "./plan.ts";
import {
  readWitness,
  type ClientRow,
  type FaultRow,
  type MemoryRow,
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

export interface Evidence {
  plan: Plan;
  provider: ProviderRow[];
  client: ClientRow[];
  webhooks: WebhookRow[];
  faults: FaultRow[];
  processes: ProcessRow[];
  samples: Sample[];
  memory: MemoryRow[];
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
  sets: Record<"outbox" | "wakeups" | "openHolds" | "processes" | "reviewDeadlines", string[]>;
  /** What is still to be told outside, as it will be sent. */
  messagesDue: string[];
  /** BullMQ's active jobs: with the fleet stopped there is nobody who works on them. */
  activeJobs: string[];
  /** What is left once retention has passed over it all. */
  kept: KeptKey[];
}

export async function gather(world: World): Promise<Evidence> {
  const { store, settings, secrets, witness } = world;
  return {
    plan: settings.plan,
    provider: readWitness(witness.provider),
    client: readWitness(witness.client),
    webhooks: readWitness(witness.receiver),
    faults: readWitness(witness.faults),
    processes: readWitness(witness.processes),
    samples: readWitness(witness.samples),
    memory: readWitness(witness.memory),
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
    messagesDue: await gatherMessagesDue(store),
    // Last, since it takes away what the others read.
    kept: await afterRetention(store),
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
    processes: await redis.smembers(keys.processes),
  };
}

async function gatherMessagesDue({ redis, keys }: Store): Promise<string[]> {
  const bodies: string[] = [];
  // Not only what is due: the rows of a ledger wait behind each other.
  for (const endpoint of await redis.smembers(keys.webhooks))
    for (const id of await redis.zrange(keys.webhookPending(endpoint), "0", "-1"))
      bodies.push((await redis.hget(keys.webhookDelivery(id), "body")) ?? "");
  return bodies;
}
