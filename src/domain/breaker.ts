/**
 * The breaker of a report type: what is broken for every report of the type stops by itself, before it is paid again.
 *
 *               enough votes, or one that opens at once, or a person
 *     closed ──────────────────────────────────────────────────────────▶ open
 *       ▲ │                                                             │  ▲
 *       │ │ a new version of a careful type          a new version, or  │  │ one more structural failure,
 *       │ └──────────────────────────────┐         a person, on trial   │  │ or a person
 *       │                                ▼                              ▼  │
 *       └──────────────────────────── half_open ◀──────────────────────────┘
 *         its canary reports were delivered, or a person (who may close an open one as well)
 *
 * Only failures that the next report would repeat vote, once per report and section, and only while nothing of the same
 * section succeeds: a model that answers badly now and then is no broken type. Votes belong to the version that wrote.
 * The first sign of a newer version forgets them, because they say nothing about it.
 *
 * What a person has opened, no deploy opens: a new version starts a trial only where the failures had opened it.
 *
 * Pure: the store's scripts do the same steps atomically, and a test walks both side by side.
 */
import type { EpochMs, MicroUsd, ReportId } from "./ids.ts";
import type { FailureSummary } from "./report.ts";

export const BREAKER_STATES = ["closed", "open", "half_open"] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

export interface BreakerSettings {
  /** So many votes inside the window open it. */
  threshold: number;
  windowMs: number;
  /** A success of a section takes back the votes of that section. */
  successResets: boolean;
  /** How many canary reports go first when it is half open; so many deliveries close it. */
  probes: number;
  /** What becomes of an order for a stopped type: refused, or accepted and held until it is closed. */
  whenOpen: "refuse" | "hold";
  /** A new version starts half open: its first reports alone, then the rest. */
  carefulStart: boolean;
}

export const DEFAULT_BREAKER: BreakerSettings = {
  threshold: 3,
  windowMs: 10 * 60_000,
  successResets: true,
  probes: 1,
  whenOpen: "refuse",
  carefulStart: false,
};

/** A structural failure that counts; kept as evidence once the breaker has opened. */
export interface Vote {
  /** Who votes: `<report>/<section>`, or `<account>/<section>` where the customer's own text may be the cause. */
  voter: string;
  report: ReportId;
  section: string;
  /** Of the code that wrote. */
  version: number;
  failure: FailureSummary;
}

/** What one failure does. Refusals of one account count once, whatever it asks for. */
export type VoteWeight = "none" | "counts" | "counts_per_account" | "opens_at_once";

export type CastVote = Vote & { at: EpochMs };

export type BreakerCause =
  | "votes"
  | "at_once"
  | "canary_failed"
  | "canary_delivered"
  | "new_version"
  | "careful_start"
  | "person";

/** For people, wherever they look. */
export const BREAKER_WORDS = {
  closed: "running",
  open: "stopped",
  half_open: "on trial",
} as const satisfies Record<BreakerState, string>;

/** Why it turned; what a person did has a reason of its own. */
export const BREAKER_CAUSE_WORDS = {
  votes: "its own failures",
  at_once: "a failure every report would meet",
  canary_failed: "its canary failed",
  canary_delivered: "its canaries were delivered",
  new_version: "a new version",
  careful_start: "a new version, carefully",
  person: "",
} as const satisfies Record<BreakerCause, string>;

export interface Opening {
  at: EpochMs;
  cause: Extract<BreakerCause, "votes" | "at_once" | "canary_failed" | "person">;
  /** Who opened it and why; null where the failures did. */
  by: string | null;
  reason: string | null;
  version: number;
  votes: readonly CastVote[];
  /** Wasted and unknown spend of the reports that voted, when it opened. */
  burntMicros: MicroUsd;
}

/** A canary report; past its lease another may go in its place. */
export interface Probe {
  report: ReportId;
  leaseUntil: EpochMs;
}

/** `version` is the newest that was seen, 0 before any. */
export type Breaker = { version: number } & (
  | { state: "closed"; votes: readonly CastVote[] }
  | { state: "open"; opening: Opening }
  /** `opening` is what it is being tried out after; null for a careful start. */
  | { state: "half_open"; opening: Opening | null; probes: readonly Probe[]; delivered: number }
);

export const NEW_BREAKER: Breaker = { state: "closed", version: 0, votes: [] };

export type Observation =
  | { saw: "version"; version: number }
  | { saw: "failure"; vote: Vote; atOnce: boolean; burntMicros: MicroUsd }
  | { saw: "success"; section: string; version: number }
  | { saw: "asked"; report: ReportId; version: number }
  | { saw: "delivered"; report: ReportId }
  | { saw: "opened"; by: string; reason: string }
  | { saw: "closed"; by: string; reason: string }
  | { saw: "trial"; by: string; reason: string };

/** `older`: a newer version is on trial, and this worker's code is not it. */
export type BreakerWord = "closed" | "probe" | "open" | "older";

/** How long a canary may stay silent before another report takes its place. */
export type Lease = { leaseMs: number };

export function observe(
  breaker: Breaker,
  observation: Observation,
  now: EpochMs,
  settings: BreakerSettings & Lease,
): Breaker {
  switch (observation.saw) {
    case "version":
      return afterVersion(breaker, observation.version, settings);
    case "failure": {
      const { vote, atOnce, burntMicros } = observation;
      return afterFailure(
        afterVersion(breaker, vote.version, settings),
        vote,
        atOnce,
        burntMicros,
        now,
        settings,
      );
    }
    case "success":
      return afterSuccess(breaker, observation, settings);
    case "asked":
      return afterAsked(afterVersion(breaker, observation.version, settings), observation, now, settings);
    case "delivered":
      return afterDelivered(breaker, observation.report, settings);
    case "opened": {
      // Two people who stop it are one stop, and the first one's words stand.
      if (breaker.state === "open" && breaker.opening.cause === "person") return breaker;
      const { by, reason } = observation;
      const evidence = breaker.state === "closed" ? breaker.votes : (breaker.opening?.votes ?? []);
      const burntMicros = breaker.state === "closed" ? 0 : (breaker.opening?.burntMicros ?? 0);
      const opening: Opening = {
        at: now,
        cause: "person",
        by,
        reason,
        version: breaker.version,
        votes: evidence,
        burntMicros,
      };
      return { state: "open", version: breaker.version, opening };
    }
    case "closed":
      return breaker.state === "closed" ? breaker : { state: "closed", version: breaker.version, votes: [] };
    case "trial":
      return breaker.state === "open" ? halfOpen(breaker.version, breaker.opening) : breaker;
  }
}

/** What is said to a section (or its report) that wants to go on; `observe` an `asked` first to take the place. */
export function wordFor(
  breaker: Breaker,
  asked: { report: ReportId; version: number },
  now: EpochMs,
): BreakerWord {
  switch (breaker.state) {
    case "closed":
    case "open":
      return breaker.state;
    case "half_open":
      if (asked.version < breaker.version) return "older";
      return breaker.probes.some(({ report, leaseUntil }) => report === asked.report && leaseUntil > now)
        ? "probe"
        : "open";
  }
}

function afterVersion(breaker: Breaker, version: number, settings: BreakerSettings): Breaker {
  if (version <= breaker.version) return breaker;
  switch (breaker.state) {
    case "closed":
      return settings.carefulStart ? halfOpen(version, null) : { state: "closed", version, votes: [] };
    case "open":
      return breaker.opening.cause === "person"
        ? { ...breaker, version }
        : halfOpen(version, breaker.opening);
    case "half_open":
      // Whatever the canaries of the older version would have shown, it is not about this one.
      return halfOpen(version, breaker.opening);
  }
}

function afterFailure(
  breaker: Breaker,
  vote: Vote,
  atOnce: boolean,
  burntMicros: MicroUsd,
  now: EpochMs,
  settings: BreakerSettings,
): Breaker {
  if (vote.version < breaker.version || breaker.state === "open") return breaker;
  const { version } = breaker;
  const cast = { ...vote, at: now };
  if (breaker.state === "half_open")
    return { state: "open", version, opening: openedBy("canary_failed", now, version, [cast], burntMicros) };
  const counted = breaker.votes.filter(({ at }) => at > now - settings.windowMs);
  const votes = counted.some(({ voter }) => voter === vote.voter) ? counted : [...counted, cast];
  if (!atOnce && votes.length < settings.threshold) return { state: "closed", version, votes };
  return {
    state: "open",
    version,
    opening: openedBy(atOnce ? "at_once" : "votes", now, version, votes, burntMicros),
  };
}

function openedBy(
  cause: Exclude<Opening["cause"], "person">,
  at: EpochMs,
  version: number,
  votes: readonly CastVote[],
  burntMicros: MicroUsd,
): Opening {
  return { at, cause, by: null, reason: null, version, votes, burntMicros };
}

function afterSuccess(
  breaker: Breaker,
  { section, version }: { section: string; version: number },
  settings: BreakerSettings,
): Breaker {
  if (breaker.state !== "closed" || !settings.successResets || version < breaker.version) return breaker;
  return { ...breaker, votes: breaker.votes.filter((vote) => vote.section !== section) };
}

function afterAsked(
  breaker: Breaker,
  { report, version }: { report: ReportId; version: number },
  now: EpochMs,
  { probes: most, leaseMs }: BreakerSettings & Lease,
): Breaker {
  if (breaker.state !== "half_open" || version < breaker.version) return breaker;
  const probe: Probe = { report, leaseUntil: now + leaseMs };
  const others = breaker.probes.filter((other) => other.leaseUntil > now && other.report !== report);
  const isOne = breaker.probes.some((other) => other.leaseUntil > now && other.report === report);
  if (!isOne && others.length + breaker.delivered >= most) return { ...breaker, probes: others };
  return { ...breaker, probes: [...others, probe] };
}

function afterDelivered(breaker: Breaker, report: ReportId, { probes: needed }: BreakerSettings): Breaker {
  if (breaker.state !== "half_open") return breaker;
  const probes = breaker.probes.filter((probe) => probe.report !== report);
  if (probes.length === breaker.probes.length) return breaker;
  const delivered = breaker.delivered + 1;
  if (delivered >= needed) return { state: "closed", version: breaker.version, votes: [] };
  return { ...breaker, probes, delivered };
}

function halfOpen(version: number, opening: Opening | null): Breaker {
  return { state: "half_open", version, opening, probes: [], delivered: 0 };
}

/** Why it opened, in one sentence without its full stop. */
export function openingReason(opening: Pick<Opening, "cause" | "reason" | "votes">): string {
  if (opening.cause === "person") return opening.reason ?? "an operator stopped it";
  const [first] = opening.votes;
  const what = first === undefined ? "sections failed" : first.failure.message.trim().replace(/\.$/, "");
  if (opening.cause === "canary_failed") return `the first report of the trial failed again: ${what}`;
  if (opening.cause === "at_once") return `every report of the type would fail alike: ${what}`;
  const reports = new Set(opening.votes.map(({ report }) => report)).size;
  const many = opening.votes.length === 1 ? "one section" : `${opening.votes.length} sections`;
  return `${many} of ${reports === 1 ? "one report" : `${reports} reports`} failed for good, the first with: ${what}`;
}
