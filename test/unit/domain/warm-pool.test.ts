import { expect, test } from "vitest";
import * as fc from "fast-check";
import {
  crashed,
  decidePool,
  DEFAULT_POOL,
  freshMemory,
  movesTo,
  type Demand,
  type PoolMemory,
  type PoolSettings,
  type Replica,
} from "../../../src/domain/warm-pool.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const settings: PoolSettings = DEFAULT_POOL;
const PAUSES = { firstMs: 1 * SECOND, longestMs: 60 * SECOND, steadyMs: 60 * SECOND };

/** Lives through a day of a pool: at each minute so many sections, and what the pool keeps for them. */
function live(story: readonly (readonly [minute: number, sections: number | null])[]): number[] {
  let memory: PoolMemory = freshMemory(settings, 0);
  let replicas = 0;
  return story.map(([minute, sections]) => {
    const demand: Demand | null = sections === null ? null : { sections };
    const decision = decidePool(settings, memory, { demand, replicas, now: minute * MINUTE });
    memory = decision.memory;
    replicas = decision.target;
    return decision.target;
  });
}

test("a pool that starts is warm, though there is nothing to write yet", () => {
  expect(live([[0, 0]])).toEqual([2]);
});

test("a burst brings as many replicas as its sections fill, at once and never more than the most", () => {
  expect(live([[0, 1], [1, 8], [2, 9], [3, 24], [4, 500]])).toEqual([2, 2, 3, 6, 6]); // prettier-ignore
});

test("a replica that was needed a moment ago stays for the scale-down time, and the next burst finds it", () => {
  expect(live([[0, 24], [1, 3], [4, 3], [4.9, 17]])).toEqual([6, 6, 6, 6]); // prettier-ignore
});

test("after the scale-down time only those stay that were needed meanwhile", () => {
  expect(live([[0, 24], [1, 13], [5, 3], [6, 3]])).toEqual([6, 6, 4, 2]); // prettier-ignore
});

test("with nothing to write for the idle time all are stopped, and the first section brings the warm ones back", () => {
  expect(live([[0, 24], [1, 0], [7, 0], [29.9, 0], [30, 0], [300, 0], [301, 1]])).toEqual([6, 6, 2, 2, 0, 0, 2]); // prettier-ignore
});

test("while nobody can read the queues a pool keeps what it has: an outage of Redis is no lull", () => {
  expect(live([[0, 24], [1, null], [90, null], [91, 3], [96, 3]])).toEqual([6, 6, 6, 6, 2]); // prettier-ignore
});

test("an idle pool does not start replicas because Redis is away", () => {
  expect(live([[0, 0], [30, 0], [31, null]])).toEqual([2, 0, 0]); // prettier-ignore
});

test("whatever happens, a pool has between least and most replicas, or none after a long silence", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.option(fc.integer({ min: 0, max: 60 })))),
      (steps) => {
        let minute = 0;
        let busyAt = 0;
        const story = steps.map(([later, sections]) => [(minute += later), sections] as const);
        const targets = live(story);
        for (const [index, target] of targets.entries()) {
          const [at = 0, sections = null] = story[index] ?? [];
          // A pool that is asleep is not woken by an outage of Redis.
          if (sections === null ? (targets[index - 1] ?? 0) > 0 : sections > 0) busyAt = at;
          // Nobody knows the demand: then it is what there was.
          if (sections === null) continue;
          const least = sections === 0 ? 2 : Math.min(6, Math.max(2, Math.ceil(sections / 4)));
          const idle = target === 0 && at - busyAt >= 30;
          expect(idle || (target >= least && target <= 6)).toBe(true);
        }
      },
    ),
  );
});

const up = (place: number): Replica => ({ place, status: "up", crashes: 0, since: 0 });

test("more replicas take the lowest free places; one that still drains keeps its own", () => {
  expect(movesTo(3, [up(0), { place: 1, status: "draining" }], 0)).toEqual([
    { move: "start", place: 2, crashes: 0 },
    { move: "start", place: 3, crashes: 0 },
  ]);
});

test("fewer replicas are drained from the highest place, and a crashed one is forgotten before any that works", () => {
  const replicas: Replica[] = [
    up(0),
    { place: 1, status: "crashed", crashes: 3, restartAt: 0 },
    up(2),
    up(3),
  ];
  expect(movesTo(2, replicas, 10)).toEqual([
    { move: "forget", place: 1 },
    { move: "drain", place: 3 },
  ]);
});

test("a pool that is told to end drains every replica, once", () => {
  const replicas: Replica[] = [up(0), { place: 1, status: "draining" }, up(2)];
  expect(movesTo(0, replicas, 0)).toEqual([
    { move: "drain", place: 2 },
    { move: "drain", place: 0 },
  ]);
});

test("a replica that crashes again and again is started later each time, a minute at most", () => {
  let now = 0;
  let crashes = 0;
  const pauses = Array.from({ length: 9 }, () => {
    const dead = crashed({ place: 0, status: "up", crashes, since: now }, now, PAUSES);
    crashes = dead.crashes;
    expect(movesTo(1, [dead], dead.restartAt - 1)).toEqual([]);
    expect(movesTo(1, [dead], dead.restartAt)).toEqual([{ move: "start", place: 0, crashes }]);
    const pause = dead.restartAt - now;
    now = dead.restartAt;
    return pause / SECOND;
  });
  expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

test("a replica that ran for a minute before it crashed is started again as after a first crash", () => {
  const dead = crashed({ place: 0, status: "up", crashes: 7, since: 0 }, 60 * SECOND, PAUSES);
  expect(dead).toMatchObject({ crashes: 1, restartAt: 61 * SECOND });
});
