/**
 * The ledger: balances per account, and one append-only row for every change to them.
 *
 * A balance is only ever changed together with the row that tells it, in one script, so folding the rows gives the
 * balance. Rows live in a stream whose ids are the account's own count (`1-0`, `2-0`, …).
 */
import type { Balance, CreditReview, Hold, HoldStatus, LedgerEntry, LedgerVerb } from "../domain/credits.ts";
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import { AUDIT_LUA } from "./audit.ts";
import type { Store } from "./redis.ts";
import { fieldsOf, run, savingScript, startingScript } from "./script.ts";

/**
 * `move_credits` appends a row and moves the balance. `from` may be '' (deposits come from nowhere inside the fleet).
 * `reserve_hold` and `end_hold` move a hold with its account, its report and its events; the caller has checked that the
 * account can cover it and that the hold is reserved.
 */
export const LEDGER_LUA = `
local function move_credits(account_key, ledger_key, verb, credits, from, to, reference, report, at, by, why)
  local id = redis.call('HINCRBY', account_key, 'entries', 1)
  if from ~= '' then redis.call('HINCRBY', account_key, from, minus(credits)) else redis.call('HINCRBY', account_key, 'deposits', plus(credits)) end
  redis.call('HINCRBY', account_key, to, plus(credits))
  local root, account = string.match(account_key, '^(.-):account:(.+)$')
  local totals = root .. ':credits'
  if from ~= '' then redis.call('HINCRBY', totals, from, minus(credits)) else redis.call('HINCRBY', totals, 'deposits', plus(credits)) end
  redis.call('HINCRBY', totals, to, plus(credits))
  local row = {'verb', verb, 'credits', plus(credits), 'reference', reference, 'report', report, 'at', at}
  if by and by ~= '' then
    for _, text in ipairs({'by', by, 'why', why or ''}) do row[#row + 1] = text end
  end
  redis.call('XADD', ledger_key, id .. '-0', unpack(row))
  count(root, 'fleet_credits_total|' .. verb, credits)
  announce(root, account, '', '', '{"event":"ledger.entry","entry":' .. id .. ',"verb":"' .. verb .. '","credits":' .. plus(credits)
    .. ',"reference":' .. cjson.encode(reference) .. ',"report":"' .. report .. '"}')
  -- Told when the balance crosses the line, not again while it stays below.
  local below = from == 'available' and tonumber(redis.call('HGET', account_key, 'warnBelow') or '')
  if below then
    local left = tonumber(redis.call('HGET', account_key, 'available'))
    if left < below and left + credits >= below then
      announce(root, account, '', '', '{"event":"credits.low","available":' .. plus(left) .. ',"below":' .. plus(below) .. '}')
    end
  end
  return id
end
local function credits_event(events, fleet_events, report, verb, credits)
  emit(events, fleet_events, '{"event":"credits","report":"' .. report .. '","verb":"' .. verb .. '","credits":' .. plus(credits) .. '}')
end
local function reserve_hold(report_key, account_key, ledger_key, hold_key, open_holds, hold_id, report, account, credits, now, look_after_ms)
  redis.call('HSET', report_key, 'hold', 'reserved', 'holdId', hold_id)
  move_credits(account_key, ledger_key, 'reserve', credits, 'available', 'held', hold_id, report, now)
  redis.call('HSET', hold_key, 'report', report, 'account', account, 'credits', plus(credits), 'status', 'reserved', 'at', now)
  redis.call('ZADD', open_holds, now + look_after_ms, hold_id)
  redis.call('ZADD', open_holds .. ':since', now, hold_id)
end
-- 'commit' of the hold's credits are charged, the others go back. The events stream '' is that of a report that is gone.
local function end_hold(account_key, ledger_key, hold_key, open_holds, events, fleet_events, hold_id, report, commit, delivered, now, by, why)
  local credits = tonumber(redis.call('HGET', hold_key, 'credits'))
  redis.call('HSET', hold_key, 'status', delivered and 'committed' or 'reversed', 'committed', plus(commit), 'at', now)
  redis.call('ZREM', open_holds, hold_id)
  redis.call('ZREM', open_holds .. ':since', hold_id)
  if delivered then
    move_credits(account_key, ledger_key, 'commit', commit, 'held', 'committed', hold_id, report, now, by, why)
    credits_event(events, fleet_events, report, 'commit', commit)
  end
  if not delivered or credits > commit then
    move_credits(account_key, ledger_key, 'reverse', credits - commit, 'held', 'available', hold_id, report, now, by, why)
    credits_event(events, fleet_events, report, 'reverse', credits - commit)
  end
end
`;

/** What an account could order for before and after a person's decision about its credits. */
const AUDIT_CREDITS_LUA = `${AUDIT_LUA}
local function audit_credits(stream, action, report, by, why, account, account_key, credits)
  local now_available = tonumber(redis.call('HGET', account_key, 'available') or '0')
  audit(stream, action, report, '', by, why, account .. ': ' .. plus(now_available - credits) .. ' available', account .. ': ' .. plus(now_available) .. ' available')
end
`;

const GRANT = startingScript(`${LEDGER_LUA}${AUDIT_CREDITS_LUA}
-- KEYS account ledger grants accounts audit   ARGV account credits reference by why
local known = redis.call('HGET', KEYS[3], ARGV[3])
if known then
  local credits = string.match(known, ':(%d+)$')
  if credits ~= ARGV[2] then return {'conflict', credits} end
  return {'repeated', known}
end
local id = move_credits(KEYS[1], KEYS[2], 'grant', tonumber(ARGV[2]), '', 'available', ARGV[3], '', now_ms(), ARGV[4], ARGV[5])
redis.call('HSET', KEYS[3], ARGV[3], id .. ':' .. ARGV[2])
redis.call('SADD', KEYS[4], ARGV[1])
audit_credits(KEYS[5], 'grant_credits', '', ARGV[4], ARGV[5], ARGV[1], KEYS[1], tonumber(ARGV[2]))
return {'granted', id}
`);

const REFUND = savingScript(`${LEDGER_LUA}${AUDIT_CREDITS_LUA}
-- KEYS report account ledger refunds events fleet_events audit   ARGV id credits reference by why account
-- Known references first: a repeat is answered as such even where nothing is left to refund.
local known = redis.call('HGET', KEYS[4], ARGV[3])
if known then
  local credits, report = string.match(known, '^(%d+):(.*)$')
  if credits ~= ARGV[2] or report ~= ARGV[1] then return {'conflict', credits, report} end
  return {'repeated', credits, ''}
end
local r = redis.call('HMGET', KEYS[1], 'id', 'committed', 'refunded')
if not r[1] then return {'no_report', '0', ''} end
local left = tonumber(r[2] or '0') - tonumber(r[3] or '0')
if tonumber(ARGV[2]) > left then return {'exceeds', tostring(left), ''} end
local id = move_credits(KEYS[2], KEYS[3], 'refund', tonumber(ARGV[2]), 'committed', 'available', ARGV[3], ARGV[1], now_ms(), ARGV[4], ARGV[5])
redis.call('HINCRBY', KEYS[1], 'refunded', ARGV[2])
redis.call('HSET', KEYS[4], ARGV[3], ARGV[2] .. ':' .. ARGV[1])
credits_event(KEYS[5], KEYS[6], ARGV[1], 'refund', tonumber(ARGV[2]))
audit_credits(KEYS[7], 'refund_credits', ARGV[1], ARGV[4], ARGV[5], ARGV[6], KEYS[2], tonumber(ARGV[2]))
return {'refunded', tostring(id), ''}
`);

export type GrantOutcome =
  | { outcome: "granted" }
  | { outcome: "repeated" }
  | { outcome: "conflict"; grantedBefore: number };

/** Adds a deposit. The reference is the caller's idempotency key: the same one twice is one deposit. */
export async function grantCredits(
  store: Store,
  grant: { account: string; credits: number; reference: string; by?: string; why?: string },
): Promise<GrantOutcome> {
  const { redis, keys } = store;
  const [word, detail] = await run<[string, string]>(
    redis,
    GRANT,
    [
      keys.account(grant.account),
      keys.ledger(grant.account),
      keys.grants(grant.account),
      keys.accounts,
      keys.audit,
    ],
    [grant.account, grant.credits, grant.reference, grant.by ?? "", grant.why ?? ""],
  );
  if (word === "conflict") return { outcome: "conflict", grantedBefore: Number(detail) };
  return { outcome: word === "granted" ? "granted" : "repeated" };
}

export type RefundOutcome =
  | { outcome: "refunded"; entry: number }
  | { outcome: "repeated" }
  /** The reference refunded something else before. */
  | { outcome: "conflict"; refundedBefore: number; report: string }
  /** More than was charged for the report and is not refunded yet. */
  | { outcome: "exceeds"; left: number }
  | { outcome: "no_report" };

/** Gives credits of a delivered report back, by a person's decision. The same reference twice is one refund. */
export async function refundCredits(
  store: Store,
  refund: {
    report: ReportId;
    account: string;
    credits: number;
    reference: string;
    by: string;
    why: string;
  },
): Promise<RefundOutcome> {
  const { redis, keys } = store;
  const { report, account } = refund;
  const [word, first, second] = await run<[string, string, string]>(
    redis,
    REFUND,
    [
      keys.report(report),
      keys.account(account),
      keys.ledger(account),
      keys.refunds(account),
      keys.events(report),
      keys.fleetEvents,
      keys.audit,
    ],
    [report, refund.credits, refund.reference, refund.by, refund.why, account],
  );
  switch (word) {
    case "refunded":
      return { outcome: "refunded", entry: Number(first) };
    case "conflict":
      return { outcome: "conflict", refundedBefore: Number(first), report: second };
    case "exceeds":
      return { outcome: "exceeds", left: Number(first) };
    case "repeated":
    case "no_report":
      return { outcome: word };
    default:
      throw new Error(`refund answered ${word}, which no version of this program knows.`);
  }
}

export async function readBalance(store: Store, account: string): Promise<Balance> {
  return balanceOf(account, await store.redis.hgetall(store.keys.account(account)));
}

/** A balance and the id of the newest row it holds, read together. */
export interface BalanceAt {
  balance: Balance;
  entries: number;
}

export async function readBalanceAt(store: Store, account: string): Promise<BalanceAt> {
  return balanceAt(account, await store.redis.hgetall(store.keys.account(account)));
}

export async function readBalancesAt(store: Store, accounts: readonly string[]): Promise<BalanceAt[]> {
  const pipeline = store.redis.pipeline();
  for (const account of accounts) pipeline.hgetall(store.keys.account(account));
  return ((await pipeline.exec()) ?? []).map(([error, fields], nth) => {
    if (error) throw error;
    return balanceAt(accounts[nth] ?? "", fields as Record<string, string>);
  });
}

function balanceAt(account: string, fields: Record<string, string>): BalanceAt {
  return { balance: balanceOf(account, fields), entries: Number(fields["entries"] ?? 0) };
}

/** The sums over all accounts, moved with every row of every ledger. */
export async function readCreditTotals(store: Store): Promise<Omit<Balance, "account">> {
  const { account: _account, ...totals } = balanceOf("", await store.redis.hgetall(store.keys.creditTotals));
  return totals;
}

function balanceOf(account: string, fields: Record<string, string>): Balance {
  return {
    account,
    available: Number(fields["available"] ?? 0),
    held: Number(fields["held"] ?? 0),
    committed: Number(fields["committed"] ?? 0),
    deposits: Number(fields["deposits"] ?? 0),
  };
}

/** Null where paid failure did not repeat, or a person has looked since. */
export async function readCreditReview(store: Store, account: string): Promise<CreditReview | null> {
  const [because, at] = await store.redis.hmget(
    store.keys.account(account),
    "credit_review",
    "credit_review_at",
  );
  return because ? { because, at: Number(at) } : null;
}

const CLOSE_REVIEW = savingScript(`${AUDIT_LUA}
-- KEYS account failures fleet_events audit   ARGV event account by why
local because = redis.call('HGET', KEYS[1], 'credit_review')
-- The count starts anew: what the person has looked at does not open the next review.
redis.call('DEL', KEYS[2])
if redis.call('HDEL', KEYS[1], 'credit_review', 'credit_review_at') == 0 then return 'none' end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 20000, '*', 'e', ARGV[1])
audit(KEYS[4], 'end_credit_review', '', '', ARGV[3], ARGV[4], ARGV[2] .. ': ' .. because, ARGV[2] .. ': may run again')
return 'closed'
`);

export async function closeCreditReview(
  store: Store,
  account: string,
  by: string,
  because: string,
): Promise<"closed" | "none"> {
  const { redis, keys } = store;
  const event: FleetEvent = { event: "credit_review.closed", by, because };
  return run(
    redis,
    CLOSE_REVIEW,
    [keys.account(account), keys.failures(account), keys.fleetEvents, keys.audit],
    [JSON.stringify(event), account, by, because],
  );
}

/** Every account that was ever granted credits, in alphabetical order. */
export async function listAccounts(store: Store): Promise<string[]> {
  return (await store.redis.smembers(store.keys.accounts)).sort();
}

/** The newest rows first, `limit` of them. */
export async function readLedger(store: Store, account: string, limit = 100): Promise<LedgerEntry[]> {
  const rows = await store.redis.xrevrange(store.keys.ledger(account), "+", "-", "COUNT", limit);
  return rows.map(entryOf);
}

/** Rows after `afterId`, oldest first: how another billing system follows the ledger. */
export async function readLedgerAfter(
  store: Store,
  account: string,
  afterId: number,
  limit = 500,
): Promise<LedgerEntry[]> {
  const rows = await store.redis.xrange(store.keys.ledger(account), `(${afterId}-0`, "+", "COUNT", limit);
  return rows.map(entryOf);
}

function entryOf([id, flat]: [string, string[]]): LedgerEntry {
  const fields = fieldsOf(flat);
  return {
    id: Number.parseInt(id, 10),
    verb: fields["verb"] as LedgerVerb,
    credits: Number(fields["credits"]),
    reference: fields["reference"] ?? "",
    report: fields["report"] ? (fields["report"] as ReportId) : null,
    at: Number(fields["at"]),
    by: fields["by"] ?? null,
    why: fields["why"] ?? null,
  };
}

export async function readHold(store: Store, holdId: string): Promise<Hold | null> {
  return holdFrom(holdId, await store.redis.hgetall(store.keys.hold(holdId)));
}

/** Null where there is none. */
export function holdFrom(holdId: string, fields: Record<string, string>): Hold | null {
  if (fields["status"] === undefined) return null;
  return {
    id: holdId,
    report: fields["report"] as ReportId,
    account: fields["account"] ?? "",
    credits: Number(fields["credits"]),
    committed: Number(fields["committed"] ?? 0),
    status: fields["status"] as HoldStatus,
    at: Number(fields["at"]),
  };
}

export function holdIdOf(report: ReportId, count = 1): string {
  return `${report}.h${count}`;
}

/** The id of the hold that follows this one. */
export function nextHoldId(report: ReportId, holdId: string): string {
  return holdIdOf(report, Number(holdId.slice(holdId.lastIndexOf(".h") + 2)) + 1);
}

/** Redis hands stream entries over as a flat list of names and values. */
