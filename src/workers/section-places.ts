/**
 * `concurrency` places per process for sections, over all its queues, and a few beyond them for sections that are first
 * in their account's line (docs/adr/0013-a-full-worker-lends-a-place.md).
 *
 *     places:   ■■■■■■■■ all taken, free = 0
 *     a first section waits: one place is lent, its queue's worker may fetch one job more
 *               ■■■■■■■■ ■      free = -1
 *     the next that comes free pays for it: nothing is fetched until free is 1 again
 *
 * A BullMQ worker knows only its own queue and fetches whatever is first there, so each is told how many jobs it may have,
 * and pauses where that is none. What it fetched too many is handed back by whoever asked for the place: no attempt, no
 * cost.
 */
import { isFirstInLine, placesLent } from "../domain/fairness.ts";

/** What counts of a BullMQ worker here. Its concurrency may be changed while it runs. */
export interface Fetcher {
  concurrency: number;
  isPaused(): boolean;
  pause(doNotWaitActive: true): Promise<void>;
  resume(): Promise<void>;
}

interface ServedQueue {
  fetcher: Fetcher;
  inHand: number;
  /** How many it may fetch though all places are taken. */
  loan: number;
  /** More were waiting than could be lent. */
  more: boolean;
  asked: boolean;
  looking: Promise<void> | null;
}

export class SectionPlaces {
  readonly #concurrency: number;
  readonly #lent: number;
  /** Below 0: so many places are lent. */
  #free: number;
  readonly #queues = new Map<string, ServedQueue>();
  readonly #mayFetch: () => boolean;
  readonly #countFirst: (type: string) => Promise<number>;
  #onLendable: (() => void)[] = [];

  /** `countFirst` tells how many sections of a type wait that are first in line. */
  constructor(
    concurrency: number,
    { mayFetch, countFirst }: { mayFetch: () => boolean; countFirst: (type: string) => Promise<number> },
  ) {
    this.#concurrency = concurrency;
    this.#lent = placesLent(concurrency);
    this.#free = concurrency;
    this.#mayFetch = mayFetch;
    this.#countFirst = countFirst;
  }

  serve(type: string, fetcher: Fetcher): void {
    const served = { fetcher, inHand: 0, loan: 0, more: false, asked: false, looking: null };
    this.#queues.set(type, served);
    this.#tell(served);
  }

  get types(): string[] {
    return [...this.#queues.keys()];
  }

  /** False where there is no place for it: whoever asked has one job too many and must hand it back. */
  take(type: string, turn: number): boolean {
    const served = this.#served(type);
    const lendable = isFirstInLine(turn) ? this.#lent : 0;
    if (!this.#mayFetch() || this.#free + lendable <= 0) {
      this.#endLoan(served);
      return false;
    }
    this.#free -= 1;
    served.inHand += 1;
    served.loan = Math.max(0, served.loan - 1);
    if (this.#free === 0) {
      this.refresh();
      this.#lookWhereMoreWait(null);
    } else if (this.#free < 0 && served.loan === 0) {
      if (served.more) void this.look(type);
      else this.#tell(served);
    }
    return true;
  }

  giveBack(type: string): void {
    const served = this.#served(type);
    this.#free += 1;
    served.inHand -= 1;
    if (this.#free > 0) {
      if (this.#free === 1) this.refresh();
      return;
    }
    if (this.#free === 1 - this.#lent) this.#tellLendable();
    // The worker that gives it back fetches the next job by itself, where it may.
    this.#lookWhereMoreWait(served);
  }

  /** Lends places to sections of this type that are first in line, as many as there are of both. */
  async look(type: string): Promise<void> {
    const served = this.#served(type);
    served.asked = true;
    served.looking ??= this.#lookWhileAsked(type, served);
    await served.looking;
  }

  /** A look that is under way may have been too early for whoever asks now. */
  async #lookWhileAsked(type: string, served: ServedQueue): Promise<void> {
    while (served.asked) {
      served.asked = false;
      await this.#lookOnce(type, served);
    }
    served.looking = null;
  }

  async #lookOnce(type: string, served: ServedQueue): Promise<void> {
    if (!this.#isFull()) return;
    const waiting = await this.#countFirst(type).catch(() => 0);
    if (!this.#isFull()) return;
    const room = this.#lent + this.#free;
    served.loan = Math.min(waiting, room);
    served.more = waiting > room;
    this.#tell(served);
  }

  /** Its queue is empty: there is nobody to lend to. */
  foundNothing(type: string): void {
    this.#endLoan(this.#served(type));
  }

  /** Whether a section that is first in line needs a place lent here, and would get one. */
  get lendable(): boolean {
    return this.#isFull() && this.#free > -this.#lent;
  }

  /** Resolves once it is `lendable`, or may be. */
  async untilLendable(): Promise<void> {
    if (this.lendable) return;
    await new Promise<void>((resolve) => this.#onLendable.push(resolve));
  }

  /** After anything that decides about all queues has changed. */
  refresh(): void {
    for (const served of this.#queues.values()) {
      if (!this.#isFull()) {
        // Whoever it was for is first in the queue, and may get one of the places that are free now, or not.
        served.more ||= served.loan > 0;
        served.loan = 0;
      }
      this.#tell(served);
    }
    if (this.lendable) this.#tellLendable();
  }

  #isFull(): boolean {
    return this.#free <= 0 && this.#mayFetch();
  }

  #lookWhereMoreWait(but: ServedQueue | null): void {
    for (const [type, served] of this.#queues) if (served !== but && served.more) void this.look(type);
  }

  #endLoan(served: ServedQueue): void {
    if (served.loan === 0 && !served.more) return;
    served.loan = 0;
    served.more = false;
    this.#tell(served);
  }

  #tellLendable(): void {
    for (const resolve of this.#onLendable.splice(0)) resolve();
  }

  #tell({ fetcher, inHand, loan, more }: ServedQueue): void {
    if (!this.#mayFetch()) {
      void fetcher.pause(true);
      return;
    }
    const full = this.#free <= 0;
    const lends = full && (loan > 0 || more);
    // Where it may have no more than it has, it fetches the next once one of them ends.
    const most = lends ? inHand + loan : this.#concurrency;
    // A worker alone never has more jobs than there are places.
    if (most === 0 || (full && !lends && this.#queues.size > 1)) {
      void fetcher.pause(true);
      return;
    }
    fetcher.concurrency = most;
    // It looks at how many it may have only when something happens to it.
    if (loan > 0) void fetcher.pause(true);
    if (fetcher.isPaused()) void fetcher.resume();
  }

  #served(type: string): ServedQueue {
    const served = this.#queues.get(type);
    if (served === undefined) throw new Error(`No sections of ${type} are served here.`);
    return served;
  }
}
