/** The results of a section's steps: code of a report type that is worth keeping, beside the answers that were paid for. */
import type { FleetEvent } from "../domain/events.ts";
import type { ReportId } from "../domain/ids.ts";
import { packJson, unpack } from "./packed.ts";
import type { Store } from "./redis.ts";
import { run, savingScript } from "./script.ts";
import type { Claim } from "./sections.ts";

const SAVE_STEP = savingScript(`
-- KEYS report calls events fleet_events   ARGV step_key result event
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 1 then emit(KEYS[3], KEYS[4], ARGV[3]) end
return redis.call('HGET', KEYS[2], ARGV[1])
`);

export type StepRead = { found: true; value: unknown } | { found: false };

/** A step's stored result. A damaged one counts as missing: a step is computed again, not bought again. */
export async function readStep(store: Store, report: ReportId, stepKey: string): Promise<StepRead> {
  const packed = await store.redis.hgetBuffer(store.keys.calls(report), stepKey);
  if (packed === null) return { found: false };
  const unpacked = unpack(packed);
  return unpacked.ok ? { found: true, value: JSON.parse(unpacked.text) } : { found: false };
}

/** Stores a step's result, set once, and answers with the one that counts. */
export async function saveStep(
  store: Store,
  claim: Pick<Claim, "report" | "section">,
  step: { key: string; name: string; elapsedMs: number },
  value: unknown,
): Promise<unknown> {
  const { redis, keys } = store;
  const { report, section } = claim;
  const event: FleetEvent = {
    event: "step.completed",
    report,
    section,
    step: step.name,
    elapsedMs: step.elapsedMs,
  };
  await run(
    redis,
    SAVE_STEP,
    [keys.report(report), keys.calls(report), keys.events(report), keys.fleetEvents],
    [step.key, packJson(value), JSON.stringify(event)],
  );
  const stored = await readStep(store, report, step.key);
  return stored.found ? stored.value : value;
}
