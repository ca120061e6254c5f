/**
 * Whose is it? Every handler that takes an id asks here first. What belongs to another account is answered exactly like
 * what does not exist, in the same words, so that an id tells nobody anything.
 */
import type { ApiKey } from "../domain/api-key.ts";
import { ACCOUNT_RULE, isAccount, isReportId, type ReportId } from "../domain/ids.ts";
import type { ReviewCase } from "../domain/review.ts";
import { readCase } from "../store/cases.ts";
import type { Store } from "../store/redis.ts";
import { readReport, type StoredReport } from "../store/reports.ts";
import { Problem } from "./problems.ts";

export async function ownReport(store: Store, caller: ApiKey, id: string): Promise<StoredReport> {
  const stored = isReportId(id) ? await readReport(store, id) : null;
  if (stored === null || !isOwn(caller, stored.report.account)) throw noReport();
  return stored;
}

export async function ownCase(store: Store, caller: ApiKey, id: string): Promise<ReviewCase> {
  const found = await readCase(store, id);
  if (found === null || !isOwn(caller, found.account))
    throw new Problem("not_found", "There is no such review case.");
  return found;
}

/** The account a request is for: the key's own, or the one that a key of the fleet names. */
export function accountFor(caller: ApiKey, named: string | undefined): string {
  const account = named ?? caller.account;
  if (account === null)
    throw new Problem("invalid_input", "This key belongs to no account, so the account must be named.", {
      fields: [{ path: "account", message: "is missing" }],
    });
  if (!isAccount(account))
    throw new Problem("invalid_input", `An account has ${ACCOUNT_RULE}.`, {
      fields: [{ path: "account", message: `expected ${ACCOUNT_RULE}` }],
    });
  if (!isOwn(caller, account)) throw new Problem("not_found", "There is no such account.");
  return account;
}

/** What a list is narrowed to. */
export function filterFor(caller: ApiKey, named: string | undefined): string | undefined {
  return caller.account === null && named === undefined ? undefined : accountFor(caller, named);
}

/** For whoever erases again what was erased before: then only its tombstone knows whose it was. */
export async function ownIdOrTombstone(store: Store, caller: ApiKey, id: string): Promise<ReportId> {
  if (!isReportId(id)) throw noReport();
  const stored = await readReport(store, id);
  const account = stored?.report.account ?? (await store.redis.hget(store.keys.tombstone(id), "account"));
  if (account === null || !isOwn(caller, account)) throw noReport();
  return id;
}

/** Who decided, as the audit keeps it: a name for people, and the key that nobody can deny. */
export function decidedBy(caller: ApiKey, named: string | undefined): string {
  return `${named ?? caller.name} (API key ${caller.id})`;
}

function isOwn(caller: ApiKey, account: string): boolean {
  return caller.account === null || caller.account === account;
}

function noReport(): Problem {
  return new Problem("not_found", "There is no such report.");
}
