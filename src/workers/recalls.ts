/**
 * Takes back what is in flight for a report that was cancelled or rejected. The heartbeat's reply brings the word, and
 * repeats it as long as the work is in hand, so a lost message costs one beat.
 *
 * An aborted call is not free: it may have been billed, and is booked as unknown.
 */
import type { ReportId } from "../domain/ids.ts";

export class Recalls {
  readonly #inHand = new Map<ReportId, { abort: AbortController; jobs: number }>();

  /** The signal of a job's report; every `pickUp` is followed by one `putDown`. */
  pickUp(report: ReportId): AbortSignal {
    const entry = this.#inHand.get(report) ?? { abort: new AbortController(), jobs: 0 };
    entry.jobs += 1;
    this.#inHand.set(report, entry);
    return entry.abort.signal;
  }

  putDown(report: ReportId): void {
    const entry = this.#inHand.get(report);
    if (entry === undefined) return;
    entry.jobs -= 1;
    if (entry.jobs === 0) this.#inHand.delete(report);
  }

  recall(reports: readonly ReportId[]): void {
    for (const report of reports) this.#inHand.get(report)?.abort.abort(new Error("The report has ended."));
  }
}
