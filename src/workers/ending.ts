/**
 * How a job ends, as a value. The heart decides it, `bullmq.ts` carries it out; nothing in between throws for control.
 */
export type Ending =
  | { ending: "done" }
  /** BullMQ tries the job again after this wait and counts an attempt. */
  | { ending: "retry"; afterMs: number }
  /** The job waits for capacity; no attempt is counted. */
  | { ending: "delay"; afterMs: number }
  /** Another worker takes the job at once; no attempt is counted. */
  | { ending: "hand_on" }
  /** The parent job waits for its children. */
  | { ending: "await_children" }
  /** Final: the job fails and is not tried again. The reason is made of fixed words, since Bull Board shows it. */
  | { ending: "fail"; reason: string };

export const DONE: Ending = { ending: "done" };
