/**
 * What an answer was worth, told by the next script of its section: so a call costs two scripts, and an answer whose
 * judgement was lost is judged again for free.
 */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import type { FailureSummary } from "../domain/report.ts";
import { BOOKS_LUA } from "./books.ts";
import type { ScriptArgument } from "./script.ts";

/**
 * Settlements travel as six arguments each, from index `from` on. Each is applied once, whoever repeats it; `status` and
 * `type` are the report's.
 */
export const SETTLE_LUA = `${BOOKS_LUA}
local function settle(report_key, section_key, calls_key, events, fleet_events, status, type, from)
  -- Once a report has ended, its money has its final outcome; a late judgement is evidence only.
  local over = status == 'completed' or status == 'failed' or status == 'cancelled'
  for i = from, #ARGV, 6 do
    local call_key, take, verdict, print, kind, event = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
    local current = redis.call('HGET', calls_key, call_key) or ''
    local n, state, micros = string.match(current, '^(%d+):(%a+):(%d+)')
    if n == take and state ~= verdict and state ~= 'accepted' then
      redis.call('HSET', calls_key, call_key, n .. ':' .. verdict .. ':' .. micros)
      if not over and (verdict == 'rejected' or state == 'rejected') then
        local ask_id = redis.call('HGET', calls_key, call_key .. '#' .. n .. '!')
        if ask_id and verdict == 'rejected' then book(report_key, ask_id, 'wasted', nil, kind) end
        if ask_id and verdict == 'accepted' then book(report_key, ask_id, 'pending', nil, '') end
      end
      if verdict == 'rejected' then
        local prints = redis.call('HGET', section_key, 'prints') or ''
        redis.call('HSET', section_key, 'prints', prints .. ' ' .. print)
      end
      tell(events, fleet_events, event)
      if type then count_judged(parts_of(report_key), type, verdict, event) end
    end
  end
end
`;

/** What became of a take, told by the next script of its section. */
export interface Settlement {
  callKey: string;
  call: string;
  take: number;
  verdict: { accepted: true; salvaged: boolean } | { accepted: false; failure: FailureSummary };
}

export function settlementArguments(
  claim: { report: ReportId; section: string },
  settlements: readonly Settlement[],
): ScriptArgument[] {
  return settlements.flatMap(({ callKey, call, take, verdict }) => {
    const of = { report: claim.report, section: claim.section, call, take };
    const event: FleetEvent = verdict.accepted
      ? { event: "call.accepted", ...of, salvaged: verdict.salvaged }
      : { event: "call.rejected", ...of, failure: verdict.failure };
    return [
      callKey,
      take,
      verdict.accepted ? "accepted" : "rejected",
      verdict.accepted ? "" : verdict.failure.fingerprint,
      verdict.accepted ? "" : verdict.failure.kind,
      JSON.stringify(event),
    ];
  });
}
