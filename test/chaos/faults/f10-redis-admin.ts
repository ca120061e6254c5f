/** Somebody administers Redis under a fleet that works: scripts forgotten, clients thrown out, no room for new ones. */
import { countErrors } from "./f07-redis-full.ts";
import { pause, strike, type Fault } from "./fault.ts";

export const redisAdministered: Fault = {
  id: "F10",
  what: "SCRIPT FLUSH, CLIENT KILL, maxclients",
  async inject(chaos) {
    await strike(chaos, "F10", "redis", async () => {
      const { redis } = chaos.world.store;
      const unknownBefore = await countErrors(redis, "NOSCRIPT");
      await redis.script("FLUSH");
      await pause(500);
      const unknown = (await countErrors(redis, "NOSCRIPT")) - unknownBefore;
      const thrownOut = Number(await redis.call("CLIENT", "KILL", "TYPE", "normal"));
      await redis.config("SET", "maxclients", "8");
      await pause(1_500);
      await redis.config("SET", "maxclients", "10000");
      return {
        hit: unknown > 0 && thrownOut > 0,
        detail: `${unknown} scripts were unknown, ${thrownOut} clients thrown out, then room for 8`,
        facts: { unknown, thrownOut },
      };
    });
  },
};
