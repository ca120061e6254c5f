/** Holds for a person to look at: what is held now, or what became of an account's. */
import type { Hold } from "../domain/credits.ts";
import { holdFrom, readLedgerAfter } from "./credits.ts";
import type { Store } from "./redis.ts";

const PAGE = 500;

/** Holds that are not ended, whoever they belong to. */
export async function listOpenHolds(store: Store, limit: number): Promise<Hold[]> {
  return readHolds(store, await store.redis.zrange(store.keys.openHolds, "0", String(limit - 1)));
}

/** An account's newest holds, ended or not, newest first. */
export async function listHoldsOf(store: Store, account: string, limit: number): Promise<Hold[]> {
  const ids: string[] = [];
  for (let after = 0; ;) {
    const page = await readLedgerAfter(store, account, after, PAGE);
    for (const entry of page) if (entry.verb === "reserve") ids.push(entry.reference);
    if (ids.length > limit) ids.splice(0, ids.length - limit);
    if (page.length < PAGE) break;
    after = page.at(-1)?.id ?? after;
  }
  return readHolds(store, ids.toReversed());
}

async function readHolds(store: Store, ids: readonly string[]): Promise<Hold[]> {
  const pipeline = store.redis.pipeline();
  for (const id of ids) pipeline.hgetall(store.keys.hold(id));
  const replies = (await pipeline.exec()) ?? [];
  return replies.flatMap(([error, fields], nth) => {
    if (error) throw error;
    return holdFrom(ids[nth] ?? "", fields as Record<string, string>) ?? [];
  });
}
