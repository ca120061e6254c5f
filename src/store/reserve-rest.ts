/**
 * A report delivered in part is completed later under a hold of its own, for what the parts still missing cost. Whoever
 * reserves it starts the next run right after; a hold that no run follows is given back by the sweeper.
 */
import { formatCredits } from "../domain/credits.ts";
import type { Report } from "../domain/report.ts";
import { LEDGER_LUA, nextHoldId } from "./credits.ts";
import type { Store } from "./redis.ts";
import { run, startingScript } from "./script.ts";

const RESERVE_REST = startingScript(`${LEDGER_LUA}
-- KEYS report account ledger hold open_holds events fleet_events   ARGV id account hold_id last_hold_id look_after_ms
local r = redis.call('HMGET', KEYS[1], 'status', 'delivery', 'holdId', 'hold', 'credits', 'committed')
if not r[1] then return {'not_partial', ''} end
local rest = tonumber(r[5]) - tonumber(r[6] or '0')
if r[4] == 'reserved' and (r[3] == ARGV[3] or (r[1] == 'completed' and r[3] == ARGV[4])) then return {'reserved', tostring(rest), r[3]} end
if r[1] ~= 'completed' or r[2] ~= 'partial' or r[3] ~= ARGV[4] or r[4] == 'reserved' then return {'not_partial', ''} end
local available = tonumber(redis.call('HGET', KEYS[2], 'available') or '0')
if available < rest then return {'insufficient', tostring(available), tostring(rest)} end
reserve_hold(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], ARGV[3], ARGV[1], ARGV[2], rest, now_ms(), tonumber(ARGV[5]))
credits_event(KEYS[6], KEYS[7], ARGV[1], 'reserve', rest)
return {'reserved', tostring(rest), ARGV[3]}
`);

/** How long the next run may take to begin. */
const LOOK_AFTER_MS = 60_000;

export type RestReserved =
  | { outcome: "reserved"; holdId: string; credits: number }
  | { outcome: "insufficient_credits"; available: number; needed: number; because: string }
  /** It is not delivered in part, or somebody else completes it already. */
  | { outcome: "not_partial" };

export async function reserveRest(
  store: Store,
  report: Pick<Report, "id" | "account" | "holdId">,
): Promise<RestReserved> {
  const { redis, keys } = store;
  const { id, account } = report;
  const holdId = nextHoldId(id, report.holdId);
  const [word, first, second] = await run<[string, string, string]>(
    redis,
    RESERVE_REST,
    [
      keys.report(id),
      keys.account(account),
      keys.ledger(account),
      keys.hold(holdId),
      keys.openHolds,
      keys.events(id),
      keys.fleetEvents,
    ],
    [id, account, holdId, report.holdId, LOOK_AFTER_MS],
  );
  switch (word) {
    case "reserved":
      return { outcome: "reserved", holdId: second, credits: Number(first) };
    case "insufficient": {
      const [available, needed] = [Number(first), Number(second)];
      const because = `Completing ${id} costs ${formatCredits(needed)} and account ${account} has ${available} available; what was delivered stays delivered.`;
      return { outcome: "insufficient_credits", available, needed, because };
    }
    case "not_partial":
      return { outcome: "not_partial" };
    default:
      throw new Error(`reserve rest answered ${word}, which no version of this program knows.`);
  }
}
