/** A worker's event loop does not turn: author code that computes for too long. Its heart stands still, and it is given up. */
import { strike, until, withSlot, type Fault } from "./fault.ts";
import { SUSPECT_MS } from "./times.ts";

export const blockedLoop: Fault = {
  id: "F13",
  what: "the event loop of a worker is blocked past its claim",
  async inject(chaos) {
    await withSlot(chaos, "F13", "worker", async (slot) => {
      const target = slot.incarnation;
      await until(() => chaos.world.inFlight(target) > 0, 15_000);
      await strike(chaos, "F13", target, async () => {
        const inFlight = chaos.world.inFlight(target);
        const blockMs = Math.round(SUSPECT_MS * 1.5);
        await slot.wish({ blockMs });
        return { hit: slot.running && slot.incarnation === target, detail: `for ${blockMs} ms`, inFlight };
      });
    });
  },
};
