/**
 * All waiting times of a fleet, in one object that is multiplied by one scale, so that a story of minutes is tested in
 * seconds. None is a setting: nobody who runs a fleet has needed another one.
 */
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const DURATIONS = {
  /** How often a process says that it lives, and how long its silence makes it suspect. */
  heartbeatMs: 1 * SECOND_MS,
  suspectAfterMs: 15 * SECOND_MS,
  /** How often the sweeper looks for reports that did not move in time. */
  sweepMs: 1 * SECOND_MS,
  /** A report that has not moved for this long is looked at. */
  wakeAfterMs: 1 * MINUTE_MS,
  /** How long a job waits before it asks again for what it cannot have now. */
  askAgainMs: 5 * SECOND_MS,
  /** An order of the intake stream whose reader has not answered for so long is somebody else's, and how long its answer can be read. */
  intakeClaimMs: 5 * SECOND_MS,
  intakeAnswerMs: 7 * DAY_MS,
  /** How long calls in flight may take to answer once a process is told to end. */
  graceMs: 25 * SECOND_MS,
  /** A process that ends and hears nothing from Redis for so long ends without it. */
  lastWordsMs: 5 * SECOND_MS,
  /** A pool of workers: how often it looks at the queues, and how long it waits beyond the grace period for one to end. */
  poolLookMs: 1 * SECOND_MS,
  poolEndMs: 10 * SECOND_MS,
  /** A replica that crashed: first and longest pause before it is started again, and how long one runs to start anew. */
  restartFirstMs: 1 * SECOND_MS,
  restartLongestMs: 60 * SECOND_MS,
  restartSteadyMs: 60 * SECOND_MS,
  /** BullMQ: how long a worker owns a job without renewing, and how often lost owners are looked for. */
  lockMs: 60 * SECOND_MS,
  stalledMs: 15 * SECOND_MS,
  /** One request to a provider: until it is connected, between two bytes, and altogether. */
  callConnectMs: 10 * SECOND_MS,
  callIdleMs: 2 * MINUTE_MS,
  callTotalMs: 10 * MINUTE_MS,
  /** A route closed for longer than this is passed over where the model has another one. */
  fallbackAfterMs: 30 * SECOND_MS,
  /** A route nobody gets an answer from: first and longest pause between probes, and how long it costs no attempts. */
  troubleFirstMs: 1 * SECOND_MS,
  troubleLongestMs: 60 * SECOND_MS,
  troubleFreeMs: 60 * MINUTE_MS,
  /** A worker that is refused where another was answered this recently has the wrong settings itself. */
  withdrawWithinMs: 60 * SECOND_MS,
  /** An answer that is not saved by then is kept in a file as well. */
  spoolAfterMs: 2 * SECOND_MS,
  /** How long a canary report may stay silent before another takes its place; longer than any single call. */
  probeLeaseMs: 15 * MINUTE_MS,
  /** How long a webhook's receiver may take, how long all may fail before it is disabled, and how long an old secret signs. */
  webhookTimeoutMs: 15 * SECOND_MS,
  webhookDisableMs: 5 * DAY_MS,
  webhookRotateMs: 1 * DAY_MS,
  /** The most a section may take in all, its calls included; and a report type's own code beside them. */
  sectionMs: 60 * MINUTE_MS,
  userCodeMs: 30 * SECOND_MS,
  /** After its end a report is packed, and loses its raw answers and prompts, and later everything but its place in the books. */
  packAfterMs: 1 * HOUR_MS,
  keepTextsMs: 30 * DAY_MS,
  keepReportsMs: 365 * DAY_MS,
  /** How long a submit may be repeated under its idempotency key, and a person may think about a review. */
  idempotencyTtlMs: 7 * DAY_MS,
  /** A person at the console: unused for so long, signed in for so long, and how long a one-time link opens. */
  consoleIdleMs: 30 * MINUTE_MS,
  consoleLongestMs: 12 * 60 * MINUTE_MS,
  consoleLinkMs: 15 * MINUTE_MS,
  /** Having said why, an admin may press buttons at Bull Board for so long. */
  consoleQueuesMs: 15 * MINUTE_MS,
  /** Whoever looks at a review case is named there for so long. */
  caseClaimMs: 15 * MINUTE_MS,
  reviewDeadlineMs: 14 * DAY_MS,
} as const;

export type Durations = Readonly<Record<keyof typeof DURATIONS, number>>;

/** All of them, in whole milliseconds of at least 1. */
export function scaledDurations(scale: number): Durations {
  const entries = Object.entries(DURATIONS).map(
    // Redis and timers take whole milliseconds, and 0 would mean "at once" or "never", depending on whom you ask.
    ([name, ms]) => [name, Math.max(1, Math.round(ms * scale))] as const,
  );
  return Object.fromEntries(entries) as unknown as Durations;
}
