/** Before a process of the fleet begins: is its Redis one that a fleet may live on? */
import type { Config } from "../config.ts";
import { FleetError } from "../domain/fleet-error.ts";
import { awaitRedis } from "../store/await-redis.ts";
import { connectPatiently, endForGood } from "../store/redis.ts";
import { readRedisFacts } from "../store/redis-facts.ts";
import { checkRedis } from "./doctor/redis-checks.ts";

/** A full disk or memory is waited out by a fleet that runs, and a process that starts into it may be the one that helps. */
const HEALS_BY_ITSELF: ReadonlySet<string> = new Set(["redis.disk", "redis.memory"]);

type Level = "info" | "warn";

/**
 * Waits until it answers, and says what it keeps first of all; one that a fleet must not live on is an error. False where
 * the process was told to end before.
 */
export async function settleOnRedis(
  address: string,
  settings: {
    acceptLoss: Config["acceptLoss"];
    ending: AbortSignal;
    say: (level: Level, sentence: string) => void;
  },
): Promise<boolean> {
  const { acceptLoss, ending, say } = settings;
  const answers = await awaitRedis(address, {
    signal: ending,
    onWaiting: (sentence) => say("warn", sentence),
    onAnswer: (sentence) => say("info", sentence),
  });
  if (!answers) return false;
  // It may go away again at once, and is waited for again.
  const redis = connectPatiently(address);
  const hangUp = () => endForGood(redis);
  ending.addEventListener("abort", hangUp);
  try {
    const findings = checkRedis(await readRedisFacts(redis), { address, acceptLoss });
    const refused = findings.filter(({ level, check }) => level === "fail" && !HEALS_BY_ITSELF.has(check));
    if (refused.length > 0)
      throw new FleetError(
        "usage",
        `The fleet does not start on this Redis. ${refused.map(sentencesOf).join(" ")}`,
      );
    const durability = findings.filter(({ check }) => check === "redis.durability");
    const others = findings.filter((finding) => finding.level !== "ok" && !durability.includes(finding));
    for (const finding of [...durability, ...others])
      say(finding.level === "ok" ? "info" : "warn", sentencesOf(finding));
    return true;
  } catch (error) {
    if (ending.aborted) return false;
    throw error;
  } finally {
    ending.removeEventListener("abort", hangUp);
    hangUp();
  }
}

function sentencesOf({ says, advice }: { says: string; advice: string | null }): string {
  return advice === null ? says : `${says} ${advice}`;
}
