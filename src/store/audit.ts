/**
 * The audit: who decided what, when and why, and what changed by it. One stream for the console, the API and the command
 * line. A decision writes its row in the very script that carries it out, so none is carried out without one; only what
 * moves nothing in the store (somebody signs in) is recorded by itself. We never trim or change a row.
 */
import type { EpochMs, ReportId } from "../domain/ids.ts";
import { fieldsOf } from "./credits.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

/** Adds a row; never trimmed by us, since it is the proof of who moved whose money. */
export const AUDIT_LUA = `
local function audit(stream, action, report, case, by, why, before, after)
  redis.call('XADD', stream, '*', 'action', action, 'report', report, 'case', case, 'by', by, 'why', why, 'before', before, 'after', after)
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

/** The newest first. */
export async function readAudit(store: Store, limit: number, report?: ReportId): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  let end = "+";
  while (rows.length < limit) {
    const page = await store.redis.xrevrange(store.keys.audit, end, "-", "COUNT", 500);
    for (const [id, flat] of page) {
      const fields = fieldsOf(flat);
      if (report !== undefined && fields["report"] !== report) continue;
      if (rows.length < limit)
        rows.push({
          id,
          at: Number.parseInt(id, 10),
          action: fields["action"] ?? "",
          report: fields["report"] ?? "",
          case: fields["case"] ?? "",
          by: fields["by"] ?? "",
          why: fields["why"] ?? "",
          before: fields["before"] ?? "",
          after: fields["after"] ?? "",
        });
    }
    const last = page.at(-1);
    if (last === undefined || page.length < 500) break;
    end = `(${last[0]}`;
  }
  return rows;
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
