/**
 * The one file that knows BullMQ's worker API: endings become waits, failures and hand-overs, and what a process has in
 * hand is written down, so that others can hand it on when the process dies.
 *
 * A move and its error belong together: `moveToDelayed` without `DelayedError` (or the other way round) leaves a job
 * active that nobody works on, so both happen here and nowhere else.
 */
import {
  DelayedError,
  UnrecoverableError,
  WaitingChildrenError,
  WaitingError,
  Worker,
  type Job,
  type Telemetry,
} from "bullmq";
import type { Redis } from "ioredis";
import { inTraceOf } from "../observability/tracing.ts";
import { readTraceparent } from "../store/reports.ts";
import { listInHand, noteFetchers, putDown, takeInHand, type JobInHand } from "../store/processes.ts";
import {
  REPORTS_QUEUE,
  sectionsQueue,
  WEBHOOKS_QUEUE,
  type ReportJobData,
  type SectionJobData,
  type WebhookJobData,
} from "../store/queues.ts";
import { isNewerVersion } from "../store/version.ts";
import { advanceReport } from "./advance-report.ts";
import type { Ending } from "./ending.ts";
import { lendToFirstInLine } from "./first-in-line.ts";
import type { Recalls } from "./recalls.ts";
import { SectionPlaces } from "./section-places.ts";
import type { JobControl, SendWebhook, Workshop } from "./session.ts";
import { writeSection } from "./write-section.ts";

/** Carries a verdict's wait through BullMQ, whose only way to say "later, and count it" is an error. */
class TryAgain extends Error {
  readonly afterMs: number;

  constructor(afterMs: number) {
    super("waiting to be tried again");
    this.name = "TryAgain";
    this.afterMs = afterMs;
  }
}

/** Stalls are lost workers, and our own sweeper counts those; BullMQ's budget must not end a paid section. */
const NEVER_BY_STALLS = 1_000;
const LONGEST_INFRASTRUCTURE_WAIT_MS = 30_000;

export interface Drain {
  /** Says why nothing new may begin here; null while the process works. */
  because: string | null;
  /** Aborted when the grace period is over. */
  abort: AbortController;
  /** Aborts what is in flight for reports that ended meanwhile. */
  recalls: Recalls;
}

type JobData = ReportJobData | SectionJobData | WebhookJobData;

export class JobWorkers {
  readonly #workshop: Workshop;
  readonly #drain: Drain;
  readonly #connect: () => Redis;
  readonly #telemetry: { telemetry?: Telemetry };
  readonly #workers: Worker[] = [];
  readonly #lostLocks = new Set<string>();
  /** Null in a process that writes no sections. */
  #places: SectionPlaces | null = null;
  /** Sections that are being written, by report and section: the job of a newer run may bring one again. */
  readonly #writing = new Set<string>();
  /** Why no section may be taken right now. */
  readonly #holds = new Set<string>();
  /** What is in hand as we know it: job → the token it was fetched with. */
  readonly #held = new Map<string, string>();
  /** What the store said was in our hands and was not, when last looked at. */
  #strange: ReadonlySet<string> = new Set();

  constructor(workshop: Workshop, drain: Drain, connect: () => Redis, telemetry: Telemetry | null = null) {
    this.#telemetry = telemetry === null ? {} : { telemetry };
    this.#workshop = workshop;
    this.#drain = drain;
    this.#connect = connect;
  }

  /** Parents: cheap, no LLM calls. */
  serveReports(concurrency: number): void {
    this.#serve(REPORTS_QUEUE, concurrency, async (job: Job<ReportJobData>, token) => {
      const parent = { id: job.id ?? "", queueKey: job.queueQualifiedName };
      return this.#traced("advance report", job.data, () =>
        advanceReport(this.#workshop, job.data, {
          addSections: (type, turn, jobs) => this.#workshop.queues.addSections(parent, type, turn, jobs),
          awaitChildren: () => job.moveToWaitingChildren(token),
        }),
      );
    });
  }

  /** Webhooks: `send` sends one delivery once and says whether it is to be sent again. */
  serveWebhooks(concurrency: number, send: SendWebhook): void {
    this.#serve(WEBHOOKS_QUEUE, concurrency, async (job: Job<WebhookJobData>) => {
      const ending = await send(this.#workshop, job.data.delivery);
      return ending.outcome === "again" ? { ending: "retry", afterMs: ending.afterMs } : { ending: "done" };
    });
  }

  /** Sections of all types this process knows, `concurrency` at a time together, and a few more that are first in line. */
  serveSections(concurrency: number): void {
    const places = new SectionPlaces(concurrency, {
      mayFetch: () => this.#drain.because === null && this.#holds.size === 0,
      countFirst: (type) => this.#workshop.queues.firstInLine(type),
    });
    this.#places = places;
    for (const { type } of this.#workshop.types.all()) {
      const worker = this.#serve(
        sectionsQueue(type),
        concurrency,
        async (job: Job<SectionJobData>, token) => {
          const { report, section } = job.data;
          const own = `${report}/${section}`;
          // Its lock was lost, or a newer run begins, and an attempt goes on here: two at once would pay for the same.
          if (this.#writing.has(own))
            return { ending: "delay", afterMs: this.#workshop.durations.askAgainMs };
          // A worker that was waiting for a job when it was told to take none gets one all the same.
          if (!places.take(type, job.priority)) return { ending: "hand_on" };
          this.#writing.add(own);
          try {
            const claimId = `${token}/${job.attemptsStarted}`;
            return await this.#traced("write section", job.data, () =>
              writeSection(this.#workshop, { ...job.data, claimId }, this.#controlOf(job)),
            );
          } finally {
            this.#writing.delete(own);
            this.#drain.recalls.putDown(report);
            places.giveBack(type);
          }
        },
      );
      worker.on("drained", () => places.foundNothing(type));
      places.serve(type, worker);
    }
    void lendToFirstInLine(this.#workshop.store, this.#connect(), places);
  }

  /** Takes no section while any hold is on; those in hand go on. */
  hold(why: string, on: boolean): void {
    if (on) this.#holds.add(why);
    else this.#holds.delete(why);
    this.#places?.refresh();
  }

  /** Begins to fetch, once it is written down by which names this process does. */
  async start(): Promise<void> {
    await this.announce();
    // Ends with the worker; what goes wrong on the way is told by its `error` event.
    for (const worker of this.#workers) void worker.run().catch(() => undefined);
  }

  /** Again after the process was taken for dead: its registration is gone then. */
  async announce(): Promise<void> {
    const { store, processId } = this.#workshop;
    await noteFetchers(
      store,
      processId,
      Object.fromEntries(this.#workers.map((worker) => [worker.id, worker.name])),
    );
  }

  /**
   * Jobs that the store believes to be in our hands, and we are done with: it has lost what we told it, since its newest
   * writes went with a power cut or a failover. Twice in a row, for a job may just be on its way out.
   */
  async forgotten(): Promise<JobInHand[]> {
    const { store, processId } = this.#workshop;
    const rows = await listInHand(store, processId);
    const strange = rows.filter((row) => this.#held.get(nameOf(row)) !== row.token);
    const known = this.#strange;
    this.#strange = new Set(strange.map(({ token, ...row }) => `${nameOf(row)} ${token}`));
    return strange.filter(({ token, ...row }) => known.has(`${nameOf(row)} ${token}`));
  }

  /** Stops fetching; resolves when every job has ended or moved on. Locks are renewed meanwhile. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }

  /** Jobs that have not ended or moved on. */
  get inHand(): number {
    return this.#held.size;
  }

  /** As a span of the report's own trace, whichever process and run it is. */
  #traced(name: string, data: ReportJobData | SectionJobData, work: () => Promise<Ending>): Promise<Ending> {
    const { report, run } = data;
    const attributes = { "report_fleet.report": report, "report_fleet.run": run };
    return inTraceOf(
      report,
      () => readTraceparent(this.#workshop.store, report),
      name,
      "section" in data ? { ...attributes, "report_fleet.section": data.section } : attributes,
      async (note) => {
        const ending = await work();
        note({ "report_fleet.ending": ending.ending });
        return ending;
      },
    );
  }

  /** Unless it is in hand anew. */
  #letGo(job: Pick<JobInHand, "queue" | "jobId" | "token">): void {
    if (this.#held.get(nameOf(job)) === job.token) this.#held.delete(nameOf(job));
  }

  #controlOf(job: Job<SectionJobData>): JobControl {
    const recalled = this.#drain.recalls.pickUp(job.data.report);
    return {
      signal: AbortSignal.any([this.#drain.abort.signal, recalled]),
      handOnBecause: () =>
        this.#drain.because ?? (this.#lostLocks.has(job.id ?? "") ? "its worker lost the job's lock" : null),
    };
  }

  #serve<Data extends JobData>(
    queue: string,
    concurrency: number,
    work: (job: Job<Data>, token: string) => Promise<Ending>,
  ): Worker {
    const { store, durations, processId } = this.#workshop;
    const worker = new Worker<Data>(
      queue,
      async (job, token = "") => {
        const jobId = job.id ?? "";
        if (job.attemptsStarted === 1) this.#workshop.observeWait(queue, Date.now() - job.timestamp);
        const inHand = {
          queue,
          jobId,
          token,
          report: "report" in job.data ? job.data.report : null,
          section: sectionOf(job.data),
          type: queue,
        };
        this.#held.set(nameOf(inHand), token);
        // Not waited for: what the work asks of the store comes after it on the same connection. Should it be refused, the
        // job is found by its lock (`handOnFetchedBy`).
        void takeInHand(store, processId, inHand).catch(() => undefined);
        let ending: Ending;
        try {
          ending = await work(job, token);
        } catch (error) {
          // Lost infrastructure: the store answers nothing now. The job is tried again and finds everything as it was.
          if (this.#drain.because !== null) return handOver(job, token).finally(() => this.#letGo(inHand));
          // An older process leaves what a newer one has written to the newer ones.
          if (!isNewerVersion(error)) throw error;
          ending = { ending: "delay", afterMs: durations.askAgainMs };
        } finally {
          this.#lostLocks.delete(jobId);
        }
        // BullMQ tells nobody of a job that was moved on, so it is put down here; the others when they have ended.
        if (!MOVES_ON.has(ending.ending)) return carryOutEnding(job, token, ending);
        await putDown(store, processId, inHand);
        return carryOutEnding(job, token, ending).finally(() => this.#letGo(inHand));
      },
      {
        connection: this.#connect(),
        autorun: false,
        prefix: store.keys.queuePrefix,
        concurrency,
        lockDuration: durations.lockMs,
        stalledInterval: durations.stalledMs,
        maxStalledCount: NEVER_BY_STALLS,
        // A prioritised or handed-on job is seen after at most this many seconds of an idle blocking read.
        drainDelay: 1,
        ...this.#telemetry,
        settings: { backoffStrategy: (attemptsMade, _type, error) => backoffMs(attemptsMade, error) },
      },
    );
    worker.on("error", () => undefined);
    worker.on("lockRenewalFailed", (jobIds) => {
      for (const jobId of jobIds) this.#lostLocks.add(jobId);
    });
    // Put down only once BullMQ has the result: a process that dies before that still has the job in hand.
    const release = (job: Job | undefined) => {
      if (job?.id === undefined) return;
      const inHand = { queue, jobId: job.id, token: this.#held.get(nameOf({ queue, jobId: job.id })) ?? "" };
      void putDown(store, processId, inHand)
        .catch(() => undefined)
        .finally(() => this.#letGo(inHand));
    };
    worker.on("completed", (job) => release(job));
    worker.on("failed", (job) => release(job));
    this.#workers.push(worker);
    return worker;
  }
}

function nameOf({ queue, jobId }: Pick<JobInHand, "queue" | "jobId">): string {
  return `${queue}/${jobId}`;
}

/** Endings after which the job is somewhere else and not over. */
const MOVES_ON: ReadonlySet<Ending["ending"]> = new Set(["delay", "hand_on", "await_children"]);

async function carryOutEnding(job: Job, token: string, ending: Ending): Promise<void> {
  switch (ending.ending) {
    case "done":
      return;
    case "retry":
      throw new TryAgain(ending.afterMs);
    case "delay":
      // By our own clock, as BullMQ's backoff too: it compares with that when it looks for what is due, so the time of
      // Redis would have a fast clock fetch the job again at once, over and over. `Queues.endDelays` heals the skew.
      await job.moveToDelayed(Date.now() + Math.max(1, ending.afterMs), token);
      throw new DelayedError();
    case "hand_on":
      return handOver(job, token);
    case "await_children":
      throw new WaitingChildrenError();
    case "fail":
      throw new UnrecoverableError(ending.reason);
  }
}

async function handOver(job: Job, token: string): Promise<never> {
  await job.moveToWait(token);
  throw new WaitingError();
}

function backoffMs(attemptsMade: number, error: Error | undefined): number {
  if (error instanceof TryAgain) return error.afterMs;
  return Math.min(1_000 * 2 ** Math.min(attemptsMade, 10), LONGEST_INFRASTRUCTURE_WAIT_MS);
}

function sectionOf(data: JobData): string | null {
  return "section" in data ? data.section : null;
}
