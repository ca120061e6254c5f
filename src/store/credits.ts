/**
 * The ledger: balances per account, and one append-only row for every change to them.
 *
 * A balance is only ever changed together with the row that tells it, in one script, so folding the rows gives the
 * balance. Rows live in a stream whose ids are the account's own count (`1-0`, `2-0`, …).
 */
import type { Balance, Hold, HoldStatus, LedgerEntry, LedgerVerb } from "../domain/credits.ts";
import type { ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { run, startingScript } from "./script.ts";

/** Appends a row and moves the balance. `from` may be '' (deposits come from nowhere inside the fleet). */
export const LEDGER_LUA = `
local function move_credits(account_key, ledger_key, verb, credits, from, to, reference, report, at)
  local id = redis.call('HINCRBY', account_key, 'entries', 1)
  if from ~= '' then redis.call('HINCRBY', account_key, from, minus(credits)) else redis.call('HINCRBY', account_key, 'deposits', plus(credits)) end
  redis.call('HINCRBY', account_key, to, plus(credits))
  redis.call('XADD', ledger_key, id .. '-0', 'verb', verb, 'credits', plus(credits), 'reference', reference, 'report', report, 'at', at)
  return id
end
`;

const GRANT = startingScript(`${LEDGER_LUA}
-- KEYS account ledger grants accounts   ARGV account credits reference
local known = redis.call('HGET', KEYS[3], ARGV[3])
if known then
  local credits = string.match(known, ':(%d+)$')
  if credits ~= ARGV[2] then return {'conflict', credits} end
  return {'repeated', known}
end
local id = move_credits(KEYS[1], KEYS[2], 'grant', tonumber(ARGV[2]), '', 'available', ARGV[3], '', now_ms())
redis.call('HSET', KEYS[3], ARGV[3], id .. ':' .. ARGV[2])
redis.call('SADD', KEYS[4], ARGV[1])
return {'granted', id}
`);

export type GrantOutcome =
  | { outcome: "granted" }
  | { outcome: "repeated" }
  | { outcome: "conflict"; grantedBefore: number };

/** Adds a deposit. The reference is the caller's idempotency key: the same one twice is one deposit. */
export async function grantCredits(
  store: Store,
  grant: { account: string; credits: number; reference: string },
): Promise<GrantOutcome> {
  const { redis, keys } = store;
  const [word, detail] = await run<[string, string]>(
    redis,
    GRANT,
    [keys.account(grant.account), keys.ledger(grant.account), keys.grants(grant.account), keys.accounts],
    [grant.account, grant.credits, grant.reference],
  );
  if (word === "conflict") return { outcome: "conflict", grantedBefore: Number(detail) };
  return { outcome: word === "granted" ? "granted" : "repeated" };
}

export async function readBalance(store: Store, account: string): Promise<Balance> {
  const fields = await store.redis.hgetall(store.keys.account(account));
  return {
    account,
    available: Number(fields["available"] ?? 0),
    held: Number(fields["held"] ?? 0),
    committed: Number(fields["committed"] ?? 0),
    deposits: Number(fields["deposits"] ?? 0),
  };
}

/** Every account that was ever granted credits, in alphabetical order. */
export async function listAccounts(store: Store): Promise<string[]> {
  return (await store.redis.smembers(store.keys.accounts)).sort();
}

/** The newest rows first, `limit` of them. */
export async function readLedger(store: Store, account: string, limit = 100): Promise<LedgerEntry[]> {
  const rows = await store.redis.xrevrange(store.keys.ledger(account), "+", "-", "COUNT", limit);
  return rows.map(([id, flat]) => {
    const fields = fieldsOf(flat);
    return {
      id: Number.parseInt(id, 10),
      verb: fields["verb"] as LedgerVerb,
      credits: Number(fields["credits"]),
      reference: fields["reference"] ?? "",
      report: fields["report"] ? (fields["report"] as ReportId) : null,
      at: Number(fields["at"]),
    };
  });
}

export async function readHold(store: Store, holdId: string): Promise<Hold | null> {
  const fields = await store.redis.hgetall(store.keys.hold(holdId));
  if (fields["status"] === undefined) return null;
  return {
    id: holdId,
    report: fields["report"] as ReportId,
    account: fields["account"] ?? "",
    credits: Number(fields["credits"]),
    status: fields["status"] as HoldStatus,
    at: Number(fields["at"]),
  };
}

export function holdIdOf(report: ReportId, count = 1): string {
  return `${report}.h${count}`;
}

/** Redis hands stream entries over as a flat list of names and values. */
export function fieldsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] as string] = flat[i + 1] as string;
  return fields;
}
