/**
 * Supervises worker processes on one host by how much there is to write. How many is decided in `domain/warm-pool.ts`;
 * here processes are started, drained and buried.
 *
 *     start ──▶ up ──▶ draining ──▶ gone            asked to: calls answer, sections are handed on
 *                └──▶ crashed ──▶ start             unasked: what it had in hand is handed on at once, as its death is certain
 *
 * The pool holds no state that matters: one that is killed takes its replicas along, each handing its work on, and the
 * next one begins with what the queues say.
 */
import { setTimeout as pause } from "node:timers/promises";
import { crashed, decidePool, freshMemory, movesTo } from "../domain/warm-pool.ts";
import type { PoolMemory, PoolSettings, Replica, RestartPauses } from "../domain/warm-pool.ts";
import { Queues } from "../store/queues.ts";
import { connectForRequests, openStore } from "../store/redis.ts";
import { handOnWorkOfTheGone } from "./hand-on.ts";
import type { Workshop } from "./session.ts";

/** A worker process as the pool sees it; who starts it knows how. */
export interface ReplicaProcess {
  pid: number;
  /** Its name in the process registry, once it runs; null where it ended before. */
  started: Promise<string | null>;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  signal(name: "SIGTERM" | "SIGKILL"): void;
}

export type PoolEvent =
  | ({ event: "pool.started" } & PoolSettings)
  /** `sections` are those that could be written now and those being written; null while Redis is away. */
  | { event: "pool.resized"; from: number; to: number; sections: number | null }
  | { event: "pool.idle"; afterMs: number }
  | { event: "pool.blind" }
  | { event: "pool.sees_again" }
  | { event: "pool.draining"; replicas: number }
  | { event: "pool.ended" }
  | { event: "replica.starting"; replica: number; pid: number }
  | { event: "replica.started"; replica: number; pid: number; process: string }
  | { event: "replica.draining"; replica: number; pid: number }
  | {
      event: "replica.drained";
      replica: number;
      pid: number;
      code: number | null;
      signal: NodeJS.Signals | null;
    }
  | { event: "replica.killed"; replica: number; pid: number; afterMs: number }
  | {
      event: "replica.crashed";
      replica: number;
      pid: number;
      code: number | null;
      signal: NodeJS.Signals | null;
      crashes: number;
      restartInMs: number;
    }
  | { event: "work.handed_on"; process: string; sections: number };

export interface PoolDurations extends RestartPauses {
  /** How often it looks at the queues. */
  lookMs: number;
  /** How long a replica may take to end once it was told to; then it is killed. */
  drainMs: number;
}

export interface PoolOptions {
  redisUrl: string;
  fleet: string;
  types: Workshop["types"];
  settings: PoolSettings;
  durations: PoolDurations;
  startReplica: (place: number) => ReplicaProcess;
  tell: (event: PoolEvent) => void;
}

export class Pool {
  readonly #options: PoolOptions;
  readonly #workshop: Pick<Workshop, "store" | "queues" | "types">;
  readonly #replicas = new Map<number, Replica>();
  readonly #processes = new Map<number, ReplicaProcess>();
  /** One for each process that is not gone. */
  readonly #lives = new Set<Promise<void>>();
  #memory: PoolMemory;
  #target = 0;
  /** Something of ours died and its work is not known to be handed on; also at the start, for a pool before us. */
  #unburied = true;
  #blind = false;
  #wake = new AbortController();
  #stopping = false;
  #running: Promise<void> | null = null;

  constructor(options: PoolOptions) {
    this.#options = options;
    const store = openStore(connectForRequests(options.redisUrl), options.fleet);
    this.#workshop = { store, queues: new Queues(store), types: options.types };
    this.#memory = freshMemory(options.settings, performance.now());
  }

  start(): void {
    this.#options.tell({ event: "pool.started", ...this.#options.settings });
    this.#running = this.#run();
  }

  /** Drains every replica; resolves when all are gone. */
  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#options.tell({ event: "pool.draining", replicas: this.#processes.size });
      this.#stopping = true;
      this.#wake.abort();
    }
    await this.#running;
    // Those that end may be followed by no other any more.
    await Promise.all(this.#lives);
    // What a killed one had in hand is not left to be noticed; where Redis is away it is.
    await this.#bury().catch(() => undefined);
    await this.#workshop.queues.close();
    this.#workshop.store.redis.disconnect();
    this.#options.tell({ event: "pool.ended" });
  }

  /** A second wish: nobody waits any more. */
  kill(): void {
    for (const process of this.#processes.values()) process.signal("SIGKILL");
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const sections = await this.#look();
      if (!this.#stopping) this.#resize(sections);
      await pause(this.#options.durations.lookMs, undefined, { signal: this.#wake.signal }).catch(
        () => undefined,
      );
      if (!this.#stopping) this.#wake = new AbortController();
    }
    this.#moveTo(0);
  }

  /** Null where Redis does not tell. */
  async #look(): Promise<number | null> {
    const { tell } = this.#options;
    // Tried again with the next look; the sweeper finds it as well.
    await this.#bury().catch(() => undefined);
    try {
      const types = this.#workshop.types.all().map(({ type }) => type);
      const sections = await this.#workshop.queues.sectionsToWrite(types);
      if (this.#blind) tell({ event: "pool.sees_again" });
      this.#blind = false;
      return sections;
    } catch {
      if (!this.#blind) tell({ event: "pool.blind" });
      this.#blind = true;
      return null;
    }
  }

  #resize(sections: number | null): void {
    const { settings, tell } = this.#options;
    const now = performance.now();
    const { target, memory } = decidePool(settings, this.#memory, {
      demand: sections === null ? null : { sections },
      replicas: this.#target,
      now,
    });
    this.#memory = memory;
    if (target !== this.#target) {
      if (target === 0) tell({ event: "pool.idle", afterMs: settings.idleTtlMs });
      else tell({ event: "pool.resized", from: this.#target, to: target, sections });
    }
    this.#moveTo(target);
  }

  #moveTo(target: number): void {
    this.#target = target;
    for (const move of movesTo(target, [...this.#replicas.values()], performance.now())) {
      if (move.move === "start") this.#start(move.place, move.crashes);
      else if (move.move === "drain") this.#drain(move.place);
      else this.#replicas.delete(move.place);
    }
  }

  #start(place: number, crashes: number): void {
    const { startReplica, tell } = this.#options;
    const process = startReplica(place);
    const { pid } = process;
    this.#processes.set(place, process);
    this.#replicas.set(place, { place, status: "up", crashes, since: performance.now() });
    tell({ event: "replica.starting", replica: place, pid });
    const life = this.#follow(place, process).finally(() => void this.#lives.delete(life));
    this.#lives.add(life);
  }

  async #follow(place: number, { pid, started, ended }: ReplicaProcess): Promise<void> {
    const name = await started;
    if (name !== null) this.#options.tell({ event: "replica.started", replica: place, pid, process: name });
    this.#buryAt(place, await ended, pid);
  }

  #buryAt(place: number, how: Awaited<ReplicaProcess["ended"]>, pid: number): void {
    const { durations, tell } = this.#options;
    const replica = this.#replicas.get(place);
    this.#processes.delete(place);
    this.#replicas.delete(place);
    // One that ended as it was told to has put everything down; for any other its death is certain.
    if (replica?.status !== "draining" || how.code !== 0) this.#unburied = true;
    if (replica?.status === "up") {
      const now = performance.now();
      const dead = crashed(replica, now, durations);
      this.#replicas.set(place, dead);
      const restartInMs = Math.round(dead.restartAt - now);
      tell({ event: "replica.crashed", replica: place, pid, ...how, crashes: dead.crashes, restartInMs });
    } else tell({ event: "replica.drained", replica: place, pid, ...how });
    // Not at the next look: somebody waits for what it had in hand.
    this.#wake.abort();
  }

  #drain(place: number): void {
    const { durations, tell } = this.#options;
    const process = this.#processes.get(place);
    if (process === undefined) return;
    const { pid } = process;
    this.#replicas.set(place, { place, status: "draining" });
    tell({ event: "replica.draining", replica: place, pid });
    process.signal("SIGTERM");
    const late = setTimeout(() => {
      tell({ event: "replica.killed", replica: place, pid, afterMs: durations.drainMs });
      process.signal("SIGKILL");
    }, durations.drainMs);
    void process.ended.finally(() => clearTimeout(late));
  }

  async #bury(): Promise<void> {
    if (!this.#unburied) return;
    this.#unburied = false;
    try {
      for (const { process, sections } of await handOnWorkOfTheGone(this.#workshop))
        this.#options.tell({ event: "work.handed_on", process, sections });
    } catch (error) {
      this.#unburied = true;
      throw error;
    }
  }
}
