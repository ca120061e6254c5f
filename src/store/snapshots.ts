/**
 * The stored source of reports: once per account and content, however many reports are written from it.
 *
 * Each snapshot lists its readers, and goes with the last of them. Whether anybody is left is asked in the script that
 * removes it, since an order of the same data may be acknowledged at that very moment, and must find its source there.
 *
 * A snapshot stored before readers were listed has no list, and who else reads it is not known: it is kept.
 */
import type { Report } from "../domain/report.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";

export const SNAPSHOT_LUA = `
local function keep_snapshot(source, readers, packed, id)
  if redis.call('SET', source, packed, 'NX') or redis.call('EXISTS', readers) == 1 then redis.call('SADD', readers, id) end
end
`;

const RELEASE = savingScript(`
-- KEYS for each snapshot: source readers same_order   ARGV id
for i = 1, #KEYS, 3 do
  if redis.call('SREM', KEYS[i + 1], ARGV[1]) == 1 and redis.call('SCARD', KEYS[i + 1]) == 0 then redis.call('UNLINK', KEYS[i]) end
  if redis.call('GET', KEYS[i + 2]) == ARGV[1] then redis.call('UNLINK', KEYS[i + 2]) end
end
return 'released'
`);

/** The report reads none of its snapshots any more: neither today's nor those that were corrected. */
export async function releaseSnapshots(
  store: Store,
  { id, account, type, sourceHash }: Pick<Report, "id" | "account" | "type" | "sourceHash">,
): Promise<void> {
  const { redis, keys } = store;
  const earlier = (await redis.hget(keys.report(id), "earlierSources")) ?? "";
  const hashes = new Set([sourceHash, ...earlier.split(" ").filter((hash) => hash !== "")]);
  const names = [...hashes].flatMap((hash) => [
    keys.source(account, hash),
    keys.sourceReaders(account, hash),
    keys.sameOrder(account, type, hash),
  ]);
  await run(redis, RELEASE, names, [id]);
}
