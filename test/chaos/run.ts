/**
 * One run: the fleet works, faults hit it, then everything is healed and it has its time to recover; then the checker reads
 * what the witnesses wrote and what lies in Redis.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { seededRandom, shuffled } from "../../src/llm/simulated/random.ts";
import { check, type Verdicts } from "./checker/index.ts";
import { gather, type Evidence } from "./evidence.ts";
import { FAULTS } from "./faults/index.ts";
import { between, pause, until, type Chaos } from "./faults/fault.ts";
import { RECOVERY_MS } from "./faults/times.ts";
import type { Plan } from "./plan.ts";
import { sampleUntil } from "./sampling.ts";
import { World } from "./world.ts";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export interface RunSettings {
  plan: Plan;
  /** Faults come again in other orders until the load ends; else each lane is walked once. */
  repeat: boolean;
  sources?: string;
  workers?: number;
  apis?: number;
  /** How long the fleet has for what is left once the last fault is over. */
  recoversWithinMs?: number;
  /** Files of the witnesses are kept here; else they go with the run. */
  keepIn?: string;
  say?: (line: string) => void;
}

export interface RunResult {
  verdicts: Verdicts;
  /** What the verdicts were made from. */
  evidence: Evidence;
  seconds: number;
}

/** A run ends as soon as everything is settled; this much is granted to a machine that has others to serve as well. */
const RECOVERS_WITHIN_MS = RECOVERY_MS * 3;
/** What the fleet leaves to its own timers at the end: webhooks, jobs that end behind their report. */
const SETTLES_WITHIN_MS = 8_000;

export async function runChaos(settings: RunSettings): Promise<RunResult> {
  const { plan, say = () => undefined } = settings;
  const startedAt = performance.now();
  const dir = settings.keepIn ?? mkdtempSync(join(tmpdir(), "report-fleet-chaos-"));
  mkdirSync(dir, { recursive: true });
  // What another run has left there would be taken for this one's.
  if (readdirSync(dir).length > 0)
    throw new Error(`${dir} is not empty; name another one to keep this run in.`);
  const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
  const world = await World.open({
    plan,
    dir,
    sources: settings.sources ?? REPOSITORY,
    workers: settings.workers ?? 3,
    apis: settings.apis ?? 2,
  });
  try {
    say(`${seconds()} s: the fleet is up`);
    const sampling = sampleUntil(world, () => world.progress.finished);
    const endsAt = performance.now() + plan.loadMs;
    await Promise.all(plan.lanes.map((lane, index) => walk(world, settings, lane, index, endsAt)));
    await until(() => performance.now() > endsAt, plan.loadMs);
    say(`${seconds()} s: ${world.progress.accepted} orders accepted; the last fault is over`);
    await world.healProvider();
    const { recoversWithinMs = RECOVERS_WITHIN_MS } = settings;
    world.tellClient({ finishWithinMs: recoversWithinMs });
    await until(() => world.progress.finished, recoversWithinMs + 30_000);
    await sampling;
    await until(() => settled(world), SETTLES_WITHIN_MS);
    say(
      `${seconds()} s: ${world.progress.unsettled.length} reports are not settled; the fleet is told to stop`,
    );
    await world.stopFleet();
    const evidence = await gather(world);
    const verdicts = check(evidence);
    say(`${seconds()} s: checked`);
    return { verdicts, evidence, seconds: seconds() };
  } finally {
    await world.close();
    if (settings.keepIn === undefined) rmSync(dir, { recursive: true, force: true });
  }
}

async function walk(
  world: World,
  { plan, repeat }: RunSettings,
  lane: readonly string[],
  index: number,
  endsAt: number,
): Promise<void> {
  const random = seededRandom(`chaos/${plan.seed}/lane-${index}`);
  const chaos: Chaos = { world, random };
  const counts = new Map<string, number>();
  await pause(between(1_500, 3_000, random));
  const rounds = repeat ? Number.POSITIVE_INFINITY : 1;
  for (let round = 0; round < rounds && (round === 0 || performance.now() < endsAt); round++) {
    for (const id of round === 0 ? lane : shuffled(lane, random)) {
      if (round > 0 && performance.now() > endsAt) return;
      const [name = "", form] = id.split(":");
      const fault = FAULTS.find((one) => one.id === name);
      if (fault === undefined) throw new Error(`There is no fault ${name}.`);
      const nth = counts.get(name) ?? 0;
      counts.set(name, nth + 1);
      await fault.inject(chaos, form === undefined ? nth : Number(form));
      await pause(between(200, 1_000, random));
    }
  }
}

/** Nothing is on its way that a timer of the fleet would still bring home at once. */
async function settled({ store }: World): Promise<boolean> {
  const { redis, keys } = store;
  const due = await Promise.all([
    redis.zcard(keys.outbox),
    redis.xlen(keys.webhookOutbox),
    redis.zcard(keys.webhookDue),
  ]);
  return due.every((count) => count === 0);
}
