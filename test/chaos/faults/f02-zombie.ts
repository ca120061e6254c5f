/** A worker is frozen until it is given up and its work is somebody else's; then it wakes up and goes on as if nothing was. */
import type { ReportId } from "../../../src/domain/ids.ts";
import { listInHand } from "../../../src/store/processes.ts";
import type { Store } from "../../../src/store/redis.ts";
import { strike, until, withSlot, pause, type Fault } from "./fault.ts";
import { SUSPECT_MS } from "./times.ts";

const FAULT = "F2";
const GIVEN_UP_WITHIN_MS = 40_000;
const TAKEN_WITHIN_MS = 20_000;
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
        const claims = await claimsOf(chaos.world.store, frozen);
        await pause(SUSPECT_MS);
        // A sweeper that is late itself starts to count anew, so this is seen and not reckoned.
        await until(async () => (await redis.sismember(keys.processes, frozen)) === 0, GIVEN_UP_WITHIN_MS);
        // Given up is not yet taken: until somebody claims a section anew, the sleeper's writes are simply late.
        await until(() => isAnothers(chaos.world.store, claims), TAKEN_WITHIN_MS);
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

interface Claim {
  report: ReportId;
  section: string;
  fence: string | null;
}

/** Its running sections, as they are when it freezes. */
async function claimsOf(store: Store, processId: string): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const { report, section } of await listInHand(store, processId)) {
    if (report === null || section === null) continue;
    const [status, fence] = await store.redis.hmget(store.keys.section(report, section), "status", "fence");
    if (status === "running") claims.push({ report, section, fence: fence ?? null });
  }
  return claims;
}

/** Every claim raises the fence. */
async function isAnothers({ redis, keys }: Store, claims: readonly Claim[]): Promise<boolean> {
  for (const { report, section, fence } of claims)
    if ((await redis.hget(keys.section(report, section), "fence")) !== fence) return true;
  return false;
}
