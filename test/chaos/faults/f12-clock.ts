/** The clock of a process is an hour off, and jumps back: no retry, lease or day is decided by it. */
import { between, pause, strike, withSlot, type Fault } from "./fault.ts";

const HOUR_MS = 3_600_000;

export const wrongClock: Fault = {
  id: "F12",
  what: "the clock of a process is an hour off, and jumps back",
  async inject(chaos, nth) {
    const role = nth % 2 === 0 ? "worker" : "orchestrator";
    const skewMs = (chaos.random() < 0.5 ? -1 : 1) * HOUR_MS;
    await withSlot(chaos, "F12", role, (slot) =>
      strike(chaos, "F12", slot.incarnation, async () => {
        await slot.wish({ skewMs });
        await pause(between(4_000, 8_000, chaos.random));
        await slot.wish({ skewMs: 0 });
        return { hit: slot.running, detail: skewMs > 0 ? "an hour ahead" : "an hour behind" };
      }),
    );
  },
};
