/**
 * Repeated paid failure. A report that fails again and again, or an account whose reports do, costs money that no
 * delivery will bring back: the retries stop and a person looks at the account first. New orders are still taken; that
 * is a decision about a customer, and no program's.
 */
import type { FailureLimits } from "../domain/credits.ts";
import { formatWait } from "../domain/ids.ts";
import { readCreditReview } from "./credits.ts";
import type { Store } from "./redis.ts";

/** For the script that parks a report; `limits` is what `limitsArgument` made. A failure that cost nothing does not count. */
export const CREDIT_REVIEW_LUA = `
local function note_failed_report(report_key, now, events, fleet_events, limits)
  local r = redis.call('HMGET', report_key, 'id', 'account', 'run', 'spend.pending', 'spend.useful', 'spend.repaired', 'spend.wasted', 'spend.unknown')
  local spent = 0
  for i = 4, 8 do spent = spent + tonumber(r[i] or '0') end
  if spent == 0 then return end
  local root = string.match(report_key, '^(.-}:)')
  local account_key, failures_key = root .. 'account:' .. r[2], root .. 'failures:' .. r[2]
  redis.call('ZREMRANGEBYSCORE', failures_key, '-inf', now - limits.windowMs)
  redis.call('ZADD', failures_key, now, r[1])
  redis.call('PEXPIRE', failures_key, limits.windowMs)
  local failed = redis.call('ZCARD', failures_key)
  local because = nil
  if tonumber(r[3]) >= limits.runsOfReport then
    because = r[1] .. ' failed in run ' .. r[3] .. ' after money was spent on it'
  elseif failed >= limits.failedReports then
    because = failed .. ' reports failed within ' .. limits.window .. ' after money was spent on them'
  end
  if not because or redis.call('HEXISTS', account_key, 'credit_review') == 1 then return end
  redis.call('HSET', account_key, 'credit_review', because, 'credit_review_at', now)
  emit(events, fleet_events, '{"event":"credit_review.opened","report":"' .. r[1] .. '","because":"' .. because .. '"}')
end
`;

export function limitsArgument(limits: FailureLimits): string {
  return JSON.stringify({ ...limits, window: formatWait(limits.windowMs).replace("about ", "") });
}

export type RunAgain = { allowed: true } | { allowed: false; because: string };

/** Whether a parked report may be run again before somebody has looked at the money; asked by every resume. */
export async function mayRunAgain(store: Store, account: string): Promise<RunAgain> {
  const review = await readCreditReview(store, account);
  if (review === null) return { allowed: true };
  return {
    allowed: false,
    because: `Account ${account} is under credit review: ${review.because}. \`report-fleet credits review --account ${account}\` ends it once somebody has looked.`,
  };
}
