/** The disk is full. With `appendfsync always` Redis ends rather than acknowledge what it cannot keep; then there is room again. */
import { spawnSync } from "node:child_process";
import { pause, strike, type Fault } from "./fault.ts";

const ROOM_BYTES = 20_000;
const ENDS_WITHIN_MS = 10_000;

export const diskFull: Fault = {
  id: "F8",
  what: "the disk of Redis is full",
  async inject(chaos) {
    const { redis } = chaos.world;
    await strike(chaos, "F8", "redis", async () => {
      const limit = redis.log().bytes + ROOM_BYTES;
      const set = spawnSync("prlimit", ["--pid", String(redis.pid), `--fsize=${limit}:`], {
        encoding: "utf8",
      });
      if (set.status !== 0) return { hit: false, detail: `prlimit: ${set.stderr || String(set.error)}` };
      const ended = await Promise.race([
        redis.exited.then(() => true),
        pause(ENDS_WITHIN_MS).then(() => false),
      ]);
      if (!ended) {
        spawnSync("prlimit", ["--pid", String(redis.pid), "--fsize=unlimited:"]);
        return { hit: false, detail: "Redis wrote less than fits" };
      }
      await pause(500);
      await redis.startAgain();
      return { hit: true, detail: `its file could not grow past ${limit} bytes, and it ended` };
    });
  },
};
