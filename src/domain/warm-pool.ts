/**
 * How many replicas a pool of workers keeps, from nothing but how much there is to write and when it last was more.
 *
 *     idle (0) ── a section to write ──▶ warm (min) ── more than they can hold ──▶ up to max
 *        ▲                                  │  ▲                                       │
 *        └── nothing for idleTtl ───────────┘  └── not needed for scaledownTtl ────────┘
 *
 * Up at once, because a customer waits; down late, because the next burst is cheaper with warm replicas. The four numbers
 * are a fleet's and not a supervisor's: `report-fleet pool`, the compose file and the KEDA manifest all say these, and a
 * test holds them together.
 */
export interface PoolSettings {
  /** Kept warm while there is work now and then; never more than the most. */
  replicas: { least: number; most: number };
  /** Sections one replica writes at the same time. */
  concurrency: number;
  /** A replica is stopped once it was not needed for so long. */
  scaledownTtlMs: number;
  /** All are stopped once there was nothing to write for so long. */
  idleTtlMs: number;
}

export const DEFAULT_POOL: PoolSettings = {
  replicas: { least: 2, most: 6 },
  concurrency: 4,
  scaledownTtlMs: 5 * 60_000,
  idleTtlMs: 30 * 60_000,
};

/** Below this a pool would stop and start replicas with every lull, and each start costs seconds of a customer's time. */
export const SHORTEST_TTL_MS = 30_000;
export const MOST_REPLICAS = 64;

/** What the queues hold for workers; null where they could not be read. */
export interface Demand {
  /** Sections that somebody could write now, and those being written. */
  sections: number;
}

/** What a pool remembers of its demand, in its own time. */
export interface PoolMemory {
  /** At index n - 1: when n replicas were last needed. */
  neededAt: readonly number[];
  /** When there was last something to write. */
  busyAt: number;
}

/** A pool that starts is warm, as if it had just been busy. */
export function freshMemory(settings: PoolSettings, now: number): PoolMemory {
  return {
    neededAt: Array.from({ length: settings.replicas.most }, () => Number.NEGATIVE_INFINITY),
    busyAt: now,
  };
}

export interface PoolDecision {
  target: number;
  memory: PoolMemory;
}

/**
 * `replicas` is how many there are. A demand that nobody knows, while Redis is away, is taken for what there is: an
 * outage is no lull.
 */
export function decidePool(
  settings: PoolSettings,
  memory: PoolMemory,
  seen: { demand: Demand | null; replicas: number; now: number },
): PoolDecision {
  const { least, most } = settings.replicas;
  const { demand, replicas, now } = seen;
  const busy = demand === null ? replicas > 0 : demand.sections > 0;
  const wanted = demand === null ? replicas : Math.ceil(demand.sections / settings.concurrency);
  const next: PoolMemory = {
    neededAt: memory.neededAt.map((at, index) => (index < wanted ? now : at)),
    busyAt: busy ? now : memory.busyAt,
  };
  if (now - next.busyAt >= settings.idleTtlMs) return { target: 0, memory: next };
  const lately = next.neededAt.findLastIndex((at) => now - at < settings.scaledownTtlMs) + 1;
  return { target: Math.min(Math.max(lately, least), most), memory: next };
}

/** One place of the pool and the worker process in it. */
export type Replica = { place: number } & (
  | { status: "up"; crashes: number; since: number }
  /** Told to stop: it lets its calls answer and hands its sections on. It takes nothing new, so it counts no more. */
  | { status: "draining" }
  /** Ended by itself; started again when its time has come. */
  | { status: "crashed"; crashes: number; restartAt: number }
);

export type PoolMove =
  | { move: "start"; place: number; crashes: number }
  | { move: "drain"; place: number }
  /** A crashed one that is not needed any more. */
  | { move: "forget"; place: number };

/** What has to be done for `target` replicas, in order. The highest places go first, so that the low ones stay warm. */
export function movesTo(target: number, replicas: readonly Replica[], now: number): PoolMove[] {
  const counting = replicas.filter(({ status }) => status !== "draining").sort((a, b) => a.place - b.place);
  const moves: PoolMove[] = [];
  const surplus = Math.max(0, counting.length - target);
  // A crashed one serves nobody, so it is the first to go.
  const leaving = [
    ...counting.filter(({ status }) => status === "crashed").toReversed(),
    ...counting.filter(({ status }) => status === "up").toReversed(),
  ].slice(0, surplus);
  for (const { place, status } of leaving)
    moves.push({ move: status === "crashed" ? "forget" : "drain", place });
  for (const replica of counting)
    if (replica.status === "crashed" && !leaving.includes(replica) && replica.restartAt <= now)
      moves.push({ move: "start", place: replica.place, crashes: replica.crashes });
  const taken = new Set(replicas.map(({ place }) => place));
  for (let place = 0, missing = target - counting.length; missing > 0; place++) {
    if (taken.has(place)) continue;
    moves.push({ move: "start", place, crashes: 0 });
    missing -= 1;
  }
  return moves;
}

export interface RestartPauses {
  firstMs: number;
  longestMs: number;
  /** One that ran for so long starts its count anew. */
  steadyMs: number;
}

/** A replica has ended unasked: it comes back, each time later, until it has run for a while. */
export function crashed(
  replica: Extract<Replica, { status: "up" }>,
  now: number,
  pauses: RestartPauses,
): Extract<Replica, { status: "crashed" }> {
  const crashes = (now - replica.since >= pauses.steadyMs ? 0 : replica.crashes) + 1;
  const pauseMs = Math.min(pauses.firstMs * 2 ** Math.min(crashes - 1, 30), pauses.longestMs);
  return { place: replica.place, status: "crashed", crashes, restartAt: now + pauseMs };
}
