/**
 * The end of a report: the artefact is saved, then one script delivers it and commits the credits. A customer who was
 * charged has a document whose hash is on the record, and a customer who has none was not charged.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Report } from "../domain/report.ts";
import { holdIdOf, LEDGER_LUA } from "./credits.ts";
import { pack, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const DELIVER = savingScript(`${LEDGER_LUA}
-- KEYS report artefact account ledger hold wakeups events fleet_events   ARGV id run artefact_hash status_event credits_event
local r = redis.call('HMGET', KEYS[1], 'status', 'run', 'credits', 'holdId', 'spend.pending', 'spend.pending_repaired', 'spend.in_flight')
if r[1] == 'completed' then return 'delivered' end
if r[2] ~= ARGV[2] or (r[1] ~= 'running' and r[1] ~= 'waiting_for_retry') then return 'superseded' end
if redis.call('HGET', KEYS[2], 'hash') ~= ARGV[3] then return 'no_artefact' end
local hold = redis.call('HMGET', KEYS[5], 'status', 'credits')
if hold[1] ~= 'reserved' then return 'no_hold' end

local now = now_ms()
local pending, repaired = tonumber(r[5] or '0'), tonumber(r[6] or '0')
redis.call('HINCRBY', KEYS[1], 'spend.useful', plus(pending - repaired))
redis.call('HINCRBY', KEYS[1], 'spend.repaired', plus(repaired))
redis.call('HINCRBY', KEYS[1], 'spend.pending', minus(pending))
redis.call('HDEL', KEYS[1], 'spend.pending_repaired')
redis.call('HSET', KEYS[1], 'status', 'completed', 'delivery', 'full', 'artefactHash', ARGV[3], 'deliveredAt', now, 'updatedAt', now, 'hold', 'committed')
redis.call('HSET', KEYS[5], 'status', 'committed', 'at', now)
move_credits(KEYS[3], KEYS[4], 'commit', tonumber(hold[2]), 'held', 'committed', r[4], ARGV[1], now)
redis.call('ZREM', KEYS[6], ARGV[1])
emit(KEYS[7], KEYS[8], ARGV[5])
emit(KEYS[7], KEYS[8], ARGV[4])
return 'delivered'
`);

/** What is kept of a delivered report: the document and what a buyer may ask about it. */
export interface Artefact {
  v: 1;
  report: ReportId;
  type: string;
  title: string;
  markdown: string;
  sections: readonly { key: string; title: string; output: unknown; unreviewed: string | null }[];
  receipt: Receipt;
}

export interface Receipt {
  credits: number;
  typeVersion: number;
  sourceHash: string;
  spentMicros: number;
}

/** Saves the artefact under its hash; the same artefact twice is the same. Returns the hash. */
export async function saveArtefact(store: Store, artefact: Artefact, hash: string): Promise<void> {
  await store.redis.hset(store.keys.artefact(artefact.report), {
    hash,
    document: pack(JSON.stringify(artefact)),
  });
}

export type Delivered = "delivered" | "superseded" | "no_artefact" | "no_hold";

export async function deliver(store: Store, report: Report, artefactHash: string): Promise<Delivered> {
  const { redis, keys } = store;
  const { id, account, type, credits } = report;
  const status: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "completed",
    because: "it is delivered",
  };
  const committed: FleetEvent = { event: "credits", report: id, verb: "commit", credits };
  return run(
    redis,
    DELIVER,
    [
      keys.report(id),
      keys.artefact(id),
      keys.account(account),
      keys.ledger(account),
      keys.hold(holdIdOf(id)),
      keys.wakeups,
      keys.events(id),
      keys.fleetEvents,
    ],
    [id, report.run, artefactHash, JSON.stringify(status), JSON.stringify(committed)],
  );
}

export type ArtefactRead = { ok: true; artefact: Artefact; hash: string } | { ok: false; because: string };

export async function readArtefact(store: Store, id: ReportId): Promise<ArtefactRead> {
  const [hash, document] = await store.redis.hmgetBuffer(store.keys.artefact(id), "hash", "document");
  if (!hash || !document) return { ok: false, because: `${id} has no artefact` };
  const unpacked = unpack(document);
  if (!unpacked.ok) return { ok: false, because: `the artefact of ${id} is damaged: ${unpacked.because}` };
  return { ok: true, artefact: JSON.parse(unpacked.text) as Artefact, hash: hash.toString() };
}
