/**
 * The domain in Redis beside a twin that is a plain object: any sequence of what customers, workers, zombies, providers
 * and people may do, each sent up to three times and some of it much later again. After every step both say the same.
 *
 * A sequence that fails is printed with its seed and path, as short as it can be; docs/proof.md says how to replay it.
 */
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectPatiently, openStore, type Store } from "../../src/store/redis.ts";
import { startPrivateRedis, type PrivateRedis } from "../support/redis.ts";
import { lastDisagreements } from "./agree.ts";
import { callCommands } from "./call-operations.ts";
import { creditCommands, granting, ordering } from "./credit-operations.ts";
import { lateRepeat, prepare, type Operation, type Real } from "./operation.ts";
import { announcing, deciding, peopleCommands, turning } from "./people-operations.ts";
import { beginningRound, delivering, planning, reportCommands } from "./report-operations.ts";
import { beating, claiming, finishing, leaving, sectionCommands } from "./section-operations.ts";
import { ACCOUNTS, found, newTwin, PROCESSES, type Twin } from "./twin.ts";

/** `npm run model` sets them. */
const { MODEL_SEQUENCES, MODEL_SEED, MODEL_PATH } = process.env;
const SEQUENCES = Number(MODEL_SEQUENCES ?? 5_000);

/** What must have happened somewhere in so many sequences, or the run has shown nothing about it; each is far from rare. */
const ENOUGH = 5_000;
const MUST_HAPPEN = `
  answer recorded, begin checkpoint, begin go, begin postponed, begin superseded, begin wait,
  break broken, claim older, claim postponed, claim stopped, claim wait, complete begun, correct done, decide done,
  decide resolved, decide stale, deliver delivered, deliver no_artefact, deliver superseded,
  end ended, end ended_before, finish superseded, grant conflict, leave left, leave superseded,
  order insufficient_credits, order open_order, order type_disabled, park superseded, refund exceeds,
  refund refunded, round postponed, round superseded, turn turned`;

let redis: PrivateRedis;
let store: Store;
beforeAll(async () => {
  redis = await startPrivateRedis({ aof: false });
  store = openStore(connectPatiently(redis.url), "model");
});
afterAll(async () => {
  store.redis.disconnect();
  await redis.stop();
});

const seen = new Map<string, number>();

/** How often each is drawn, so that sequences go far and end seldom. */
const WEIGHTED: [number, fc.Arbitrary<fc.AsyncCommand<Twin, Real>>][] = [
  [2, creditCommands.grant],
  [3, creditCommands.order],
  [4, creditCommands.refund],
  [1, creditCommands.sweep],
  [2, reportCommands.plan],
  [12, reportCommands.round],
  [8, reportCommands.park],
  [14, reportCommands.deliver],
  [1, reportCommands.end],
  [4, reportCommands.probe],
  [20, sectionCommands.claim],
  [16, sectionCommands.finish],
  [6, sectionCommands.leave],
  [2, sectionCommands.die],
  [3, sectionCommands.beat],
  [8, sectionCommands.break],
  [16, callCommands.begin],
  [16, callCommands.answer],
  [3, callCommands.conclude],
  [1, callCommands.spending],
  [12, peopleCommands.decide],
  [1, peopleCommands.correct],
  [8, peopleCommands.complete],
  [2, peopleCommands.turn],
  [1, peopleCommands.announce],
  [10, lateRepeat()],
];

/** An order that is being written, also by older code than is on trial, or one that was delivered in part. */
const SCENES = ["written", "written", "on trial", "delivered in part"] as const;

async function begin(scene: (typeof SCENES)[number]): Promise<{ model: Twin; real: Real }> {
  await store.redis.flushdb();
  const model = newTwin();
  const real: Real = { store, sent: [], seen };
  const first = async (operation: Operation) => prepare(operation, model, real);
  await first(announcing(1));
  for (const account of ACCOUNTS) await first(granting(account, 12, "start"));
  for (const process of PROCESSES) await first(beating(process));
  const terms = { budget: 1_000_000, source: "s1", key: "k0", again: false, maxWaiting: null, hold: false };
  await first(ordering(1, { account: "acme", credits: 6, ...terms }));
  const report = found(model.reports[0]);
  const claim = async (section: string) => {
    await first(claiming(report, { ...report }, section, "p0", 1, `claim-${section}`));
    return found(model.claims.at(-1));
  };
  await first(planning(report, { ...report }));
  await first(beginningRound(report, { ...report }, null));
  const held = await claim("a");
  if (scene === "written") return { model, real };
  if (scene === "on trial") {
    for (const turn of [turning("open"), announcing(2), turning("half_open")]) await first(turn);
    return { model, real };
  }
  await first(finishing(held, [], null));
  await first(leaving(await claim("b"), [], { to: "park", weight: "none" }));
  await first(deciding(report, found(report.cases[0]), "skip_section", 1, "skip"));
  const inPart = {
    delivery: "partial",
    sections: [{ key: "a", outputHash: found(report.sections.get("a")).output ?? "" }],
    commitCredits: 2,
    by: "ada",
    why: "a test",
  } as const;
  await first(delivering(report, { ...report }, inPart, true));
  return { model, real };
}

test(
  "whatever happens in whatever order and however often, the fleet in Redis is the one that the promises describe",
  { timeout: 60_000 + SEQUENCES * 100 },
  async () => {
    const commands = fc.commands(
      WEIGHTED.flatMap(([times, arbitrary]) => Array.from({ length: times }, () => arbitrary)),
      { maxCommands: 120, size: "max" },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...SCENES), commands, async (scene, sequence) => {
        const state = await begin(scene);
        await fc.asyncModelRun(() => state, sequence);
        expect(await lastDisagreements(state.model, store)).toEqual([]);
      }),
      {
        numRuns: SEQUENCES,
        ...(MODEL_SEED === undefined ? {} : { seed: Number(MODEL_SEED) }),
        ...(MODEL_PATH === undefined ? {} : { path: MODEL_PATH }),
      },
    );
    const isLong = SEQUENCES >= ENOUGH && MODEL_PATH === undefined;
    const missed = MUST_HAPPEN.split(",").filter((word) => !seen.has(word.trim()));
    expect(isLong ? missed : []).toEqual([]);
    const steps = [...seen.values()].reduce((sum, times) => sum + times, 0);
    process.stdout.write(`${SEQUENCES} sequences, ${steps} steps: Redis and its twin agreed after each.\n`);
  },
);
