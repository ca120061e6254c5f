/**
 * The audit: who decided what, when and why, and what changed by it. One stream for the console, the API and the command
 * line. A decision writes its row in the very script that carries it out, so none is carried out without one; only what
 * moves nothing in the store (somebody signs in) is recorded by itself. We never trim or change a row.
 */
import type { EpochMs, ReportId } from "../domain/ids.ts";
import type { Store } from "./redis.ts";
import { fieldsOf, run, savingScript } from "./script.ts";

/** Adds a row; never trimmed by us, since it is the proof of who moved whose money. */
export const AUDIT_LUA = `
local function audit(stream, action, report, case, by, why, before, after)
  local id = redis.call('XADD', stream, '*', 'action', action, 'report', report, 'case', case, 'by', by, 'why', why, 'before', before, 'after', after)
  if report ~= '' then redis.call('RPUSH', string.gsub(stream, ':audit$', ':report:' .. report .. ':audit'), id) end
end
`;

/** One row of the audit: who decided what, why, and what changed by it. */
export interface AuditRow {
  /** Sorts by time. */
  id: string;
  at: EpochMs;
  action: string;
  report: string;
  case: string;
  by: string;
  why: string;
  before: string;
  after: string;
}

/** The newest first; of one report, or of the whole fleet behind the row `after`. */
export async function readAudit(
  store: Store,
  limit: number,
  of: { report?: ReportId; after?: string } = {},
): Promise<AuditRow[]> {
  const { redis, keys } = store;
  if (of.report === undefined) {
    const end = of.after === undefined ? "+" : `(${of.after}`;
    return (await redis.xrevrange(keys.audit, end, "-", "COUNT", limit)).map(rowOf);
  }
  const ids = await redis.lrange(keys.auditOf(of.report), -limit, -1);
  const pipeline = redis.pipeline();
  for (const id of ids.toReversed()) pipeline.xrange(keys.audit, id, id);
  return ((await pipeline.exec()) ?? []).flatMap(([error, rows]) => {
    if (error) throw error;
    return (rows as [string, string[]][]).map(rowOf);
  });
}

function rowOf([id, flat]: [string, string[]]): AuditRow {
  const fields = fieldsOf(flat);
  return {
    id,
    at: Number.parseInt(id, 10),
    action: fields["action"] ?? "",
    report: fields["report"] ?? "",
    case: fields["case"] ?? "",
    by: fields["by"] ?? "",
    why: fields["why"] ?? "",
    before: fields["before"] ?? "",
    after: fields["after"] ?? "",
  };
}

const RECORD = savingScript(`${AUDIT_LUA}
-- KEYS audit   ARGV action by why before after
audit(KEYS[1], ARGV[1], '', '', ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 'recorded'
`);

/** For what no script carries out. A row that a lost reply wrote twice is told apart by nobody, and harms nobody. */
export async function recordAudit(
  store: Store,
  row: Pick<AuditRow, "action" | "by" | "why"> & Partial<Pick<AuditRow, "before" | "after">>,
): Promise<void> {
  const { action, by, why, before = "", after = "" } = row;
  await run(store.redis, RECORD, [store.keys.audit], [action, by, why, before, after]);
}
