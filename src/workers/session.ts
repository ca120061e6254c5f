/** One attempt at one section: what it may do, what it has spent, and what it still has to tell the store. */
import { classify } from "../classifier/classify.ts";
import { decide, type Decision } from "../classifier/decide.ts";
import type { ErrorFacts, Evidence } from "../domain/evidence.ts";
import type { Failure, RetryStrategy, Verdict } from "../domain/failure.ts";
import type { ModelConfig } from "../domain/call.ts";
import type { FailureLimits } from "../domain/credits.ts";
import type { AccountLimits } from "../domain/fairness.ts";
import type { FailureSummary } from "../domain/report.ts";
import type { SpendCaps } from "../domain/route.ts";
import type { Llm, Route } from "../llm/port.ts";
import type { Redis } from "ioredis";
import type { Registry } from "../report-types/registry.ts";
import type { Settlement } from "../store/settlements.ts";
import type { AskedQuestion } from "../store/cases.ts";
import type { Queues } from "../store/queues.ts";
import type { Store } from "../store/redis.ts";
import type { Claim } from "../store/sections.ts";
import type { KnownRuns } from "./run-facts.ts";
import type { Spool } from "./spool.ts";
import { SectionStopped, type Stop } from "./stop.ts";

/** Durations the workers live by, in ms, already scaled. */
export interface WorkerDurations {
  heartbeatMs: number;
  suspectAfterMs: number;
  sweepMs: number;
  graceMs: number;
  lastWordsMs: number;
  lockMs: number;
  stalledMs: number;
  /** Limit for all of a section's own code, its calls included. */
  sectionMs: number;
  /** Limit for a report author's own code: a step, a plan, an assembly. */
  userCodeMs: number;
  /** A report that has not moved for this long is looked at by the sweeper. */
  wakeAfterMs: number;
  /** How long a parked report waits for a person. */
  reviewDeadlineMs: number;
  callTotalMs: number;
  fallbackAfterMs: number;
  troubleFirstMs: number;
  troubleLongestMs: number;
  troubleFreeMs: number;
  withdrawWithinMs: number;
  spoolAfterMs: number;
  /** How long a canary report of a half-open type may stay silent. */
  probeLeaseMs: number;
  packAfterMs: number;
  keepTextsMs: number;
  keepReportsMs: number;
  intakeClaimMs: number;
  intakeAnswerMs: number;
  /** How long a job waits before it asks again for what it cannot have now. */
  askAgainMs: number;
}

export type Chore = (workshop: Workshop) => Promise<void>;

/** Sends one webhook delivery once; the layer beside us knows how. */
export type SendWebhook = (
  workshop: Pick<Workshop, "store" | "queues">,
  delivery: string,
) => Promise<{ outcome: "settled" } | { outcome: "again"; afterMs: number }>;

/** Something that runs beside the parents of the orchestrator role, from a layer above us; stopped before them. */
export type Companion = (workshop: Workshop, connect: () => Redis) => { stop(): Promise<void> };

/** What every worker function needs; made once per process. */
export interface Workshop {
  store: Store;
  queues: Queues;
  types: Registry;
  /** What this process knows of the runs it writes for. */
  runs: KnownRuns;
  llm: Llm;
  /** The routes that may answer a logical model, preferred first. */
  routesOf(model: ModelConfig): readonly Route[];
  caps: SpendCaps;
  accountLimits: AccountLimits;
  failureLimits: FailureLimits;
  /** Keeps answers that cannot be saved right now. */
  spool: Spool;
  /** This process's own settings are wrong: it hands its work on and takes no more. Says what to check. */
  withdraw(because: string): void;
  durations: WorkerDurations;
  /** What else the sweeper does on each of its rounds, such as group actions; the desk's, which lies above us. */
  chores: readonly Chore[];
  /** Hears how long a job waited in a queue for its first start. */
  observeWait(queue: string, waitedMs: number): void;
  /** This process, as the registry knows it. */
  processId: string;
  random(): number;
}

/** What the process tells a running job. */
export interface JobControl {
  /** Set when no new call may begin here: the process is shutting down, or BullMQ's lock is lost. Says why. */
  handOnBecause(): string | null;
  /** Aborts calls in flight: the grace period is over. */
  signal: AbortSignal;
}

export class Session {
  readonly workshop: Workshop;
  readonly claim: Claim;
  readonly control: JobControl;
  readonly strategy: RetryStrategy;
  /** Whose report it is; only the answer cache needs to know. */
  readonly account: string;
  #settlements: Settlement[] = [];
  #stop: Stop | null = null;
  unreviewed: string | null = null;
  /** Keys of the calls whose answers the author's code was given. */
  readonly used = new Set<string>();
  /** A question that is asked word for word, where a person chose so. */
  pinned: AskedQuestion | null = null;
  /** Failures of calls that the section went on without; each is an event and a vote. */
  readonly givenUp: FailureSummary[] = [];
  /** Calls on their way, by call key: the same question is never on its way twice. */
  readonly #running = new Map<string, Promise<unknown>>();

  constructor(
    workshop: Workshop,
    claim: Claim,
    control: JobControl,
    strategy: RetryStrategy,
    account: string,
  ) {
    this.account = account;
    this.workshop = workshop;
    this.claim = claim;
    this.control = control;
    this.strategy = strategy;
  }

  get type(): string {
    return this.claim.type;
  }

  /** What an answer was judged to be; told to the store by the next script of this section. */
  settle(settlement: Settlement): void {
    this.#settlements.push(settlement);
    if (!settlement.verdict.accepted) this.claim.prints.push(settlement.verdict.failure.fingerprint);
  }

  takeSettlements(): Settlement[] {
    const settlements = this.#settlements;
    this.#settlements = [];
    return settlements;
  }

  /** One after the other for the same call key; the second finds the first one's answer in its checkpoint. */
  async oneAtATime<T>(callKey: string, call: () => Promise<T>): Promise<T> {
    const before = this.#running.get(callKey);
    const mine = (async () => {
      await before?.catch(() => undefined);
      return call();
    })();
    this.#running.set(callKey, mine);
    try {
      return await mine;
    } finally {
      if (this.#running.get(callKey) === mine) this.#running.delete(callKey);
    }
  }

  /** A section is not left while a call of it is on its way: what it is paid for would be asked again. */
  async callsLanded(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running.values());
  }

  /**
   * Asks the store something. An error of the store (full, read-only, loading) is no fault of the section, its type or
   * its author: the section waits. It is remembered here, since author code may catch what is thrown.
   */
  async fromStore<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (thrown) {
      if (thrown instanceof SectionStopped) throw thrown;
      return this.stopWith({
        stop: "wait",
        afterMs: this.workshop.durations.askAgainMs,
        because: "the store does not take it now",
      });
    }
  }

  /** Author code may catch everything, so the first stop is remembered: nothing is paid after it. */
  stopWith(stop: Stop): never {
    this.#stop ??= stop;
    throw new SectionStopped(this.#stop);
  }

  /**
   * Lets a section go on without a call that ended for good: a contract failure, or transient attempts used up. Every
   * other stop stays. Answers whether it was one of those.
   */
  giveUp(thrown: unknown): boolean {
    if (!(thrown instanceof SectionStopped) || thrown.stop.stop !== "failed" || thrown.stop !== this.#stop)
      return false;
    const { failure, verdict } = thrown.stop;
    if (verdict.verdict !== "park" || (failure.kind !== "contract" && failure.kind !== "transient"))
      return false;
    this.givenUp.push(summaryOf(failure));
    this.#stop = null;
    return true;
  }

  get stop(): Stop | null {
    return this.#stop;
  }

  /** No call or step begins once the section has stopped or the process hands its work on. */
  checkMayGoOn(): void {
    if (this.#stop !== null) this.stopWith(this.#stop);
    const because = this.control.handOnBecause();
    if (because !== null) this.stopWith({ stop: "hand_on", because });
  }

  /** Classifies what was seen and decides what follows; the only way of the workers to a verdict. */
  judge(evidence: Evidence, more: JudgedWith = {}): { failure: Failure; verdict: Verdict } {
    const failure = classify(evidence);
    const { repairsTried, judgedBefore, ...rest } = more;
    const verdict = decide({
      ...rest,
      failure,
      attempts: { ...this.claim.attempts, repair: repairsTried ?? this.claim.attempts.repair },
      strategy: this.strategy,
      seenFingerprints:
        judgedBefore === true ? withoutOne(this.claim.prints, failure.fingerprint) : this.claim.prints,
      random: this.workshop.random(),
    });
    return { failure, verdict };
  }
}

/** What else a verdict depends on. */
interface JudgedWith extends Pick<Decision, "answer" | "unknownBilling"> {
  /** Repairs of this very call; the section's own count covers all its calls. */
  repairsTried?: number;
  /** The answer comes from the store and was rejected already: its fingerprint is not a second occurrence. */
  judgedBefore?: boolean;
}

function withoutOne(prints: readonly string[], print: string): string[] {
  const at = prints.indexOf(print);
  return at === -1 ? [...prints] : prints.toSpliced(at, 1);
}

export function summaryOf(failure: Failure): FailureSummary {
  const { kind, code, scope, message, fingerprint, rule } = failure;
  return { kind, code, scope, message, fingerprint, rule };
}

/** An exception as facts; causes are followed a few levels and no stack is kept. */
export function errorFacts(thrown: unknown, depth = 4): ErrorFacts {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: String(thrown).slice(0, 500) };
  const code = (thrown as { code?: unknown }).code;
  return {
    name: thrown.constructor.name,
    code: typeof code === "string" || typeof code === "number" ? code : null,
    message: thrown.message.slice(0, 2_000),
    cause: thrown.cause === undefined || depth === 0 ? null : errorFacts(thrown.cause, depth - 1),
  };
}
