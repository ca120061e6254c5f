/** A deploy: every process is told to stop and comes back with the next version of the report types; and one more for a while. */
import { pause, strike, until, type Chaos, type Fault } from "./fault.ts";

export const rollingRestart: Fault = {
  id: "F14",
  what: "a rolling restart to the next version, one worker more and one less",
  async inject(chaos, nth) {
    const { world } = chaos;
    const extra = await world.addWorker();
    extra.borrowed = true;
    for (const slot of world.slots.filter((one) => one !== extra)) {
      if (!(await until(() => slot.processId !== null && !slot.borrowed, 15_000))) continue;
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
