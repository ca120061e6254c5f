/** A look at the fleet every two seconds while it works: what would wake each report, and how much memory everybody has. */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { writeDown, type MemoryRow, type Sample } from "./witnesses.ts";
import type { World } from "./world.ts";

const EVERY_MS = 2_000;

export async function sampleUntil(world: World, over: () => boolean): Promise<void> {
  while (!over()) {
    // A look during a failover finds its Redis gone; the next one looks at the new Redis.
    await takeSample(world).catch(() => undefined);
    await pause(EVERY_MS);
  }
}

async function takeSample({ store: { redis, keys }, slots, witness }: World): Promise<void> {
  const ids = await redis.zrange(keys.indexAll, "0", "-1");
  const woken = [keys.wakeups, keys.outbox, keys.reviewDeadlines];
  const rows = (await redis.eval(WAKERS, woken.length, ...woken, keys.reportPrefix, ...ids)) as string[][];
  for (const [report = "", status = "", ...wakers] of rows)
    writeDown(witness.samples, { at: Date.now(), report, status, wakers } satisfies Sample);

  const note = (of: string, bytes: number) =>
    writeDown(witness.memory, { at: Date.now(), of, bytes, reports: ids.length } satisfies MemoryRow);
  note("redis", Number(/^used_memory:(\d+)/m.exec(await redis.info("memory"))?.[1]));
  for (const slot of slots) if (slot.running) note(slot.incarnation, residentBytes(slot.pid));
}

/** Read only, and in one piece: what wakes a report moves from one key to another all the time. */
const WAKERS = `
local out = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local status = redis.call('HGET', ARGV[1] .. id, 'status')
  if status and status ~= 'completed' and status ~= 'failed' and status ~= 'cancelled' then
    local row = {id, status}
    if redis.call('ZSCORE', KEYS[1], id) then row[#row + 1] = 'wakeup' end
    if redis.call('ZSCORE', KEYS[2], id) then row[#row + 1] = 'outbox' end
    if redis.call('ZSCORE', KEYS[3], id) then row[#row + 1] = 'review' end
    out[#out + 1] = row
  end
end
return out
`;

/** By the kernel's own account; 0 for a process that has just ended. */
function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
