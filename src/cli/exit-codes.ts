/** What a script learns from `$?`. Documented in the README; a number keeps its meaning for good. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  notFound: 3,
  conflict: 5,
  redisUnreachable: 6,
  needsReview: 10,
  /** The report ended as failed or cancelled. */
  notDelivered: 11,
  insufficientCredits: 12,
  typeDisabled: 13,
  tooManyReports: 14,
  storeFull: 15,
  /** What `doctor` found: something to change soon, and something that does not work. */
  doctorWarns: 20,
  doctorFails: 21,
  /** As `timeout` of the coreutils. */
  waitTimeout: 124,
  /** 128 + SIGINT, as shells do. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
