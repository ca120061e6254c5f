/**
 * BullMQ's queues, flows and job ids. BullMQ is the doorbell: a job says that there may be something to do, the store
 * says what. So job data holds ids only, and any job may be lost, repeated or removed by hand.
 *
 * Ids carry run and round, because adding a job under an id that exists is silently no job at all.
 */
import { FlowProducer, Job, Queue, type JobsOptions, type Telemetry } from "bullmq";
import type { Redis } from "ioredis";
import { FIRST_TURNS, isFirstInLine } from "../domain/fairness.ts";
import type { ReportId } from "../domain/ids.ts";
import { ringFirstInLine } from "./first-in-line.ts";
import { listBreakers } from "./read-breakers.ts";
import type { Store } from "./redis.ts";

export const REPORTS_QUEUE = "reports";
export const WEBHOOKS_QUEUE = "webhooks";

export interface ReportJobData {
  report: ReportId;
  run: number;
}

export interface WebhookJobData {
  delivery: string;
}

export interface SectionJobData {
  report: ReportId;
  section: string;
  run: number;
  round: number;
}

/** One queue per report type, so that a type can be paused, limited and watched by itself. */
export function sectionsQueue(type: string): string {
  return `sections.${type}`;
}

/** Every queue there is: one for each type that was announced. */
export async function queueNames(store: Store): Promise<string[]> {
  return [REPORTS_QUEUE, WEBHOOKS_QUEUE, ...(await listBreakers(store)).map(sectionsQueue)];
}

export interface QueueNumbers {
  isPaused: boolean;
  /** Those with a priority among them. */
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
}

export function reportJobId(report: ReportId, run: number): string {
  return `${report}.r${run}`;
}

function sectionJobId(job: SectionJobData): string {
  return `${job.report}.${job.section}.r${job.run}.${job.round}`;
}

/** The section in a child's key, `<prefix>:<queue>:<report>.<section>.r<run>.<round>`; no name in it has a dot or a colon. */
function sectionIn(childKey: string): string | null {
  const id = childKey.slice(childKey.lastIndexOf(":") + 1);
  return id.split(".")[1] ?? null;
}

/** More children than a report may have sections; what lies beyond is not looked at. */
const MOST_CHILDREN = 1_000;
const CHILDREN_AT_ONCE = 200;

/** The store keeps the record; of finished jobs only what Bull Board wants to show is kept. */
const KEPT = {
  removeOnComplete: { count: 100 },
  removeOnFail: { count: 100 },
  stackTraceLimit: 3,
  keepLogs: 20,
} as const;

/** BullMQ must never give up by counting: verdicts end a job, so its own budget lies far above any of ours. */
const NEVER_BY_COUNT = { attempts: 1_000_000, backoff: { type: "verdict" } } as const;

export class Queues {
  readonly #store: Store;
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #telemetry: { telemetry?: Telemetry };
  readonly #queues = new Map<string, Queue>();
  readonly #flow: FlowProducer;

  /** With `telemetry`, jobs carry the trace they were added in. */
  constructor(store: Store, telemetry: Telemetry | null = null) {
    this.#telemetry = telemetry === null ? {} : { telemetry };
    this.#store = store;
    this.#redis = store.redis;
    this.#prefix = store.keys.queuePrefix;
    this.#flow = new FlowProducer({ connection: this.#redis, prefix: this.#prefix, ...this.#telemetry });
    this.#flow.on("error", () => undefined);
  }

  queue(name: string): Queue {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = new Queue(name, {
        connection: this.#redis,
        prefix: this.#prefix,
        streams: { events: { maxLen: 1_000 } },
        ...this.#telemetry,
      });
      queue.on("error", () => undefined);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** How a queue stands; one that nobody has used stands empty. */
  async numbers(name: string): Promise<QueueNumbers> {
    const queue = this.queue(name);
    const [counts, isPaused] = await Promise.all([
      queue.getJobCounts("waiting", "prioritized", "active", "delayed", "failed"),
      queue.isPaused(),
    ]);
    const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
    return { isPaused, waiting: waiting + prioritized, active, delayed, failed };
  }

  /** Puts the parent job of a run into the queue, at the report's turn. Safe to repeat: the id is the run. */
  async ringReport(report: ReportId, run: number, turn: number): Promise<void> {
    const options: JobsOptions = {
      jobId: reportJobId(report, run),
      priority: turn,
      ...KEPT,
      ...NEVER_BY_COUNT,
    };
    await this.queue(REPORTS_QUEUE).add("report", { report, run } satisfies ReportJobData, options);
  }

  /** Safe to repeat while its job lives. A settled delivery leaves no job behind, so that it can be sent again. */
  async ringWebhook(delivery: string): Promise<void> {
    const options: JobsOptions = {
      ...KEPT,
      ...NEVER_BY_COUNT,
      jobId: delivery,
      removeOnComplete: true,
      removeOnFail: true,
    };
    await this.queue(WEBHOOKS_QUEUE).add("webhook", { delivery } satisfies WebhookJobData, options);
  }

  /** Adds one child job a section below the run's parent job; all are of one report, and stand at its turn. */
  async addSections(
    parent: { id: string; queueKey: string },
    type: string,
    turn: number,
    jobs: readonly SectionJobData[],
  ): Promise<void> {
    if (jobs.length === 0) return;
    await this.#flow.addBulk(
      jobs.map((job) => ({
        name: job.section,
        queueName: sectionsQueue(type),
        prefix: this.#prefix,
        data: job,
        opts: {
          jobId: sectionJobId(job),
          priority: turn,
          parent: { id: parent.id, queue: parent.queueKey },
          ignoreDependencyOnFailure: true,
          ...KEPT,
          ...NEVER_BY_COUNT,
        },
      })),
    );
    if (isFirstInLine(turn)) ringFirstInLine(this.#store, type);
  }

  /** Sections of a type that wait and are first in their account's line. */
  async firstInLine(type: string): Promise<number> {
    const counts = await this.queue(sectionsQueue(type)).getCountsPerPriority([...FIRST_TURNS]);
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  /** As `addSections`, below a parent that may be waiting for others; false where it has ended meanwhile. */
  async joinSections(type: string, turn: number, jobs: readonly SectionJobData[]): Promise<boolean> {
    const [first] = jobs;
    if (first === undefined) return true;
    const parent = await Job.fromId(this.queue(REPORTS_QUEUE), reportJobId(first.report, first.run));
    if (parent === undefined) return false;
    await this.addSections({ id: parent.id ?? "", queueKey: parent.queueQualifiedName }, type, turn, jobs);
    return true;
  }

  /**
   * The sections a run's parent job waits for. `parent_looks`: it does not wait for any, and looks at the report when it
   * runs next or is made anew; `parent_active`: it runs, and may have looked before.
   */
  async queuedSections(
    report: ReportId,
    run: number,
  ): Promise<ReadonlySet<string> | "parent_active" | "parent_looks"> {
    const parent = await Job.fromId(this.queue(REPORTS_QUEUE), reportJobId(report, run));
    const state = await parent?.getState();
    if (state === "active") return "parent_active";
    if (parent === undefined || state !== "waiting-children") return "parent_looks";
    const queued = new Set<string>();
    for await (const children of this.#openChildren(parent)) {
      for (const key of await this.#notOver(children)) {
        const section = sectionIn(key);
        if (section !== null) queued.add(section);
      }
    }
    return queued;
  }

  /** The parent job's state, or null where BullMQ has none. `stuck` = it waits for children that are not there or have ended. */
  async parentState(report: ReportId, run: number): Promise<"live" | "ended" | "stuck" | null> {
    const job = await Job.fromId(this.queue(REPORTS_QUEUE), reportJobId(report, run));
    if (job === undefined) return null;
    const state = await job.getState();
    if (state === "completed" || state === "failed" || state === "unknown") return "ended";
    if (state !== "waiting-children") return "live";
    for await (const children of this.#openChildren(job))
      if ((await this.#notOver(children)).length > 0) return "live";
    // Its last child may have ended meanwhile, and then it goes on by itself.
    return (await job.isWaitingChildren()) ? "stuck" : "live";
  }

  /**
   * Lets the delayed jobs of a run go now; each asks the store whether its time has come. BullMQ reckons a delay by the
   * clock of the process that asks for it and ends it by the clock of the one that looks, so a fast clock can leave a
   * job behind for as long as it is fast.
   */
  async endDelays(report: ReportId, run: number): Promise<void> {
    const parent = await Job.fromId(this.queue(REPORTS_QUEUE), reportJobId(report, run));
    if (parent === undefined) return;
    await endDelay(parent);
    for await (const children of this.#openChildren(parent))
      for (const key of children) {
        // <prefix>:<queue>:<id>, and neither queue nor id has a colon.
        const [name, id] = key.slice(this.#prefix.length + 1).split(":");
        if (name === undefined || id === undefined) continue;
        const child = await Job.fromId(this.queue(name), id);
        if (child !== undefined) await endDelay(child);
      }
  }

  /** The keys of the children a parent job still waits for, a page at a time, whether they exist or not. */
  async *#openChildren(parent: Job): AsyncGenerator<string[]> {
    let cursor = 0;
    for (let seen = 0; seen < MOST_CHILDREN; seen += CHILDREN_AT_ONCE) {
      const { unprocessed = [], nextUnprocessedCursor = 0 } = await parent.getDependencies({
        unprocessed: { count: CHILDREN_AT_ONCE, cursor },
      });
      if (unprocessed.length > 0) yield unprocessed;
      if (nextUnprocessedCursor === 0) return;
      cursor = nextUnprocessedCursor;
    }
  }

  /**
   * Those that are there and have not ended. A child that has failed may be waited for again: where the reply to its adding was
   * lost, it is added once more, and BullMQ lets the parent wait for whatever has not completed.
   */
  async #notOver(children: readonly string[]): Promise<string[]> {
    const pipeline = this.#redis.pipeline();
    for (const key of children) pipeline.hmget(key, "timestamp", "finishedOn");
    const replies = (await pipeline.exec()) ?? [];
    return children.filter((_, index) => {
      const [error, fields] = replies[index] ?? [null, []];
      if (error) throw error;
      const [added, finished] = fields as (string | null)[];
      return typeof added === "string" && typeof finished !== "string";
    });
  }

  /** Takes the parent job out of the queue, so that the run can be rung again under the same id. */
  async removeParent(report: ReportId, run: number): Promise<void> {
    const job = await Job.fromId(this.queue(REPORTS_QUEUE), reportJobId(report, run));
    await job?.remove({ removeChildren: false });
  }

  /**
   * Gives a dead process's active job to the next worker at once: no attempt, no stall. Does nothing unless that very
   * process's token still holds the lock.
   */
  async handOn(queueName: string, jobId: string, token: string): Promise<boolean> {
    const queue = this.queue(queueName);
    const holder = await this.#redis.get(`${this.#prefix}:${queueName}:${jobId}:lock`);
    if (holder !== token) return false;
    const job = await Job.fromId(queue, jobId);
    if (job === undefined) return false;
    await job.moveToWait(token);
    return true;
  }

  /** As `handOn`, for whatever a dead BullMQ worker fetched and had no time to write down. */
  async handOnFetchedBy(queueName: string, workerId: string): Promise<void> {
    const jobIds = await this.#redis.lrange(`${this.#prefix}:${queueName}:active`, 0, -1);
    if (jobIds.length === 0) return;
    const locks = await this.#redis.mget(jobIds.map((jobId) => `${this.#prefix}:${queueName}:${jobId}:lock`));
    for (const [index, jobId] of jobIds.entries()) {
      const token = locks[index];
      if (token?.startsWith(`${workerId}:`)) await this.handOn(queueName, jobId, token);
    }
  }

  /**
   * How many sections somebody could write now or is writing. One that was put off counts from its time on: only a worker
   * of its queue lets it go, so a fleet without workers has to see that there is something for them.
   */
  async sectionsToWrite(types: readonly string[]): Promise<number> {
    const counts = await Promise.all(
      types.map(async (type) => {
        const name = sectionsQueue(type);
        const now = await this.queue(name).getJobCountByTypes("waiting", "prioritized", "active");
        return (
          now + (await this.#redis.zcount(`${this.#prefix}:${name}:delayed`, "-inf", dueScore(Date.now())))
        );
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /**
   * Shows in Bull Board that a type is stopped. Pauses only what is empty: a job that waits belongs to a report that
   * has to be told why it waits, so it is let through to hear it.
   */
  async showStopped(type: string, stopped: boolean): Promise<void> {
    const queue = this.queue(sectionsQueue(type));
    const paused = await queue.isPaused();
    const pause = stopped && (await queue.getJobCountByTypes("waiting", "prioritized")) === 0;
    if (pause && !paused) await queue.pause();
    if (!pause && paused) await queue.resume();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    await this.#flow.close();
  }
}

/** BullMQ's own order of delayed jobs: the millisecond they are due, and 4,096 places within it. */
function dueScore(now: number): number {
  return (now + 1) * 0x1000 - 1;
}

/** It may have been fetched in between; then there is nothing to end. */
async function endDelay(job: Job): Promise<void> {
  if (!(await job.isDelayed())) return;
  try {
    await job.promote();
  } catch (error) {
    if (await job.isDelayed()) throw error;
  }
}
