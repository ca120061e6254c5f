/** A worker is frozen until it is given up and its work is somebody else's; then it wakes up and goes on as if nothing was. */
import { strike, until, withSlot, pause, type Fault } from "./fault.ts";
import { SUSPECT_MS } from "./times.ts";

const FAULT = "F2";
const GIVEN_UP_WITHIN_MS = 40_000;
const NOTICES_WITHIN_MS = 15_000;
/** It wakes up when its work is done by somebody else, and the next one while somebody is at it. */
const SLEEPS_ON_MS = [1_500, 200];

export const zombie: Fault = {
  id: FAULT,
  what: "a worker is frozen past its claim and wakes up",
  async inject(chaos, nth) {
    await withSlot(chaos, FAULT, "worker", async (slot) => {
      const target = slot.incarnation;
      await until(() => chaos.world.inFlight(target) > 0, 25_000);
      await strike(chaos, FAULT, target, async () => {
        const inFlight = chaos.world.inFlight(target);
        const { keys, redis } = chaos.world.store;
        const frozen = slot.processId ?? "";
        slot.signal("SIGSTOP");
        await pause(SUSPECT_MS);
        // A sweeper that is late itself starts to count anew, so this is seen and not reckoned.
        await until(async () => (await redis.sismember(keys.processes, frozen)) === 0, GIVEN_UP_WITHIN_MS);
        await pause(SLEEPS_ON_MS[nth % SLEEPS_ON_MS.length] ?? 0);
        let refused = 0;
        slot.link.listenToReplies((bytes) => {
          if (bytes.includes("superseded")) refused += 1;
        });
        const wokeAt = Date.now();
        slot.signal("SIGCONT");
        await until(() => refused > 0, NOTICES_WITHIN_MS);
        slot.link.listenToReplies(null);
        return {
          hit: inFlight > 0,
          detail: `${refused} of its writes were refused`,
          inFlight,
          facts: { refused, wokeAt },
        };
      });
    });
  },
};
