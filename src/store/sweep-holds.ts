/**
 * Holds cannot leak. Every script that ends a report ends its hold, so there should be nothing to find here; this is the
 * net below it, for a record that was erased by hand.
 *
 * Each open hold has a time at which it is looked at next, so that a tick takes a bounded number and old holds do not
 * hide new ones.
 */
import type { FleetEvent } from "../domain/events.ts";
import { LEDGER_LUA, readHold } from "./credits.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

const DUE = savingScript(`
-- KEYS open_holds   ARGV limit
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms(), 'LIMIT', 0, ARGV[1])
`);

const SWEEP = savingScript(`${LEDGER_LUA}
-- KEYS hold report account ledger open_holds events fleet_events   ARGV hold_id report look_after_ms event
local h = redis.call('HGET', KEYS[1], 'status')
if h ~= 'reserved' then
  redis.call('ZREM', KEYS[5], ARGV[1])
  redis.call('ZREM', KEYS[5] .. ':since', ARGV[1])
  return 'ended'
end
local now = now_ms()
local r = redis.call('HMGET', KEYS[2], 'status', 'holdId')
local over = not r[1] or r[1] == 'completed' or r[1] == 'failed' or r[1] == 'cancelled' or r[2] ~= ARGV[1]
if not over then
  redis.call('ZADD', KEYS[5], now + tonumber(ARGV[3]), ARGV[1])
  return 'held'
end
local events = r[1] and KEYS[6] or ''
end_hold(KEYS[3], KEYS[4], KEYS[1], KEYS[5], events, KEYS[7], ARGV[1], ARGV[2], 0, false, now)
count(string.match(KEYS[5], '^(.-}):'), 'fleet_sweeper_repairs_total|orphaned_hold')
if r[1] and r[2] == ARGV[1] then
  redis.call('HSET', KEYS[2], 'hold', r[1] == 'completed' and redis.call('HEXISTS', KEYS[2], 'committed') == 1 and 'committed' or 'reversed')
end
emit(events, KEYS[7], ARGV[4])
return 'repaired'
`);

const LOOK_AGAIN_MS = 60_000;
const MOST_AT_ONCE = 50;

/** Looks at the open holds that are due; answers with those it had to give back. */
export async function sweepHolds(store: Store): Promise<string[]> {
  const { redis, keys } = store;
  const due = await run<string[]>(redis, DUE, [keys.openHolds], [MOST_AT_ONCE]);
  const repaired: string[] = [];
  for (const holdId of due) {
    const hold = await readHold(store, holdId);
    if (hold === null) {
      await redis.zrem(keys.openHolds, holdId);
      await redis.zrem(keys.openHoldsSince, holdId);
      continue;
    }
    const event: FleetEvent = {
      event: "repaired",
      report: hold.report,
      what: "a hold without a report that needs it",
      because: "nothing would have ended it",
    };
    const word = await run<string>(
      redis,
      SWEEP,
      [
        keys.hold(holdId),
        keys.report(hold.report),
        keys.account(hold.account),
        keys.ledger(hold.account),
        keys.openHolds,
        keys.events(hold.report),
        keys.fleetEvents,
      ],
      [holdId, hold.report, LOOK_AGAIN_MS, JSON.stringify(event)],
    );
    if (word === "repaired") repaired.push(holdId);
  }
  return repaired;
}
