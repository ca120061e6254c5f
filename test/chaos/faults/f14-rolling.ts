/** A deploy: every process is told to stop and comes back with the next version of the report types; and one more for a while. */
import type { FleetSlot } from "../fleet-slot.ts";
import { pause, strike, until, type Chaos, type Fault } from "./fault.ts";

const FREE_WITHIN_MS = 90_000;

export const rollingRestart: Fault = {
  id: "F14",
  what: "a rolling restart to the next version, one worker more and one less",
  async inject(chaos, nth) {
    const { world } = chaos;
    const extra = await world.addWorker();
    extra.borrowed = true;
    const due = new Set(world.slots.filter((one) => one !== extra));
    for (let slot = await nextFree(due); slot !== undefined; slot = await nextFree(due)) {
      due.delete(slot);
      slot.borrowed = true;
      await restart(chaos, slot, nth + 2);
      slot.borrowed = false;
    }
    await strike(chaos, "F14", extra.incarnation, async () => {
      await extra.end("SIGTERM");
      return { hit: true, detail: "one worker less" };
    });
    world.slots.splice(world.slots.indexOf(extra), 1);
    await extra.link.close();
  },
};

/**
 * Whom another fault has in hand is told once it is free. A deploy leaves nobody behind: what newer doors take in, an older
 * orchestrator does not touch.
 */
async function nextFree(due: ReadonlySet<FleetSlot>): Promise<FleetSlot | undefined> {
  const free = () => [...due].find(({ processId, borrowed }) => processId !== null && !borrowed);
  await until(() => due.size === 0 || free() !== undefined, FREE_WITHIN_MS);
  return free();
}

async function restart(chaos: Chaos, slot: Chaos["world"]["slots"][number], version: number): Promise<void> {
  const before = slot.incarnation;
  await strike(chaos, "F14", before, async () => {
    slot.typeVersion = version;
    await slot.end("SIGTERM");
    const back = await until(() => slot.processId !== null && slot.incarnation !== before, 20_000);
    await pause(500);
    return { hit: back, detail: `it comes back with version ${version}` };
  });
}
