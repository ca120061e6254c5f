/** Redis is killed and comes back: everybody waits for it, and nothing it has acknowledged is lost. */
import { between, pause, strike, type Fault } from "./fault.ts";

export const redisKilled: Fault = {
  id: "F4",
  what: "Redis is killed and started again",
  async inject(chaos) {
    const { redis } = chaos.world;
    await strike(chaos, "F4", "redis", async () => {
      const downMs = between(200, 3_000, chaos.random);
      await redis.kill();
      await pause(downMs);
      await redis.startAgain();
      return { hit: true, detail: `down for ${downMs} ms`, inFlight: chaos.world.allInFlight() };
    });
  },
};
