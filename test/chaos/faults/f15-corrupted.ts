/**
 * One stored answer is not what was stored: a flipped bit that Redis serves as happily as the truth. The worker that
 * brought the answer dies, so that the next one has to read it.
 */
import { pack, unpack } from "../../../src/store/packed.ts";
import { run, savingScript } from "../../../src/store/script.ts";
import type { ReportId } from "../../../src/domain/ids.ts";
import type { Met } from "../redis-link.ts";
import { strike, until, withSlot, type Chaos, type Fault } from "./fault.ts";

/** Whoever alters a file asks nobody for room: Redis may be out of memory at this very moment. */
const ALTER = savingScript("return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])");
const CODEC_BYTES = 1;
const HASH_BYTES = 8;

export const corruptedCheckpoint: Fault = {
  id: "F15",
  what: "a stored answer is altered behind the fleet's back",
  async inject(chaos) {
    await withSlot(chaos, "F15", "worker", (slot) =>
      strike(chaos, "F15", slot.incarnation, async () => {
        // Of this process: while the answer is looked for, the slot may have a new one.
        const { ended } = slot;
        const met = await slot.link.meet("call-outcomes/RECORD", "after", 40_000, () =>
          slot.signal("SIGKILL"),
        );
        if (met === null) return { hit: false, detail: "no answer was recorded" };
        const inFlight = chaos.world.inFlight(slot.incarnation);
        const altered = await alter(chaos, met);
        await ended;
        return altered === null
          ? { hit: false, detail: "the answer was not found", inFlight }
          : { hit: true, detail: `${altered.field} of ${altered.report}`, inFlight, facts: altered };
      }),
    );
  },
};

/** The script's own argument is what lies in the store now; it is found there again, whatever its name. */
async function alter({ world }: Chaos, { command }: Met): Promise<{ report: string; field: string } | null> {
  const { keys, redis } = world.store;
  const words = command.words.slice(3);
  const report = words
    .map((word) => word.toString("utf8"))
    .find((word) => word.startsWith(keys.reportPrefix) && !word.slice(keys.reportPrefix.length).includes(":"))
    ?.slice(keys.reportPrefix.length) as ReportId | undefined;
  if (report === undefined) return null;
  const key = keys.calls(report);
  let found: { field: string; value: Buffer } | null = null;
  await until(async () => {
    for (const [field, value] of Object.entries(await redis.hgetallBuffer(key)))
      if (value.length > 40 && words.some((word) => word.equals(value))) found = { field, value };
    return found !== null;
  }, 1_000);
  const { field, value } = found ?? { field: "", value: null };
  const bytes = value === null ? null : withoutItsHash(value);
  if (bytes === null) return null;
  await run(redis, ALTER, [key], [field, bytes]);
  return { report, field };
}

/** Another text of the same form under the old hash: what only the hash can tell. A word follows a space; a name does not. */
function withoutItsHash(value: Buffer): Buffer | null {
  const read = unpack(value);
  if (!read.ok) return null;
  const text = read.text.replace(/(?<= [a-z]*)[aeiou]/, (letter) => (letter === "e" ? "a" : "e"));
  if (text === read.text) return null;
  const changed = pack(text);
  return Buffer.concat([
    changed.subarray(0, CODEC_BYTES),
    value.subarray(CODEC_BYTES, CODEC_BYTES + HASH_BYTES),
    changed.subarray(CODEC_BYTES + HASH_BYTES),
  ]);
}
