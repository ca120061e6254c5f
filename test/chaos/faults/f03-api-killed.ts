/** A process of the API dies while it takes an order, before or after the books have it; its caller gets no answer. */
import { strike, withSlot, type Fault } from "./fault.ts";

const FAULT = "F3";

export const apiKilled: Fault = {
  id: FAULT,
  what: "a process of the API is killed while it takes an order",
  async inject(chaos, nth) {
    const aim = nth % 2 === 0 ? "after" : "before";
    await withSlot(chaos, FAULT, "api", async (slot) => {
      await strike(chaos, FAULT, slot.incarnation, async () => {
        // Of this process: after a moment the slot has a new one.
        const { ended } = slot;
        const met = await slot.link.meet("admit/ADMIT", aim, 20_000, () => slot.signal("SIGKILL"));
        if (met !== null) await ended;
        return { hit: met !== null, detail: `${aim} the order was in the books` };
      });
    });
  },
};
