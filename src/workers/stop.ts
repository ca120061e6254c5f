/**
 * Why the writing of a section stopped before it had an output. It is thrown, because it has to get out of a report
 * author's code; everywhere else it is a value.
 */
import type { Failure, Verdict } from "../domain/failure.ts";
import type { AskedQuestion } from "../store/cases.ts";

export type Stop =
  /** A failure that was classified and decided. */
  | { stop: "failed"; failure: Failure; verdict: Verdict; question?: AskedQuestion }
  /** No capacity: a route is closed or full. Spends no attempt. */
  | { stop: "wait"; afterMs: number; because: string }
  /** The claim is not this worker's any more; somebody else goes on. */
  | { stop: "superseded" }
  /** The report halted. */
  | { stop: "halted" }
  /** The report type is stopped: nothing more is paid until it is opened again. */
  | { stop: "postponed" }
  /** This process is shutting down or lost its lock: the section goes on elsewhere at this call boundary. */
  | { stop: "hand_on"; because: string };

export class SectionStopped extends Error {
  readonly stop: Stop;

  constructor(stop: Stop) {
    super(`The section stopped: ${stop.stop}`);
    this.name = "SectionStopped";
    this.stop = stop;
  }
}
