/**
 * Nothing is stuck: on its own timer and lease, never as a BullMQ job, the sweeper
 *
 * - puts orders into the queue whose producer died between admit and enqueue,
 * - hands on what dead processes had in hand,
 * - rings reports that should have moved by now,
 * - rings the reports of a type whose breaker has closed, and shows in the queues which types are stopped,
 * - rings reports for which their account has a running place again, and tells of those that will be late.
 *
 * Death is certain or suspected. Certain: the process lived on this very host and its pid is gone; its work is handed on
 * at once. Suspected: its beat has not moved for `suspectAfterMs`, counted over this sweeper's own unbroken sight of
 * Redis, so that an outage of Redis, a paused sweeper or a slow reply restarts the count for everybody.
 *
 * Two sweepers at once do the same work twice and harm nothing; the lease only saves the effort. A death that is certain
 * is seen without it: else a sweeper that dies would keep everybody waiting for the end of its own lease.
 */
import type { ReportId } from "../domain/ids.ts";
import { isFinished } from "../domain/report.ts";
import { keepLayout } from "../store/layout.ts";
import { sweepRetention } from "../store/retention.ts";
import { listProcesses } from "../store/processes.ts";
import { readReport } from "../store/reports.ts";
import { sweepHolds } from "../store/sweep-holds.ts";
import { sweepWakeups, type Turn } from "../store/sweep-wakeups.ts";
import {
  dropWakeup,
  leaseSweeper,
  leaveOutbox,
  listOverdue,
  listWaitingInOutbox,
  postponeWakeup,
} from "../store/wakeups.ts";
import { leavingNewer } from "../store/version.ts";
import { followBreakers, type Rung } from "./follow-breakers.ts";
import { followDeadlines } from "./follow-deadlines.ts";
import { followPlaces } from "./follow-places.ts";
import { handOnWorkOf, handOnWorkOfTheGone } from "./hand-on.ts";
import { joinRun } from "./join-run.ts";
import { endOverdueReviews } from "./overdue-reviews.ts";
import { isCertainlyGone } from "./process-identity.ts";
import type { Chore, Workshop } from "./session.ts";
import { atMost } from "./with-timeout.ts";

/** A producer that lives puts its order into the queue well within this. */
const OUTBOX_GRACE_MS = 2_000;

interface Sight {
  beat: number;
  /** How long this sweeper has seen that beat without interruption. */
  unchangedMs: number;
}

export class Sweeper {
  readonly #workshop: Workshop;
  readonly #sights = new Map<string, Sight>();
  #lastSightAt: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #sweeping: Promise<void> = Promise.resolve();
  readonly #choresUnderWay = new Map<Chore, Promise<void>>();
  readonly #turn: Turn = new Map();
  #stopped = false;

  constructor(workshop: Workshop) {
    this.#workshop = workshop;
  }

  start(): void {
    const tick = () => {
      this.#sweeping = this.sweep()
        // Redis is away: the next tick finds everything as it was.
        .catch(() => undefined)
        .finally(() => {
          if (!this.#stopped) this.#timer = setTimeout(tick, this.#workshop.durations.sweepMs);
        });
    };
    tick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#sweeping;
    await atMost(this.#workshop.durations.sweepMs, Promise.all(this.#choresUnderWay.values()));
  }

  async sweep(): Promise<void> {
    const { store, processId, durations } = this.#workshop;
    if (!(await leaseSweeper(store, processId, durations.sweepMs * 5))) {
      this.#forgetSights();
      // Who holds it may be the dead one, and what is certain needs no lease.
      await handOnWorkOfTheGone(this.#workshop);
      return;
    }
    await this.#handOnWorkOfTheDead();
    await this.#emptyOutbox();
    await this.#ringOverdue();
    await sweepHolds(store);
    await sweepWakeups(store, this.#turn, durations.reviewDeadlineMs);
    await followBreakers(this.#workshop, (report) => this.#ring(report));
    await followPlaces(this.#workshop, (report) => this.#ring(report));
    await followDeadlines(store);
    await endOverdueReviews(store);
    await sweepRetention(store, durations);
    await keepLayout(store);
    await this.#doChores();
  }

  /** A chore may run authors' code: one that takes long goes on beside the next sweeps, and is not begun twice. */
  async #doChores(): Promise<void> {
    for (const chore of this.#workshop.chores) {
      if (this.#choresUnderWay.has(chore)) continue;
      const doing = chore(this.#workshop)
        // Whatever it was, the next sweep finds everything as it was.
        .catch(() => undefined)
        .finally(() => this.#choresUnderWay.delete(chore));
      this.#choresUnderWay.set(chore, doing);
      await atMost(this.#workshop.durations.sweepMs, doing);
    }
  }

  async #handOnWorkOfTheDead(): Promise<void> {
    const { store, processId, durations } = this.#workshop;
    const processes = await listProcesses(store);
    const now = performance.now();
    const sinceLastMs = this.#lastSightAt === null ? Number.POSITIVE_INFINITY : now - this.#lastSightAt;
    // A gap in our own sight says nothing about the others.
    if (sinceLastMs > durations.sweepMs * 3 + 1_000) this.#sights.clear();
    this.#lastSightAt = now;

    for (const record of processes) {
      if (record.id === processId) continue;
      const before = this.#sights.get(record.id);
      const unchangedMs = before?.beat === record.beat ? before.unchangedMs + sinceLastMs : 0;
      this.#sights.set(record.id, { beat: record.beat, unchangedMs });
      if (isCertainlyGone(record) || unchangedMs >= durations.suspectAfterMs) {
        await handOnWorkOf(this.#workshop, record);
        this.#sights.delete(record.id);
      }
    }
  }

  async #emptyOutbox(): Promise<void> {
    const { store, queues } = this.#workshop;
    for (const report of await listWaitingInOutbox(store, OUTBOX_GRACE_MS))
      await leavingNewer(async () => {
        const stored = await readReport(store, report);
        if (stored !== null) {
          await queues.ringReport(report, stored.report.run, stored.report.turn);
          if ((await joinRun(this.#workshop, report)) === "later") return;
        }
        // Later rounds are in the outbox by a person's decision, which is rung at rest; only an order can be lost before.
        await leaveOutbox(store, report, stored?.report.round === 0);
      });
  }

  async #ringOverdue(): Promise<void> {
    const { store, durations } = this.#workshop;
    for (const report of await listOverdue(store)) {
      const rung = await this.#ring(report);
      if (rung === "live") await leavingNewer(() => this.#endDelays(report));
      await postponeWakeup(store, report, durations.wakeAfterMs, rung === "rung");
    }
  }

  /** A live parent job of a report that should have moved may wait for the clock of another machine. */
  async #endDelays(id: ReportId): Promise<void> {
    const { store, queues } = this.#workshop;
    const stored = await readReport(store, id);
    if (stored !== null) await queues.endDelays(id, stored.report.run);
  }

  /** What a newer release has written is left to its own sweeper, as if it were being worked on. */
  async #ring(id: ReportId): Promise<Rung> {
    let rung: Rung = "live";
    await leavingNewer(async () => {
      rung = await this.#ringOurs(id);
    });
    return rung;
  }

  async #ringOurs(id: ReportId): Promise<Rung> {
    const { store, queues } = this.#workshop;
    const stored = await readReport(store, id);
    if (stored === null || isFinished(stored.report.status) || stored.report.status === "needs_review") {
      await dropWakeup(store, id);
      return "over";
    }
    const { run, turn } = stored.report;
    const state = await queues.parentState(id, run);
    if (state === "live") return "live";
    // Ended without the report being settled, or waiting for children that are gone: the job is made anew.
    if (state !== null) await queues.removeParent(id, run);
    await queues.ringReport(id, run, turn);
    return "rung";
  }

  #forgetSights(): void {
    this.#sights.clear();
    this.#lastSightAt = null;
  }
}
