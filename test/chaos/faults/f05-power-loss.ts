/**
 * The host loses power while Redis writes. With `appendfsync always` what was acknowledged is on the disk, so what can be
 * torn is the write that was under way: a block of which only the first bytes arrived.
 */
import { appendFileSync } from "node:fs";
import { between, pause, strike, type Fault } from "./fault.ts";

/**
 * A script's writes are one such block, and it counts only with its EXEC. Redis 7.0 leaves the beginning of a torn
 * one in the file and takes it for done at the start after the next (docs/redis.md), so each has a key of its own.
 */
function blockOf(key: string): string {
  const commands = [["MULTI"], ["SET", key, "what was being written when it went dark"], ["EXEC"]];
  return commands.map((command) => `*${command.length}\r\n${command.map(argument).join("")}`).join("");
}

function argument(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

export const powerLoss: Fault = {
  id: "F5",
  what: "the power fails in the middle of a write to the append-only file",
  async inject(chaos, nth) {
    const { redis } = chaos.world;
    const key = `chaos:half-way:${nth}`;
    const block = blockOf(key);
    await strike(chaos, "F5", "redis", async () => {
      await redis.killBetweenWrites();
      const cutAt = between(1, block.length - 1, chaos.random);
      appendFileSync(redis.log().path, block.slice(0, cutAt));
      const torn = redis.log().bytes;
      await pause(between(200, 1_000, chaos.random));
      await redis.startAgain();
      const half = await chaos.world.store.redis.exists(key);
      // Redis cuts what is torn, or everything it writes from now on would be unreadable.
      return { hit: half === 0 && torn > 0, detail: `the last block was torn after ${cutAt} bytes` };
    });
  },
};
