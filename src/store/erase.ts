/**
 * Erasing: what a buyer sent and what was written for them goes at once, wherever the store has it. Ledger rows, holds
 * and a tombstone stay, since they are the books and hold no text.
 *
 * An answer that is still on its way when its report is erased finds no report, and is dropped by the script that would
 * have recorded it; so is one that a worker had spooled to a file.
 */
import type { ReportId } from "../domain/ids.ts";
import { isFinished } from "../domain/report.ts";
import { recordAudit } from "./audit.ts";
import { endReport } from "./end-report.ts";
import type { Store } from "./redis.ts";
import { readReport } from "./reports.ts";
import { removeAtOnce } from "./retention.ts";
import { eraseWebhooks } from "./webhooks.ts";

export type Erased =
  | { outcome: "erased" }
  /** Nothing but its tombstone was there. */
  | { outcome: "erased_before" }
  | { outcome: "unknown" };

/** A report that is not over is cancelled first, and its credits go back. */
export async function eraseReport(store: Store, id: ReportId, by: string): Promise<Erased> {
  const erased = await eraseOne(store, id, by);
  // Also after an interrupted erasing, of which nothing but such remains may be left.
  await removeRemains(store, new Set([id]));
  if (erased.outcome === "erased")
    await recordAudit(store, { action: "erase_report", by, why: "", before: id });
  return erased;
}

export interface ErasedAccount {
  reports: ReportId[];
  /** Ids of endpoints; the one of its orders' callbacks is among them. */
  webhooks: string[];
}

/** Every report of an account, and everything that tells it something; balance and ledger stay. */
export async function eraseAccount(
  store: Store,
  account: string,
  by: string,
  why = "",
): Promise<ErasedAccount> {
  const { redis, keys } = store;
  const erased: ReportId[] = [];
  for (;;) {
    // Each one erased leaves the index, so the next page is always the first.
    const ids = (await redis.zrevrange(keys.indexAccount(account), 0, 99)) as ReportId[];
    if (ids.length === 0) break;
    for (const id of ids) {
      // Nobody is told of what is cancelled by this.
      await redis.hdel(keys.report(id), "callback");
      const { outcome } = await eraseOne(store, id, by, why);
      if (outcome === "erased") erased.push(id);
      else await redis.zrem(keys.indexAccount(account), id);
    }
  }
  await removeRemains(store, new Set(erased));
  const webhooks = await eraseWebhooks(store, account, by, why);
  // Written last: an erasing that was interrupted is repeated by whoever finds no row of it.
  const after = `${erased.length} reports and ${webhooks.length} webhook endpoints erased`;
  await recordAudit(store, { action: "erase_account", by, why, before: account, after });
  return { reports: erased, webhooks };
}

async function eraseOne(store: Store, id: ReportId, by: string, why = ""): Promise<Erased> {
  const { redis, keys } = store;
  let stored = await readReport(store, id);
  // It may move between the reading and the ending; each turn finds it further on.
  while (stored !== null && !isFinished(stored.report.status)) {
    const because = why === "" ? "it is erased" : `it is erased: ${why}`;
    await endReport(store, stored.report, { status: "cancelled", because, by, action: "cancel" });
    stored = await readReport(store, id);
  }
  if (stored === null)
    return { outcome: (await redis.exists(keys.tombstone(id))) === 1 ? "erased_before" : "unknown" };
  await removeAtOnce(store, stored);
  return { outcome: "erased" };
}

/**
 * Sections of a plan that was replaced, notes of reviewers: what hangs under a report's keys without being named by its
 * record. Erasing is rare and may cost a walk over all keys; nothing is blocked meanwhile.
 */
async function removeRemains(store: Store, ids: ReadonlySet<string>): Promise<void> {
  if (ids.size === 0) return;
  const { redis, keys } = store;
  for (const prefix of [keys.reportPrefix, keys.case("")]) {
    for await (const batch of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) {
      const left = (batch as string[]).filter((key) => {
        const [id = ""] = /rp-[0-9a-z]{25}/.exec(key.slice(prefix.length)) ?? [];
        return ids.has(id);
      });
      if (left.length > 0) await redis.unlink(...left);
    }
  }
}
