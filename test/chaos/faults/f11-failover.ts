/**
 * A replica that was cut off takes the place of its primary: what the primary acknowledged in between is gone. That much is
 * allowed; the checker is told when it was, and excuses who was touched by it from what they may have lost, and no more.
 */
import { join } from "node:path";
import { between, pause, strike, type Fault } from "./fault.ts";

export const failover: Fault = {
  id: "F11",
  what: "a replica without the newest writes takes over",
  async inject(chaos, nth) {
    const { world, random } = chaos;
    const { redis } = world;
    const dir = join(world.settings.dir, `replica-${nth}`);
    const replica = await redis.startReplica(dir);
    await pause(500);
    await strike(chaos, "F11", "redis", async () => {
      const promoted = redis.connect(replica.port);
      await promoted.replicaof("NO", "ONE");
      const lossFrom = Date.now();
      await pause(between(300, 900, random));
      const before = await world.store.redis.dbsize();
      await redis.kill();
      const lossTo = Date.now();
      const lost = before - (await promoted.dbsize());
      promoted.disconnect();
      redis.becomes(replica, dir);
      for (const link of world.links()) link.breakAll();
      world.lookAgain();
      return {
        hit: true,
        detail: `${lossTo - lossFrom} ms of writes are gone, ${lost} keys with them`,
        inFlight: world.allInFlight(),
        facts: { lossFrom, lossTo },
      };
    });
  },
};
