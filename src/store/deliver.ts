/**
 * The end of a report: the artefact is saved, then one script delivers it and commits the credits. A customer who was
 * charged has a document whose hash is on the record, and a customer who has none was not charged.
 *
 * A partial delivery ends the hold all the same: what the delivered sections are worth is committed, the rest goes back.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Delivery, Edited, Report } from "../domain/report.ts";
import { BOOKS_LUA } from "./books.ts";
import { caseNames, CLOSE_CASES_LUA } from "./cases.ts";
import { LEDGER_LUA } from "./credits.ts";
import { pack, unpack } from "./packed.ts";
import { PLACES_LUA } from "./places.ts";
import type { Store } from "./redis.ts";
import { requireKnownForm } from "./version.ts";
import { run, savingScript } from "./script.ts";

const DELIVER = savingScript(`${LEDGER_LUA}${BOOKS_LUA}${CLOSE_CASES_LUA}${PLACES_LUA}
-- KEYS report artefact account ledger hold wakeups open_holds events fleet_events ended
-- ARGV id run hold_id artefact_hash delivery worth(credits in all; '' = everything) by why status_event case_names, then for each section its key and the hash of its output
local r = redis.call('HMGET', KEYS[1], 'status', 'run', 'holdId', 'committed', 'delivery')
local open = r[1] == 'running' or r[1] == 'waiting_for_retry' or (r[1] == 'needs_review' and ARGV[5] == 'partial')
if r[1] == 'completed' then return 'delivered' end
if r[2] ~= ARGV[2] or r[3] ~= ARGV[3] or not open then return 'superseded' end
if redis.call('HEXISTS', KEYS[2], 'document:' .. ARGV[4]) == 0 then return 'no_artefact' end
local hold = redis.call('HMGET', KEYS[5], 'status', 'credits')
if hold[1] ~= 'reserved' then return 'no_hold' end
local credits, before = tonumber(hold[2]), tonumber(r[4] or '0')
-- What an earlier delivery in part has committed is not charged again.
local commit = ARGV[6] == '' and credits or math.max(0, tonumber(ARGV[6]) - before)
if commit > credits then return 'exceeds_hold' end

-- Read before the first write: what cannot be read must not stop half-way.
local names = cjson.decode(ARGV[10])
local now = now_ms()
local delivered = {}
for i = 11, #ARGV, 2 do
  -- A primary that took over may have forgotten what this document was made of.
  local s = redis.call('HMGET', KEYS[1] .. ':section:' .. ARGV[i], 'status', 'outputHash')
  if s[1] ~= 'completed' or (s[2] or '') ~= ARGV[i + 1] then return 'sections_changed' end
  delivered[ARGV[i]] = true
end
close_books(KEYS[1], delivered)
enter_status(KEYS[1], 'completed')
redis.call('HSET', KEYS[1], 'delivery', ARGV[5], 'artefactHash', ARGV[4], 'deliveredAt', now, 'updatedAt', now, 'hold', 'committed')
redis.call('HDEL', KEYS[1], 'failure')
-- From here on this document is the report; drafts of deliveries that did not happen go.
redis.call('HSET', KEYS[2], 'hash', ARGV[4])
for _, field in ipairs(redis.call('HKEYS', KEYS[2])) do
  if field ~= 'hash' and field ~= 'document:' .. ARGV[4] then redis.call('HDEL', KEYS[2], field) end
end
redis.call('HINCRBY', KEYS[1], 'committed', plus(commit))
end_hold(KEYS[3], KEYS[4], KEYS[5], KEYS[7], KEYS[8], KEYS[9], ARGV[3], ARGV[1], commit, true, now, ARGV[7], ARGV[8])
redis.call('ZREM', KEYS[6], ARGV[1])
leave_lines(KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[10], now, ARGV[1])
emit(KEYS[8], KEYS[9], ARGV[9])
close_cases(names, 'ended', ARGV[7], ARGV[8], '', now)
return 'delivered'
`);

export interface DeliveredSection {
  key: string;
  title: string;
  output: unknown;
  unreviewed: string | null;
  /** Who wrote it instead of the model; absent where nobody did. */
  edited?: Edited;
}

/** What is kept of a delivered report: the document and what a buyer may ask about it. */
export interface Artefact {
  v: 1;
  report: ReportId;
  type: string;
  title: string;
  markdown: string;
  sections: readonly DeliveredSection[];
  receipt: Receipt;
}

export interface Receipt {
  credits: number;
  typeVersion: number;
  sourceHash: string;
  spentMicros: number;
}

/** Saves a document under its hash. It is nobody's report until `deliver` says so, whoever saves it and when. */
export async function saveArtefact(store: Store, artefact: Artefact, hash: string): Promise<void> {
  await store.redis.hset(
    store.keys.artefact(artefact.report),
    `document:${hash}`,
    pack(JSON.stringify(artefact)),
  );
}

/** What is delivered, and what it is worth. */
export type DeliveryTerms = {
  /** The sections in the artefact, and those that planned it: what was paid for others is wasted. */
  sections: readonly { key: string; outputHash: string }[];
} & (
  | { delivery: Extract<Delivery, "full"> }
  /** `commitCredits` counts from the first delivery on: what was committed before is not charged again. */
  | { delivery: Extract<Delivery, "partial">; commitCredits: number; by: string; why: string }
);

export type Delivered =
  | "delivered"
  | "superseded"
  | "no_artefact"
  | "no_hold"
  /** A section is not, or not any more, what the artefact was made of. */
  | "sections_changed"
  /** The delivered part would cost more than is held for it. */
  | "exceeds_hold";

export async function deliver(
  store: Store,
  report: Report,
  artefactHash: string,
  terms: DeliveryTerms,
): Promise<Delivered> {
  const { redis, keys } = store;
  const { id, account, type, holdId } = report;
  const partial = terms.delivery === "partial" ? terms : null;
  if (partial !== null && !(Number.isInteger(partial.commitCredits) && partial.commitCredits >= 0))
    throw new RangeError(
      `A part of ${id} is worth ${partial.commitCredits} credits, which is no whole number.`,
    );
  const status: FleetEvent = {
    event: "report.status",
    report: id,
    type,
    status: "completed",
    because: partial === null ? "it is delivered" : `it is delivered in part: ${partial.why}`,
  };
  return run(
    redis,
    DELIVER,
    [
      keys.report(id),
      keys.artefact(id),
      keys.account(account),
      keys.ledger(account),
      keys.hold(holdId),
      keys.wakeups,
      keys.openHolds,
      keys.events(id),
      keys.fleetEvents,
      keys.ended,
    ],
    [
      id,
      report.run,
      holdId,
      artefactHash,
      terms.delivery,
      partial?.commitCredits ?? "",
      partial?.by ?? "",
      partial?.why ?? "",
      JSON.stringify(status),
      JSON.stringify(caseNames(store, id)),
      ...terms.sections.flatMap(({ key, outputHash }) => [key, outputHash]),
    ],
  );
}

export type ArtefactRead = { ok: true; artefact: Artefact; hash: string } | { ok: false; because: string };

export async function readArtefact(store: Store, id: ReportId): Promise<ArtefactRead> {
  // One read, so that a document and the hash that names it belong together.
  const fields = await store.redis.hgetallBuffer(store.keys.artefact(id));
  const hash = fields["hash"]?.toString();
  const document = fields[`document:${hash}`];
  if (hash === undefined || document === undefined) return { ok: false, because: `${id} has no artefact` };
  const unpacked = unpack(document);
  if (!unpacked.ok) return { ok: false, because: `the artefact of ${id} is damaged: ${unpacked.because}` };
  const artefact = JSON.parse(unpacked.text) as Artefact;
  requireKnownForm(`The document of ${id}`, artefact.v);
  return { ok: true, artefact, hash };
}
