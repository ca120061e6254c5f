/** Redis is out of memory: new work is refused, what is paid is saved all the same. */
import { between, pause, strike, type Fault } from "./fault.ts";

export const redisFull: Fault = {
  id: "F7",
  what: "Redis is out of memory",
  async inject(chaos) {
    await strike(chaos, "F7", "redis", async () => {
      const { redis } = chaos.world.store;
      const refusedBefore = await countErrors(redis, "OOM");
      const lastsMs = between(2_000, 4_000, chaos.random);
      await redis.config("SET", "maxmemory", "1mb");
      await pause(lastsMs);
      await redis.config("SET", "maxmemory", "0");
      const refused = (await countErrors(redis, "OOM")) - refusedBefore;
      return {
        hit: refused > 0,
        detail: `for ${lastsMs} ms, ${refused} commands were refused`,
        facts: { outOfMemory: refused },
      };
    });
  },
};

/** How often Redis has answered with an error of this name since it started. */
export async function countErrors(
  redis: { info(section: string): Promise<string> },
  name: string,
): Promise<number> {
  const found = new RegExp(`^errorstat_${name}:count=(\\d+)`, "m").exec(await redis.info("errorstats"));
  return Number(found?.[1] ?? 0);
}
