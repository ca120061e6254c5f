/** Redis answers nobody for a while: nobody may be given up for it, since everybody is silent alike. */
import { between, pause, strike, type Fault } from "./fault.ts";
import { SUSPECT_MS } from "./times.ts";

export const redisStalled: Fault = {
  id: "F9",
  what: "Redis is frozen for longer than a silence that makes suspect",
  async inject(chaos) {
    const { redis } = chaos.world;
    await strike(chaos, "F9", "redis", async () => {
      const ms = between(SUSPECT_MS, SUSPECT_MS * 1.4, chaos.random);
      redis.signal("SIGSTOP");
      await pause(ms);
      redis.signal("SIGCONT");
      return { hit: true, detail: `for ${ms} ms`, inFlight: chaos.world.allInFlight() };
    });
  },
};
